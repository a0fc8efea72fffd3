// Puts this process, and all that it starts from then on, before everything else on the machine: what others compute meanwhile
// is then little in the way. Only root may.

import { existsSync, writeFileSync } from 'node:fs';
import { constants, setPriority } from 'node:os';

/** Linux may share the CPU among sessions first, and look at priorities only within one (sched(7), autogroup). */
const AUTOGROUP = '/proc/self/autogroup';

/** Throws where the system does not allow it. The session has its old place again when this process ends. */
export function goFirst(): void {
  setPriority(constants.priority.PRIORITY_HIGHEST);
  if (!existsSync(AUTOGROUP)) return;
  writeFileSync(AUTOGROUP, String(constants.priority.PRIORITY_HIGHEST));
  process.once('exit', () => writeFileSync(AUTOGROUP, String(constants.priority.PRIORITY_NORMAL)));
}
