// Role: writes journals as a mesher leaves them, through the mesher's own journal: a backlog of events, or many subscriptions.
// It writes what the core would have it write, but without fsyncs and as fast as it can.

import { Level } from 'level';
import { encodeRecord } from '../../../node/core/event-record.ts';
import { hash32, type StoredEvent } from '../../../node/core/event.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import type { JournalOp, QueueEntry } from '../../../node/core/ports.ts';
import { DELIVERY_DEFAULTS, type Subscription } from '../../../node/core/subscription.ts';
import { Subscriptions } from '../../../node/core/subscriptions.ts';
import { type LevelJournal, openLevelJournal } from '../../../node/journal/level-journal.ts';
import { encodeCloudEvent } from '../../../node/wire/cloud-event-protobuf.ts';
import { idOf, Payloads, SOURCE, TYPE } from '../harness/payloads.ts';
import { playRole } from '../harness/role.ts';
import { type Backlog, FAR_CLUSTER, PAYLOAD_BYTES, SUBSCRIPTION, TOPIC } from './backlog.ts';

export interface WriterRole {
  /** `folder`: of the journal, which must not be there yet. */
  writeBacklog(options: { readonly folder: string; readonly backlog: Backlog }): Promise<void>;
  /** Durable subscriptions without events: `filters[i]` of the one named `i`. */
  writeSubscriptions(options: {
    readonly folder: string;
    readonly filters: readonly string[];
  }): Promise<void>;
}

/** Queue 1 is that of the dead letters. */
const FIRST_QUEUE = 2;
const ORIGIN = '12D3KooWJHGBCNqVwBgkKjyXMfBPn2BTyYqzJYCYRLaHB6YQb1pn';
const INCARNATION = 1;
const PATH = ['a'];
const ACCEPTED_AT = Date.UTC(2026, 0, 1);
/** Appends under way at once. */
const APPENDS = 8;

playRole<WriterRole>({
  writeBacklog: async ({ folder, backlog }) => {
    await written(folder, async (journal) => {
      const queues = backlog.wantedBy === 'lanes' ? LIMITS.lanesPerCluster : 1;
      await journal.append(queueOps(backlog, queues), false);
      await writeBlocks(journal, backlog, queues);
    });
  },
  writeSubscriptions: async ({ folder, filters }) => {
    await written(folder, async (journal) => {
      const ops = filters.flatMap((filter, i) => subscriptionOps(FIRST_QUEUE + i, String(i), filter));
      await journal.append(ops, false);
    });
  },
});

async function written(folder: string, write: (journal: LevelJournal) => Promise<void>): Promise<void> {
  const journal = await openLevelJournal(folder);
  try {
    await journal.recover();
    await write(journal);
    await journal.append([], true);
  } finally {
    await journal.close();
  }
  await compact(folder);
}

/** As a mesher's LevelDB would have done meanwhile: or each run would begin with what the writing left undone. */
async function compact(folder: string): Promise<void> {
  const db = new Level<Buffer, Buffer>(folder, { keyEncoding: 'buffer', maxFileSize: 8 * 1024 * 1024 });
  await db.open();
  if (!('compactRange' in db) || typeof db.compactRange !== 'function')
    throw new Error('this Level compacts no range');
  const compaction: unknown = Reflect.apply(db.compactRange, db, [Buffer.of(0), Buffer.of(255)]);
  await compaction;
  await db.close();
}

function queueOps({ wantedBy }: Backlog, queues: number): JournalOp[] {
  if (wantedBy === 'subscription') return subscriptionOps(FIRST_QUEUE, SUBSCRIPTION, `${TOPIC}/#`);
  return Array.from({ length: queues }, (_, lane) => ({
    op: 'queue',
    queue: FIRST_QUEUE + lane,
    name: `c:${FAR_CLUSTER}:${lane}`,
  }));
}

function subscriptionOps(queue: number, name: string, topic: string): JournalOp[] {
  const subscription: Subscription = {
    name,
    topic,
    group: undefined,
    sink: undefined,
    adoptedFrom: undefined,
    delivery: DELIVERY_DEFAULTS,
  };
  return [
    { op: 'queue', queue, name: Subscriptions.queueName(name) },
    { op: 'subscription', subscription },
  ];
}

async function writeBlocks(journal: LevelJournal, backlog: Backlog, queues: number): Promise<void> {
  const events = eventsFrom0();
  const sequences = Array.from({ length: queues }, () => 1);
  let appends: Promise<void>[] = [];
  let left = backlog.events;
  for (let block = 0; left > 0; block++) {
    const inBlock = Array.from({ length: Math.min(left, backlog.eventsPerBlock) }, events);
    left -= inBlock.length;
    const ops: JournalOp[] = [{ op: 'block', block, events: inBlock }];
    for (let queue = 0; queue < queues; queue++) {
      const entry = entryOf(inBlock, backlog, queue, queues, sequences);
      if (entry) ops.push({ op: 'entry', queue: FIRST_QUEUE + queue, block, entry });
    }
    appends.push(journal.append(ops, false));
    if (appends.length < APPENDS) continue;
    await Promise.all(appends);
    appends = [];
  }
  await Promise.all(appends);
}

/** What the queue wants of the block: all, or the share of a lane. */
function entryOf(
  events: readonly StoredEvent[],
  { wantedBy }: Backlog,
  queue: number,
  queues: number,
  sequences: number[],
): QueueEntry | undefined {
  const indices = [...events.keys()].filter((i) => (events[i]?.hash ?? 0) % queues === queue);
  if (indices.length === 0) return undefined;
  if (wantedBy === 'subscription') return { indices, first: undefined, directives: [] };
  const sequence = sequences[queue] ?? 1;
  sequences[queue] = sequence + indices.length;
  return { indices, first: { incarnation: INCARNATION, sequence }, directives: [] };
}

function eventsFrom0(): () => StoredEvent {
  const payloads = new Payloads({ bytes: PAYLOAD_BYTES });
  let n = 0;
  let last: StoredEvent | undefined;
  return () => {
    const cloudEvent = encodeCloudEvent({
      id: idOf(n),
      source: SOURCE,
      type: TYPE,
      attributes: new Map([['datacontenttype', { type: 'string', value: 'application/json' }]]),
      data: { type: 'binary', value: payloads.encoded(n) },
    });
    last = encodeRecord(
      { topic: `${TOPIC}/backlog`, expiresAt: 0, key: '', hash: hash32(idOf(n)), cloudEvent },
      {
        origin: ORIGIN,
        incarnation: INCARNATION,
        sequence: n + 1,
        acceptedAt: ACCEPTED_AT + n,
        path: PATH,
        deadLetter: undefined,
      },
      last,
    );
    n++;
    return last;
  };
}
