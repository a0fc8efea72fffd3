// A process that appends to a journal until it is killed, or until the disk refuses; run by journal-level.test.ts.
// Prints the number of each batch that was acked, one a line, then the code of the error that ended it.

import { writeSync } from 'node:fs';
import { MeshError } from '../../node/core/errors.ts';
import { openLevelJournal } from '../../node/journal/level-journal.ts';
import { storedEvents } from '../support/events.ts';
import { wants } from './journal-contract.ts';

export const EVENTS = 20;

const [dir, bytes] = process.argv.slice(2);
if (import.meta.main && dir !== undefined && bytes !== undefined) await appendUntilTheEnd(dir, Number(bytes));

async function appendUntilTheEnd(where: string, eventBytes: number): Promise<void> {
  const journal = await openLevelJournal(where);
  const { nextBlock } = await journal.recover();
  await journal.append([{ op: 'queue', queue: 1, name: 'q' }], true);
  writeSync(1, 'ready\n');
  try {
    for (let block = nextBlock; ; block++) {
      // Two at a time, so that one is always under way; the second drops what is long acked, as settling does.
      const events = storedEvents(EVENTS, { from: block * EVENTS, bytes: eventBytes });
      const entry = wants(...events.keys());
      const acked = journal.append([{ op: 'block', block, events }, { op: 'entry', queue: 1, block, entry }], true); // prettier-ignore
      const mark = {
        op: 'mark',
        sender: 'n',
        scope: 'peer',
        lane: 0,
        position: { incarnation: 1, sequence: block },
      } as const;
      const unsynced = journal.append([mark], false).catch(() => undefined); // the next synced one fails too
      await acked;
      writeSync(1, `${block}\n`);
      await unsynced;
    }
  } catch (error) {
    const again = await journal.append([], true).catch((second: unknown) => second);
    const text =
      error instanceof MeshError && error.cause instanceof Error
        ? `${error.code} ${error.cause.name}`
        : String(error);
    writeSync(1, `failed ${text}, then ${again instanceof MeshError ? again.code : String(again)}\n`);
    await journal.close();
  }
}
