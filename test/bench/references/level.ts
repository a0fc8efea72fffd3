// The reference of durable publishing and consuming inside one mesher: bare LevelDB with as many bytes an event and as many
// events a batch as the mesher had, each batch with one fsync, and deletes of the same.

import { join } from 'node:path';
import { sampleOf, withRun } from '../harness/run.ts';
import type { Size, Subject } from '../harness/scenario.ts';
import type { LevelOptions, LevelRole } from './level-role.ts';

/** What was seen of the subject: its mean record, and its mean batch. */
export interface Observed {
  readonly eventBytes: number;
  readonly batchEvents: number;
}

const SECONDS = { full: { warmUp: 3, window: 6 }, short: { warmUp: 0.5, window: 1.5 } } as const;

/** `observe`: asked before each run, since batches grow and shrink with the machine. */
export function bareLevel(
  keyPer: LevelOptions['keyPer'],
  observe: (size: Size) => Promise<Observed>,
): Subject {
  return {
    name: keyPer === 'event' ? 'bare LevelDB' : 'bare LevelDB, one value a batch',
    run: async (size) => {
      const observed = await observe(size);
      const eventBytes = Math.round(observed.eventBytes);
      const batchEvents = Math.max(1, Math.round(observed.batchEvents));
      return withRun('level', async (run) => {
        const level = run.role<LevelRole>('server', join(import.meta.dirname, 'level-role.ts'));
        const folder = join(run.folder, 'level');
        await level.call('open', { folder, eventBytes, batchEvents, keyPer });
        const { warmUp, window } = SECONDS[size];
        const before = await level.call('write', { seconds: warmUp });
        const { result, figures } = await run.measure(() => level.call('write', { seconds: window }));
        const { events, seconds, syncs } = result;
        const kept = await level.call('kept', undefined);
        if (kept === 0 || kept > before.events + events || kept % batchEvents !== 0)
          throw new Error(`${kept} events are kept, in batches of ${batchEvents}`);
        const more = { eventsPerBatch: batchEvents, bytesPerEvent: eventBytes };
        return sampleOf({ value: events / seconds, events, fsyncsPerEvent: syncs / events, more }, figures);
      });
    },
  };
}
