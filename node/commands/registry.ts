// `causeway registry`: runs the embedded registry, or a gateway in front of etcd, until it is told to stop.

import { splitHostPort } from '../config/relations.ts';
import { readSecrets } from '../config/secrets.ts';
import { MeshError } from '../core/errors.ts';
import { isLoopback } from '../core/loopback.ts';
import type { Arguments } from './arguments.ts';
import { usage } from './arguments.ts';
import { printLine } from './command.ts';
import type { Command, Terminal } from './command.ts';
import { createLogger } from './logger.ts';
import { untilAborted } from './waiting.ts';

export const command: Command = {
  name: 'registry',
  summary: 'runs the embedded registry, or a gateway in front of etcd',
  usage: '--data dir --listen host:7420 [--store etcd://h1:2379,…] [flags]',
  description:
    'Meshers join with --registry http://host:7420. With --store nothing is kept here: whoever may not see etcd sees this.',
  positionals: { min: 0, max: 0 },
  flags: {
    data: { value: 'dir', description: 'Folder of its data; else ./data/registry.' },
    listen: {
      value: 'host:port',
      description: 'Where it listens; else 127.0.0.1:7420. Port 0: one that is free.',
    },
    user: { value: 'name', description: 'Asks everybody for this user and the password of --password-file.' },
    'password-file': { value: 'path', description: 'File that holds the password.' },
    'cert-file': { value: 'path', description: 'Serves HTTPS with this certificate (PEM).' },
    'key-file': { value: 'path', description: 'Private key of --cert-file (PEM).' },
    'ca-file': {
      value: 'path',
      description: 'Asks everybody for a certificate signed by one of these (PEM).',
    },
    store: {
      value: 'address',
      description: 'Serves this registry instead: etcd://h1:2379,h2:2379 or etcds://….',
    },
    'store-user': { value: 'name', description: 'User name at the store.' },
    'store-password-file': { value: 'path', description: 'File that holds the password at the store.' },
    'store-ca-file': { value: 'path', description: "CA certificates that sign the store's (PEM)." },
    'store-cert-file': { value: 'path', description: 'Client certificate for the store (PEM).' },
    'store-key-file': { value: 'path', description: 'Private key of --store-cert-file (PEM).' },
    insecure: { value: undefined, description: 'Allows to listen beyond loopback without asking who calls.' },
  },
  examples: [
    'causeway registry --data ./registry --listen 127.0.0.1:7420',
    'causeway registry --store etcd://h1:2379,h2:2379 --listen 10.0.0.5:7420 --user mesh --password-file mesh.password',
  ],
  async run(args, terminal) {
    const server = await start(args, terminal);
    terminal.tellStarter?.({ address: server.address });
    await printLine(terminal.stdout, `registry listens on ${server.address}`);
    await untilAborted(terminal.stop);
    await server.close();
    return 0;
  },
};

async function start(
  args: Arguments,
  terminal: Terminal,
): Promise<{ address: string; close(): Promise<void> }> {
  const listen = args.text('listen') ?? '127.0.0.1:7420';
  const { user, password, tls } = readSecrets(filesOf(args, ''));
  together('user', user, 'password-file', password);
  together('cert-file', tls?.cert, 'key-file', tls?.key);
  if (tls?.ca !== undefined && tls.cert === undefined)
    throw usage('--ca-file needs HTTPS; give --cert-file and --key-file too');
  if (
    password === undefined &&
    tls?.ca === undefined &&
    !args.has('insecure') &&
    !isLoopback(splitHostPort(listen).host)
  ) {
    throw new MeshError(
      'invalid-config',
      `--listen ${listen} reaches beyond this machine and nobody would be asked who they are; ` +
        'give --user and --password-file, or --ca-file, or start with --insecure if the network around it is trusted',
    );
  }
  const log = createLogger('info');
  const { startRegistryServer } = await import('../../registry/embedded/server.ts');
  const common = {
    listen,
    user,
    password,
    tls:
      tls?.cert === undefined || tls.key === undefined ? undefined : { ...tls, cert: tls.cert, key: tls.key },
    log: ({ level, message, details }: { level: 'info' | 'warn'; message: string; details?: object }) =>
      log[level](details ?? {}, message),
  };
  const store = args.text('store');
  if (store === undefined)
    return startRegistryServer({ ...common, dataDir: args.text('data') ?? './data/registry' });
  if (args.has('data'))
    await printLine(terminal.stderr, 'causeway: --data is not used, since everything is kept in --store');
  const { openStore } = await import('../../registry/open.ts');
  const secrets = readSecrets(filesOf(args, 'store-'));
  return startRegistryServer({ ...common, store: await openStore(store, { ...secrets, log: common.log }) });
}

function filesOf(args: Arguments, prefix: '' | 'store-') {
  return {
    user: args.text(`${prefix}user`),
    passwordFile: args.text(`${prefix}password-file`),
    caFile: args.text(`${prefix}ca-file`),
    certFile: args.text(`${prefix}cert-file`),
    keyFile: args.text(`${prefix}key-file`),
  };
}

function together(one: string, first: unknown, other: string, second: unknown): void {
  if ((first === undefined) !== (second === undefined))
    throw usage(`--${one} and --${other} belong together; give both or neither`);
}
