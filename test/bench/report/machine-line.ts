// The machine of a measurement as one line for people: under the tables of a scenario, and at the start of a run.

import type { Machine } from '../harness/machine.ts';
import { showBytes, showNumber } from './figures.ts';

/** `mark` puts what must not be missed into the writing of its place. */
export function machineLine(machine: Machine, mark: (text: string) => string = (text) => text): string {
  const { cpu, cores, memoryBytes, system, fileSystem, fsyncMs, loadBefore, node } = machine;
  const busy = isBusy(machine) ? `, ${mark('busy with other work')}` : '';
  return `${cores} vCPUs (${cpu}), ${showBytes(memoryBytes)}, ${system}, data on ${fileSystem} (fsync of 4 KiB: ${showNumber(fsyncMs)} ms), load average before ${showNumber(loadBefore)}${busy}, Node ${node}`;
}

/** More wanted a CPU in the minute before than there are: what was measured had to share with them. */
function isBusy({ loadBefore, cores }: Machine): boolean {
  return loadBefore > cores;
}
