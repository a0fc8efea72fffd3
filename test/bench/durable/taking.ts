// The waiting of a subscriber: until all that was published has arrived, for as long as something still comes.

import { setTimeout as wait } from 'node:timers/promises';
import type { Ledger } from './ledger.ts';

const LOOK_EVERY_MS = 2;
/** Longer than any lease, resend or reconnect of either side takes. */
const SILENCE_MAX_MS = 45_000;

/** Throws when nothing comes any more and something is missing. */
export async function whenArrived(ledger: Ledger, upTo: number): Promise<void> {
  let [arrived, atMs] = [ledger.distinct, performance.now()];
  while (!ledger.holdsAll(upTo)) {
    if (ledger.distinct > arrived) [arrived, atMs] = [ledger.distinct, performance.now()];
    else if (performance.now() - atMs > SILENCE_MAX_MS) throw new Error(ledger.describeMissing(upTo));
    await wait(LOOK_EVERY_MS);
  }
}
