// Two clusters of NATS, A and B, of one server each, on loopback: a stream in A that takes what is published, a stream in B
// that sources it, both in files with one replica, and a durable consumer on B's. Their data is in the run's folder.

import { jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort } from '../../../support/free-port.ts';
import { until } from '../../../support/until.ts';
import type { Run } from '../../harness/run.ts';
import { serverConfiguration, type ServerSettings, type Sync } from './configuration.ts';
import { natsServer } from './install.ts';
import { CONSUMER, DOMAINS, STREAM, SUBJECTS } from './names.ts';

export interface NatsClusters {
  readonly a: string;
  readonly b: string;
}

/** Resolves when B's stream is connected with A's. `wrapper` is a command that runs each server. */
export async function startNatsClusters(
  run: Run,
  sync: Sync,
  wrapper: readonly string[] = [],
): Promise<NatsClusters> {
  const [portA, portB, leafPort] = [await freePort(), await freePort(), await freePort()];
  const common = { folder: run.folder, sync };
  const a = await startServer(run, wrapper, {
    ...common,
    name: 'nats-a',
    port: portA,
    domain: DOMAINS.a,
    leafNodes: { listen: leafPort },
  });
  // After A: a leaf node that finds nobody tries again only later, and so does the source.
  const b = await startServer(run, wrapper, {
    ...common,
    name: 'nats-b',
    port: portB,
    domain: DOMAINS.b,
    leafNodes: { join: leafPort },
  });
  try {
    await makeStreams(a, b);
  } finally {
    await Promise.all([a.close(), b.close()]);
  }
  return { a: `127.0.0.1:${portA}`, b: `127.0.0.1:${portB}` };
}

async function startServer(
  run: Run,
  wrapper: readonly string[],
  settings: ServerSettings,
): Promise<NatsConnection> {
  const { name, port, folder } = settings;
  const file = join(folder, `${name}.conf`);
  writeFileSync(file, serverConfiguration(settings));
  const server = await natsServer();
  const [command, ...args] = [...wrapper, server, '--config', file];
  const program = run.program('server', command, args);
  let printed = '';
  for (const stream of [program.stdout, program.stderr])
    stream?.on('data', (chunk: Buffer) => void (printed += chunk.toString()));
  return until(
    () => `${name} takes connections; it printed: ${printed}${logOf(folder, name)}`,
    () => connect({ servers: `127.0.0.1:${port}`, reconnect: false }),
  );
}

function logOf(folder: string, name: string): string {
  try {
    return readFileSync(join(folder, `${name}.log`), 'utf8').slice(-2000);
  } catch {
    return ''; // it has written none
  }
}

async function makeStreams(connectedA: NatsConnection, connectedB: NatsConnection): Promise<void> {
  const [a, b] = [await jetstreamManager(connectedA), await jetstreamManager(connectedB)];
  const stream = { name: STREAM, storage: 'file', num_replicas: 1 } as const;
  await a.streams.add({ ...stream, subjects: [SUBJECTS] });
  await until('B reaches A', async () => {
    const aFromB = await jetstreamManager(connectedB, { domain: DOMAINS.a });
    return aFromB.streams.info(STREAM);
  });
  await b.streams.add({
    ...stream,
    sources: [{ name: STREAM, external: { api: `$JS.${DOMAINS.a}.API`, deliver: '' } }],
  });
  await b.consumers.add(STREAM, {
    durable_name: CONSUMER,
    ack_policy: 'explicit',
    // The default, 1,000, would bound what the subscriber may have in hand below its own windows.
    max_ack_pending: -1,
  });
  await until('B sources from A', async () => {
    const { sources = [] } = await b.streams.info(STREAM);
    return sources.some(({ active }) => active >= 0);
  });
}
