// `causeway node`: runs one mesher until it is told to stop or fails.

import type { Logger } from 'pino';
import { configReference, loadConfig } from '../config.ts';
import type { Config } from '../config.ts';
import { settings } from '../config/settings.ts';
import { MeshError } from '../core/errors.ts';
import type { Mesher } from '../mesher.ts';
import type { Flag } from './arguments.ts';
import { interrupted, printLine } from './command.ts';
import type { Command, Terminal } from './command.ts';
import { createLogger } from './logger.ts';
import { untilAborted, within } from './waiting.ts';

// Custody is on disk, so stopping is quick; this is for requests under way and for handing over to peers.
const stopDeadlineMs = 20_000;
const startAbandonMs = 5_000;

// What stands for a value in the help.
const valueNames = {
  text: 'text',
  number: 'n',
  decimal: 'n',
  switch: undefined,
  choice: undefined,
  list: 'address',
  map: 'k=v',
} as const;

export const command: Command = {
  name: 'node',
  summary: 'runs one mesher',
  usage: '--federation acme --cluster aws-eu-west-1 --registry etcd://h1:2379,h2:2379 [flags]',
  description:
    'Settings come from flags, else the environment (CAUSEWAY_…), else the YAML file, else defaults. Every setting has a\n' +
    "flag, those of 'limits' and 'timing' too (--limits-event-bytes-max); docs/config.md and --reference list them all.",
  positionals: { min: 0, max: 0 },
  flags: {
    config: { value: 'file.yaml', description: 'YAML file with settings; else CAUSEWAY_CONFIG.' },
    ...settingFlags(),
    reference: { value: undefined, description: 'Prints the reference of all settings as Markdown.' },
  },
  examples: [
    'causeway node --federation acme --cluster aws-eu-west-1 --registry etcd://h1:2379,h2:2379',
    'causeway node --config causeway.yaml --label zone=a',
  ],
  async run(args, terminal) {
    if (args.has('reference')) {
      await terminal.stdout.write(configReference());
      return 0;
    }
    const config = loadConfig({ flags: args.values, env: terminal.env, file: args.text('config') });
    const log = createLogger(config.log.level);
    const { startMesher } = await import('../mesher.ts');
    return runMesher(startMesher(config, { log, process }), config, log, terminal);
  },
};

async function runMesher(
  starting: Promise<Mesher>,
  config: Config,
  log: Logger,
  terminal: Terminal,
): Promise<number> {
  const mesher = await Promise.race([starting, untilAborted(terminal.stop)]);
  if (mesher === undefined) {
    await within(
      startAbandonMs,
      starting.then((started) => started.stop()),
    );
    return interrupted;
  }
  const { node, http } = mesher;
  const { cluster, federation } = config;
  terminal.tellStarter?.({ node, http, cluster });
  await printLine(terminal.stdout, `mesher ${node} of ${federation} in ${cluster} listens on ${http}`);
  const failure = await Promise.race([mesher.failed, untilAborted(terminal.stop)]);
  const stopped = await within(
    stopDeadlineMs,
    mesher.stop().then(() => true),
  );
  if (failure !== undefined) {
    log.fatal({ err: failure }, 'the mesher failed');
    throw failure;
  }
  if (stopped !== true) {
    throw new MeshError(
      'internal',
      `the mesher did not stop within ${stopDeadlineMs} ms and was cut off; acked events are on disk, start it again`,
    );
  }
  return 0;
}

function settingFlags(): Record<string, Flag> {
  const flags: Record<string, Flag> = {};
  for (const setting of settings) {
    const value = setting.kind === 'choice' ? setting.choices.join('|') : valueNames[setting.kind];
    const flag: Flag = {
      value,
      description: plain(setting.description),
      multiple: setting.kind === 'list' || setting.kind === 'map',
    };
    const drowning = /^(limits|timing)\./.test(setting.key);
    if (setting.shortFlag !== undefined) flags[setting.shortFlag] = flag;
    flags[setting.flag] = { ...flag, hidden: drowning || setting.shortFlag !== undefined };
  }
  return flags;
}

function plain(markdown: string): string {
  return markdown.replaceAll('`', '');
}
