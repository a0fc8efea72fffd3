// What every journal promises (the `Journal` port). Run by journal-level.test.ts and journal-memory.test.ts.

import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TestContext } from 'node:test';
import type { ListedBlock } from '../../node/core/block-list.ts';
import { MeshError } from '../../node/core/errors.ts';
import type { StoredEvent } from '../../node/core/event.ts';
import type { Journal, JournalOp, MemberRecord, QueueEntry, Recovered } from '../../node/core/ports.ts';
import { DELIVERY_DEFAULTS } from '../../node/core/subscription.ts';
import type { Subscription } from '../../node/core/subscription.ts';
import { storedEvent, storedEvents } from '../support/events.ts';

/** A place for one journal at a time. */
export interface JournalPlace {
  /** A journal on what is there, not recovered yet. Closed by the place when the test ends. */
  open(): Promise<Journal>;
  /** Ends the journal opened last without closing it, and loses as much as a crash may. */
  crash(): Promise<void>;
  /** Keys on disk, those of meta and of the journal itself left out. No journal may be open. */
  countKeys(): Promise<number>;
}

/** As lists, which can be compared. */
export interface RecoveredInFull extends Omit<Recovered, 'queues'> {
  readonly queues: readonly (Omit<Recovered['queues'][number], 'blocks'> & {
    readonly blocks: readonly ListedBlock[];
  })[];
}

export function inFull(recovered: Recovered): RecoveredInFull {
  return {
    ...recovered,
    queues: recovered.queues.map((queue) => ({ ...queue, blocks: [...queue.blocks] })),
  };
}

export const NOTHING = {
  nextBlock: 0,
  queues: [],
  unclaimedBlocks: [],
  marks: [],
  subscriptions: [],
  members: [],
  takeovers: [],
  routes: [],
} satisfies RecoveredInFull;

export function wants(...indices: number[]): QueueEntry {
  return { indices, first: undefined, directives: [] };
}

export function subscription(name: string, parts: Partial<Subscription> = {}): Subscription {
  return {
    name,
    topic: 'orders/#',
    group: undefined,
    sink: undefined,
    adoptedFrom: undefined,
    delivery: DELIVERY_DEFAULTS,
    ...parts,
  };
}

export function member(node: string, parts: Partial<MemberRecord> = {}): MemberRecord {
  return {
    federation: 'acme',
    cluster: 'eu',
    node,
    incarnation: 7,
    addresses: ['/ip4/10.0.0.1/tcp/7401'],
    http: 'http://10.0.0.1:7400',
    labels: { zone: 'a' },
    version: '0.1.0',
    signature: 'c2ln',
    ...parts,
  };
}

const isStorageFailure = (error: unknown): boolean =>
  error instanceof MeshError && error.code === 'storage-failed';
const queue = (number: number, name = `q${number}`): JournalOp => ({ op: 'queue', queue: number, name });
const block = (number: number, events: readonly StoredEvent[]): JournalOp => ({
  op: 'block',
  block: number,
  events,
});
const entry = (number: number, of: number, what: QueueEntry): JournalOp => ({
  op: 'entry',
  queue: number,
  block: of,
  entry: what,
});
const dropEntry = (number: number, of: number): JournalOp => ({ op: 'drop-entry', queue: number, block: of });
const dropBlock = (number: number): JournalOp => ({ op: 'drop-block', block: number });

