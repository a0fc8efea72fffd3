// Loaded into a mesher before anything else (node --import): on SIGUSR2 it collects garbage and writes what its process still
// holds to a file, named by its process id, in the folder that SOAK_PROBES names. Timers are counted as objects: those that
// keep no process alive (`unref`) are in no list of active resources, and are the ones that leak unseen.

import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { queryObjects, setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Of a process, after a collection of its garbage. */
export interface Probe {
  /** What keeps the process alive, by its kind: sockets, servers, referenced timers. */
  readonly resources: Readonly<Record<string, number>>;
  /** `Timeout` objects that somebody holds, referenced or not. */
  readonly timers: number;
  /** JavaScript's heap and the buffers outside it. */
  readonly heapBytes: number;
  readonly rssBytes: number;
}

const folder = process.env['SOAK_PROBES'] ?? '';
setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;
const timer = setTimeout(() => undefined, 0);
const Timeout = timer.constructor as new () => NodeJS.Timeout;
clearTimeout(timer);

function probe(): Probe {
  collect();
  const resources: Record<string, number> = {};
  for (const kind of process.getActiveResourcesInfo()) resources[kind] = (resources[kind] ?? 0) + 1;
  const { heapUsed, external, rss } = process.memoryUsage();
  return {
    resources,
    timers: queryObjects(Timeout, { format: 'count' }),
    heapBytes: heapUsed + external,
    rssBytes: rss,
  };
}

process.on('SIGUSR2', () => {
  const file = join(folder, String(process.pid));
  writeFileSync(`${file}.new`, JSON.stringify(probe()));
  renameSync(`${file}.new`, file); // whoever waits for it finds it whole
});
