// Role: what LevelDB alone can do with durable events that are soon done with. Batches of puts, one fsync each, one after another:
// while one is under way the next fills up, so a batch is as large as what arrives meanwhile; here it is told how large that is.
// Each batch also deletes what one some time before it put, as consuming does, and pays no fsync of its own for it.

import { Level } from 'level';
import { Payloads, PAYLOAD_BYTES_MIN } from '../harness/payloads.ts';
import { monotonicUs } from '../harness/latencies.ts';
import { playRole } from '../harness/role.ts';

export interface LevelRole {
  open(options: LevelOptions): Promise<void>;
  /** Goes on from call to call. */
  write(options: { readonly seconds: number }): Promise<Written>;
  /** Events on disk, read back. */
  kept(nothing: undefined): Promise<number>;
}

export interface LevelOptions {
  readonly folder: string;
  /** Of each event as it is stored. */
  readonly eventBytes: number;
  readonly batchEvents: number;
  /** `event`: a key for each. `batch`: one value for all of a batch, which is as little as LevelDB can be asked to do. */
  readonly keyPer: 'event' | 'batch';
}

export interface Written {
  readonly events: number;
  readonly seconds: number;
  readonly syncs: number;
}

/** As the journal has them (node/journal/level-journal.ts, where they were measured). */
const LEVEL_OPTIONS = {
  keyEncoding: 'buffer',
  valueEncoding: 'buffer',
  compression: true,
  writeBufferSize: 32 * 1024 * 1024,
  maxFileSize: 8 * 1024 * 1024,
} as const;
/** Events between their put and their delete: what a publisher and a subscriber have in hand. */
const IN_HAND = 4096;

type Change =
  | { readonly type: 'put'; readonly key: Buffer; readonly value: Buffer }
  | { readonly type: 'del'; readonly key: Buffer };

let opened:
  | { readonly db: Level<Buffer, Buffer>; readonly options: LevelOptions; readonly payloads: Payloads }
  | undefined;
let batches = 0;

playRole<LevelRole>({
  open: async (options) => {
    const db = new Level<Buffer, Buffer>(options.folder, LEVEL_OPTIONS);
    await db.open();
    opened = {
      db,
      options,
      payloads: new Payloads({ bytes: Math.max(PAYLOAD_BYTES_MIN, options.eventBytes) }),
    };
  },
  write: async ({ seconds }) => {
    const { db, options } = whenOpened();
    const startUs = monotonicUs();
    const first = batches;
    while (monotonicUs() - startUs < seconds * 1e6) {
      await db.batch([...puts(batches), ...deletes(batches)], { sync: true });
      batches++;
    }
    const syncs = batches - first;
    return { events: syncs * options.batchEvents, seconds: (monotonicUs() - startUs) / 1e6, syncs };
  },
  kept: async () => {
    const { db, options } = whenOpened();
    let count = 0;
    for await (const _key of db.keys()) count++;
    return options.keyPer === 'event' ? count : count * options.batchEvents;
  },
});

function whenOpened(): NonNullable<typeof opened> {
  if (!opened) throw new Error('open comes first');
  return opened;
}

function puts(batch: number): Change[] {
  const { options, payloads } = whenOpened();
  const { batchEvents, keyPer } = options;
  const values = Array.from({ length: batchEvents }, (_, i) => payloads.encoded(batch * batchEvents + i));
  if (keyPer === 'batch') return [{ type: 'put', key: keyOf(batch), value: Buffer.concat(values) }];
  return values.map((value, i) => ({ type: 'put', key: keyOf(batch * batchEvents + i), value }));
}

function deletes(batch: number): Change[] {
  const { batchEvents, keyPer } = whenOpened().options;
  const done = batch - batchesInHand(batchEvents);
  if (done < 0) return [];
  if (keyPer === 'batch') return [{ type: 'del', key: keyOf(done) }];
  return Array.from({ length: batchEvents }, (_, i) => ({ type: 'del', key: keyOf(done * batchEvents + i) }));
}

function batchesInHand(batchEvents: number): number {
  return Math.max(1, Math.ceil(IN_HAND / batchEvents));
}

function keyOf(n: number): Buffer {
  const key = Buffer.allocUnsafe(8);
  key.writeBigUInt64BE(BigInt(n));
  return key;
}