export function journalContract(name: string, makePlace: (t: TestContext) => Promise<JournalPlace>): void {
  const opened = async (t: TestContext): Promise<{ place: JournalPlace; journal: Journal }> => {
    const place = await makePlace(t);
    const journal = await place.open();
    await journal.recover();
    return { place, journal };
  };
  const reopened = async (
    place: JournalPlace,
    journal: Journal,
  ): Promise<{ journal: Journal; recovered: RecoveredInFull }> => {
    await journal.close();
    const again = await place.open();
    return { journal: again, recovered: inFull(await again.recover()) };
  };
  const crashed = async (place: JournalPlace): Promise<{ journal: Journal; recovered: RecoveredInFull }> => {
    await place.crash();
    const again = await place.open();
    return { journal: again, recovered: inFull(await again.recover()) };
  };

  describe(`${name} journal`, () => {
    test('is empty at first', async (t) => {
      const place = await makePlace(t);
      assert.deepEqual(inFull(await (await place.open()).recover()), NOTHING);
    });

    test('gives back after a restart all that was appended', async (t) => {
      const { place, journal } = await opened(t);
      const events = storedEvents(5);
      const laneEntry: QueueEntry = {
        indices: [1, 2, 4],
        first: { incarnation: 3, sequence: 2 ** 40 },
        directives: [
          { from: 0, directive: { groups: 'only', names: [] } },
          { from: 2, directive: { groups: 'except', names: ['a group', 'gruppe-ü', ''] } },
        ],
      };
      await journal.append(
        [
          queue(1, 'subscription/a'),
          queue(2, 'lane/eu/3'),
          block(0, events),
          entry(1, 0, wants(0, 4)),
          entry(2, 0, laneEntry),
        ],
        true,
      );
      const check = async (of: Journal): Promise<void> => {
        assert.deepEqual(await of.load(1, [0]), [
          { block: 0, entry: wants(0, 4), events: [events[0], events[4]] },
        ]);
        const loaded = await of.load(2, [0]);
        assert.deepEqual(loaded, [{ block: 0, entry: laneEntry, events: [events[1], events[2], events[4]] }]);
      };
      await check(journal);
      const { journal: again, recovered } = await reopened(place, journal);
      assert.deepEqual(recovered, {
        ...NOTHING,
        nextBlock: 1,
        queues: [
          { queue: 1, name: 'subscription/a', blocks: [{ block: 0, count: 2, first: undefined }] },
          { queue: 2, name: 'lane/eu/3', blocks: [{ block: 0, count: 3, first: laneEntry.first }] },
        ],
      });
      await check(again);
    });

    test('gives events back with all parts of their header', async (t) => {
      const { place, journal } = await opened(t);
      const deadLetter = { subscription: 's', reason: 'rejected', attempts: 11, topic: 'a/b' };
      const event = storedEvent({
        topic: 'größe/数/🚚',
        key: 'Schlüssel',
        expiresAt: 2 ** 41,
        incarnation: 2 ** 50,
        sequence: 2 ** 52,
        path: ['eu', 'us', '亚洲'],
        deadLetter,
        bytes: 0,
      });
      await journal.append([queue(1), block(0, [event]), entry(1, 0, wants(0))], true);
      const { journal: again } = await reopened(place, journal);
      const [loaded] = await again.load(1, [0]);
      assert.deepEqual(loaded?.events, [event]);
      assert.deepEqual(loaded.events[0]?.record, event.record);
    });

    test('applies batches in call order when none is awaited', async (t) => {
      const { place, journal } = await opened(t);
      const writes = [journal.append([queue(1), block(0, storedEvents(100)), entry(1, 0, wants(0))], false)];
      for (let i = 1; i < 100; i++) {
        writes.push(journal.append([entry(1, 0, wants(i)), queue(1, `name ${i}`)], i % 10 === 0));
      }
      const seen = journal.load(1, [0]);
      writes.push(
        journal.append([dropEntry(1, 0)], false),
        journal.append([entry(1, 0, wants(7, 8))], false),
      );
      await Promise.all(writes);
      assert.deepEqual((await seen)[0]?.entry.indices, [99], 'a load sees the batches appended before it');
      const { recovered } = await reopened(place, journal);
      assert.deepEqual(recovered.queues, [
        { queue: 1, name: 'name 99', blocks: [{ block: 0, count: 2, first: undefined }] },
      ]);
    });

    test('applies the changes of one batch in their order', async (t) => {
      const { place, journal } = await opened(t);
      await journal.append(
        [queue(1), block(0, storedEvents(3)), entry(1, 0, wants(0)), entry(1, 0, wants(0, 1))],
        false,
      );
      await journal.append(
        [dropEntry(1, 0), entry(1, 0, wants(2)), queue(2), { op: 'drop-queue', queue: 2 }],
        true,
      );
      const { journal: again, recovered } = await reopened(place, journal);
      assert.deepEqual(recovered.queues, [
        { queue: 1, name: 'q1', blocks: [{ block: 0, count: 1, first: undefined }] },
      ]);
      assert.deepEqual((await again.load(1, [0]))[0]?.entry, wants(2));
    });

    test('keeps after a crash what was synced, and of the rest whole batches from the front', async (t) => {
      const { place, journal } = await opened(t);
      await journal.append([queue(1), queue(2), block(0, storedEvents(1)), entry(1, 0, wants(0))], false);
      await journal.append([entry(2, 0, wants(0))], true);
      for (let i = 1; i <= 20; i++) {
        await journal.append(
          [block(i, storedEvents(2)), entry(1, i, wants(0)), entry(2, i, wants(0, 1))],
          false,
        );
      }
      const { journal: again, recovered } = await crashed(place);
      const [one = [], two] = recovered.queues.map(({ blocks }) => blocks.map((each) => each.block));
      assert.deepEqual(one, two, 'a batch was torn');
      assert.deepEqual(
        one,
        Array.from({ length: recovered.nextBlock }, (_, i) => i),
        'a batch is missing in between',
      );
      assert.ok(recovered.nextBlock >= 1, 'what was synced is gone');
      assert.deepEqual(recovered.unclaimedBlocks, []);
      assert.equal((await again.load(2, one)).length, recovered.nextBlock);
    });

    test('makes all before it durable with a synced batch that changes nothing', async (t) => {
      const { place, journal } = await opened(t);
      await journal.append([queue(1), block(0, storedEvents(1)), entry(1, 0, wants(0))], false);
      await journal.append([], true);
      const { recovered } = await crashed(place);
      assert.equal(recovered.nextBlock, 1);
    });

    test('replaces and drops entries', async (t) => {
      const { place, journal } = await opened(t);
      const events = storedEvents(4);
      await journal.append(
        [queue(1), block(0, events), block(1, events), entry(1, 0, wants(0, 1, 2, 3)), entry(1, 1, wants(0))],
        true,
      );
      await journal.append([entry(1, 0, wants(1, 3)), dropEntry(1, 1)], true);
      assert.deepEqual(await journal.load(1, [0, 1]), [
        { block: 0, entry: wants(1, 3), events: [events[1], events[3]] },
      ]);
      const { recovered } = await reopened(place, journal);
      assert.deepEqual(recovered.queues[0]?.blocks, [{ block: 0, count: 2, first: undefined }]);
      assert.deepEqual(recovered.unclaimedBlocks, [1]);
    });

    test('loads in the order asked for, and leaves out blocks without an entry', async (t) => {
      const { journal } = await opened(t);
      const ops: JournalOp[] = [queue(1), queue(2)];
      for (let i = 0; i < 6; i++)
        ops.push(block(i, storedEvents(1, { from: i })), entry(i % 2 === 0 ? 1 : 2, i, wants(0)));
      await journal.append(ops, true);
      const loaded = await journal.load(1, [4, 1, 0, 99, 2]);
      assert.deepEqual(
        loaded.map((each) => [each.block, each.events[0]?.sequence]),
        [[4, 4], [0, 0], [2, 2]], // prettier-ignore
      );
      assert.deepEqual(await journal.load(3, [0, 1]), []);
      assert.deepEqual(await journal.load(1, []), []);
    });

    test('names the queue and the block where a block that is wanted is gone', async (t) => {
      const { journal } = await opened(t);
      await journal.append([queue(5), block(0, storedEvents(1)), entry(5, 0, wants(0))], true);
      await journal.append([dropBlock(0)], true);
      await assert.rejects(journal.load(5, [0]), (error: unknown) => {
        assert.ok(error instanceof MeshError && error.code === 'storage-failed');
        assert.match(error.message, /block 0 for queue 5/);
        assert.deepEqual(error.details, { queue: 5, block: 0 });
        return true;
      });
      await journal.append([dropEntry(5, 0)], true); // one bad block does not end the journal
    });

    test('lists blocks that no queue wants', async (t) => {
      const { place, journal } = await opened(t);
      await journal.append(
        [queue(1), block(3, storedEvents(1)), block(10, storedEvents(1)), block(200, storedEvents(1))],
        true,
      );
      await journal.append([entry(1, 10, wants(0))], true);
      const { recovered } = await reopened(place, journal);
      assert.deepEqual(recovered.unclaimedBlocks, [3, 200]);
    });

    test('never gives a block number out again', async (t) => {
      const { place, journal } = await opened(t);
      await journal.append([block(0, storedEvents(1)), block(41, storedEvents(1))], true);
      await journal.append([dropBlock(0), dropBlock(41)], true);
      const first = await reopened(place, journal);
      assert.deepEqual(first.recovered, { ...NOTHING, nextBlock: 42 });
      await assert.rejects(first.journal.append([block(41, storedEvents(1))], true), /invariant broken/);
      const second = await reopened(place, first.journal);
      await second.journal.append([block(42, storedEvents(1)), dropBlock(42)], true);
      assert.deepEqual((await crashed(place)).recovered, { ...NOTHING, nextBlock: 43 });
    });

    test('drops a queue with all its entries', async (t) => {
      const { place, journal } = await opened(t);
      for (let i = 0; i < 30; i++) {
        await journal.append(
          [
            queue(1),
            queue(2),
            queue(258),
            block(i, storedEvents(1)),
            entry(1, i, wants(0)),
            entry(2, i, wants(0)),
          ],
          false,
        );
      }
      await journal.append([entry(258, 0, wants(0))], false);
      const dropAndRemake: JournalOp[] = [
        block(30, storedEvents(1)),
        entry(2, 30, wants(0)),
        { op: 'drop-queue', queue: 2 },
        queue(2, 'new'),
        entry(2, 5, wants(0)),
      ];
      await journal.append(dropAndRemake, true);
      const left = await journal.load(2, [0, 5, 29, 30]);
      assert.deepEqual(
        left.map((each) => each.block),
        [5],
      );
      const { recovered } = await reopened(place, journal);
      assert.deepEqual(recovered.queues.map((each) => [each.queue, each.name, each.blocks.length]), [
        [1, 'q1', 30],
        [2, 'new', 1],
        [258, 'q258', 1],
      ]); // prettier-ignore
      assert.deepEqual(recovered.unclaimedBlocks, [30]);
    });

    test('refuses an entry of a queue that does not exist, and nothing of its batch stays', async (t) => {
      const { place, journal } = await opened(t);
      const late = [block(0, storedEvents(1)), entry(9, 0, wants(0))];
      await assert.rejects(journal.append(late, true), /invariant broken: queue 9/);
      const { recovered } = await reopened(place, journal);
      assert.deepEqual(recovered, NOTHING);
    });

    test('refuses what was asked for behind a batch that fails, and all later use', async (t) => {
      const { place, journal } = await opened(t);
      const bad = journal.append([entry(9, 0, wants(0))], true);
      const behind = journal.append([queue(1)], true);
      await assert.rejects(bad, /invariant broken/);
      await assert.rejects(behind, isStorageFailure);
      await assert.rejects(journal.append([queue(1)], true), isStorageFailure);
      await assert.rejects(journal.load(1, [0]), isStorageFailure);
      await assert.rejects(journal.getMeta('a'), isStorageFailure);
      await assert.rejects(journal.putMeta('a', 'b'), isStorageFailure);
      assert.deepEqual((await reopened(place, journal)).recovered, NOTHING);
    });

    test('keeps one mark for each lane of each sender, the last one', async (t) => {
      const { place, journal } = await opened(t);
      const mark = (
        sender: string,
        scope: 'cluster' | 'peer',
        lane: number,
        sequence: number,
      ): JournalOp => ({
        op: 'mark',
        sender,
        scope,
        lane,
        position: { incarnation: 2 ** 45, sequence },
      });
      await journal.append(
        [
          mark('b', 'cluster', 0, 1),
          mark('b', 'peer', 0, 2),
          mark('b', 'cluster', 256, 3),
          mark('ä', 'cluster', 0, 4),
        ],
        true,
      );
      await journal.append([mark('b', 'cluster', 0, 2 ** 52)], true);
      const { recovered } = await reopened(place, journal);
      assert.deepEqual(
        recovered.marks,
        [
          { sender: 'b', scope: 'cluster', lane: 0, position: { incarnation: 2 ** 45, sequence: 2 ** 52 } },
          { sender: 'ä', scope: 'cluster', lane: 0, position: { incarnation: 2 ** 45, sequence: 4 } },
          { sender: 'b', scope: 'cluster', lane: 256, position: { incarnation: 2 ** 45, sequence: 3 } },
          { sender: 'b', scope: 'peer', lane: 0, position: { incarnation: 2 ** 45, sequence: 2 } },
        ], // prettier-ignore
      );
    });

    test('keeps subscriptions and members, whatever script they are in', async (t) => {
      const { place, journal } = await opened(t);
      const subscriptions = [
        subscription('$dead-letters'),
        subscription('a', { group: 'gruppe/ü', sink: 'https://example.org/ö?x=1', topic: '数/+/🚚/#' }),
        subscription('b', {
          delivery: {
            ...DELIVERY_DEFAULTS,
            deadLetterTopic: 'tot',
            queueEventsMax: 5,
            whenFull: 'drop-newest',
          },
        }),
      ];
      const members = [
        member('n1', { labels: { größe: '"\\\u0000\u2028', '': '' }, addresses: [] }),
        member('n2', { cluster: '亚洲' }),
      ];
      const ops: JournalOp[] = [
        { op: 'subscription', subscription: subscription('a') },
        { op: 'subscription', subscription: subscription('gone') },
        { op: 'member', member: member('gone') },
        ...subscriptions.map((each): JournalOp => ({ op: 'subscription', subscription: each })),
        ...members.map((each): JournalOp => ({ op: 'member', member: each })),
      ];
      await journal.append(ops, true);
      await journal.append(
        [
          { op: 'drop-subscription', name: 'gone' },
          { op: 'drop-member', node: 'gone' },
        ],
        true,
      );
      const { recovered } = await reopened(place, journal);
      assert.deepEqual(recovered, { ...NOTHING, subscriptions, members });
    });

    test('keeps the routes of other meshers by bucket, and gives them back by mesher', async (t) => {
      const { place, journal } = await opened(t);
      const routes = (node: string, bucket: number, ...filters: string[]): JournalOp => {
        return { op: 'routes', node, bucket, interests: filters.map((filter) => ({ filter, group: '' })) };
      };
      const interests = [
        { filter: '数/+/🚚/#', group: '' },
        { filter: 'a', group: 'gruppe/ü' },
      ];
      await journal.append([routes('b', 255, 'last'), routes('a', 0, 'gone'), routes('ab', 1, 'x')], false);
      await journal.append(
        [routes('b', 2, 'second'), routes('a', 0), { op: 'routes', node: 'a', bucket: 7, interests }],
        false,
      );
      await journal.append([routes('b', 2, 'second', 'too'), routes('', 3, ''), routes('a', 9)], true);
      const of = (...filters: string[]): unknown => filters.map((filter) => ({ filter, group: '' }));
      const { journal: again, recovered } = await reopened(place, journal);
      assert.deepEqual(recovered, {
        ...NOTHING,
        routes: [
          { node: '', interests: of('') },
          { node: 'a', interests },
          { node: 'b', interests: of('second', 'too', 'last') },
          { node: 'ab', interests: of('x') },
        ],
      });
      const drop = (node: string): JournalOp => ({ op: 'drop-routes', node });
      await again.append(
        [drop('a'), routes('b', 8, 'late'), drop('b'), routes('b', 9, 'later'), drop('')],
        true,
      );
      const { recovered: left } = await crashed(place);
      assert.deepEqual(left.routes, [
        { node: 'b', interests: of('later') },
        { node: 'ab', interests: of('x') },
      ]);
    });

    test('keeps small values across restarts and crashes', async (t) => {
      const { place, journal } = await opened(t);
      assert.equal(await journal.getMeta('incarnation'), undefined);
      await journal.putMeta('incarnation', '1');
      await journal.putMeta('incarnation', '2');
      await journal.putMeta('größe', '数\u0000');
      assert.equal(await journal.getMeta('incarnation'), '2');
      const { journal: again, recovered } = await crashed(place);
      assert.deepEqual(recovered, NOTHING);
      assert.equal(await again.getMeta('incarnation'), '2');
      assert.equal(await again.getMeta('größe'), '数\u0000');
    });

    test('holds blocks of 1024 events of 1 KiB, and events of 1 MiB', async (t) => {
      const { place, journal } = await opened(t);
      const many = storedEvents(1024, { bytes: 1024 });
      const large = storedEvent({ bytes: 1024 * 1024 });
      const all = Array.from({ length: 1024 }, (_, i) => i);
      const everySecond = all.filter((i) => i % 2 === 1);
      await journal.append(
        [
          queue(1),
          queue(2),
          block(0, many),
          block(1, [large]),
          entry(1, 0, wants(...all)),
          entry(1, 1, wants(0)),
          entry(2, 0, wants(...everySecond)),
        ],
        true,
      );
      const { journal: again, recovered } = await reopened(place, journal);
      assert.deepEqual(recovered.queues[1]?.blocks, [{ block: 0, count: 512, first: undefined }]);
      const loaded = await again.load(1, [0, 1]);
      const records = loaded.flatMap(({ events }) => events.map(({ record }) => record));
      assert.ok(Buffer.concat(records).equals(Buffer.concat([...many, large].map(({ record }) => record))));
      const [second] = await again.load(2, [0]);
      assert.deepEqual(second?.entry.indices, everySecond);
      assert.deepEqual(second.events.map(({ sequence }) => sequence), everySecond.map((i) => i + 1)); // prettier-ignore
    });

    test('keeps a run of directives for every event of an entry', async (t) => {
      const { place, journal } = await opened(t);
      const directives = Array.from({ length: 1000 }, (_, from) => ({
        from,
        directive: {
          groups: from % 2 === 0 ? ('only' as const) : ('except' as const),
          names: [`g${from}`, 'h'],
        },
      }));
      const long: QueueEntry = {
        indices: directives.map(({ from }) => from),
        first: { incarnation: 1, sequence: 1 },
        directives,
      };
      await journal.append([queue(1), block(0, storedEvents(1000)), entry(1, 0, long)], true);
      const { journal: again } = await reopened(place, journal);
      assert.deepEqual((await again.load(1, [0]))[0]?.entry, long);
    });

    test('keeps nothing of what was dropped', async (t) => {
      const { place, journal } = await opened(t);
      const made: JournalOp[] = [];
      for (let i = 0; i < 50; i++) {
        made.push(queue(i), block(i, storedEvents(3)), entry(i, i, wants(0)), {
          op: 'subscription',
          subscription: subscription(`s${i}`),
        });
        made.push({ op: 'member', member: member(`n${i}`) });
        made.push({
          op: 'routes',
          node: `n${i % 5}`,
          bucket: i * 5,
          interests: [{ filter: 'a', group: '' }],
        });
      }
      await journal.append(made, true);
      const dropped: JournalOp[] = [];
      for (let i = 0; i < 50; i++) {
        dropped.push(i < 25 ? dropEntry(i, i) : { op: 'drop-queue', queue: i }, dropBlock(i), {
          op: 'drop-subscription',
          name: `s${i}`,
        });
        dropped.push({ op: 'drop-member', node: `n${i}` });
        if (i % 5 < 3) dropped.push({ op: 'drop-routes', node: `n${i}` });
        else dropped.push({ op: 'routes', node: `n${i % 5}`, bucket: i * 5, interests: [] });
        if (i < 25) dropped.push({ op: 'drop-queue', queue: i });
      }
      await journal.append(dropped, true);
      await journal.append(dropped, true); // twice is once
      await journal.close();
      assert.equal(await place.countKeys(), 0);
    });

    test('refuses all use after it was closed, and may be closed twice', async (t) => {
      const { journal } = await opened(t);
      const underWay = journal.append([queue(1)], true);
      await Promise.all([journal.close(), underWay]);
      await journal.close();
      await assert.rejects(journal.append([queue(2)], false), isStorageFailure);
      await assert.rejects(journal.load(1, []), isStorageFailure);
      await assert.rejects(journal.getMeta('a'), isStorageFailure);
      await assert.rejects(journal.putMeta('a', 'b'), isStorageFailure);
    });

    test('tells a second user that the place is taken', async (t) => {
      const { place } = await opened(t);
      await assert.rejects(
        place.open(),
        (error: unknown) => error instanceof MeshError && error.code === 'invalid-config',
      );
    });
  });
}
