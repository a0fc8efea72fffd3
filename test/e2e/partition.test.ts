// A cluster cut off from all others and from the registry, under a steady 1,000 events/s: it gets everything after
// healing, in order per key, and memory stays bounded while the backlog waits on disk. 15 s here; 60 s with LONG_TESTS=1
// (npm run test:long).

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { Consumer, Ledger, Publisher, untilTaken } from '../support/traffic.ts';

const CUT_SECONDS = process.env['LONG_TESTS'] === '1' ? 60 : 15;
const RATE = 1000;
const BATCH = 100;
/** Most of the real events are far smaller; of what stands in for them where their file is absent, those that are. */
const PAYLOAD_BYTES_MAX = 2_048;
/** What a mesher may grow by, however long the cut: queue windows, caches and LevelDB's buffers. */
const GROWTH_BYTES_MAX = 300 * 1024 * 1024;

test(`a cluster cut off for ${CUT_SECONDS} s at ${RATE} events/s gets everything after healing, in order per key`, async (t) => {
  const federation = await Federation.start(t, { clusters: { a: 1, b: 1, c: 1 }, partitions: true });
  const origin = federation.mesher('a');
  const events = (CUT_SECONDS + 4) * RATE;
  const ledgers = ['b', 'c'].map((cluster) => new Ledger(cluster, events));
  const consumers: Consumer[] = [];
  for (const ledger of ledgers) {
    const mesher = federation.mesher(ledger.name);
    await mesher.putSubscription('orders', { topic: 'e2e/#' });
    consumers.push(new Consumer(mesher, 'orders', ledger));
  }
  t.after(() => Promise.all(consumers.map((consumer) => consumer.stop())));
  await federation.whenRouted(origin, 'e2e/events', ['b', 'c']);
  const [cut, connected] = ledgers;
  assert.ok(cut && connected);

  const publisher = new Publisher(PAYLOAD_BYTES_MAX);
  const started = Date.now();
  const memory = await Memory.of(origin, federation.mesher('b'));
  let cutAt = 0;
  const pace = async (done: number): Promise<void> => {
    if (done >= 2 * RATE && cutAt === 0) {
      federation.cut('b');
      cutAt = cut.received;
    }
    if (done >= (CUT_SECONDS + 2) * RATE) federation.heal();
    if (done % RATE === 0) await memory.look();
    const ahead = (done / RATE) * 1000 - (Date.now() - started);
    if (ahead > 0) await new Promise((resolve) => setTimeout(resolve, ahead));
  };
  await publisher.publish(() => origin, 0, (CUT_SECONDS + 2) * RATE, { batch: BATCH, pace });
  const missed = (CUT_SECONDS + 2) * RATE - cut.received;
  assert.ok(missed > RATE, `the cut was felt: ${missed} events behind when it was healed`);
  await publisher.publish(() => origin, (CUT_SECONDS + 2) * RATE, 2 * RATE, { batch: BATCH });

  await untilTaken('everything delivered', ledgers, () =>
    ledgers.every((ledger) => ledger.missing(events).length === 0),
  );
  await memory.look();
  t.diagnostic(`${missed} events waited on disk; most growth of memory: ${memory.words()}`);
  for (const ledger of ledgers) {
    assert.equal(ledger.duplicates, 0, `${ledger.name}: nothing twice`);
    assert.equal(ledger.outOfOrder, 0, `${ledger.name}: every key in order`);
  }
  assert.ok(memory.growthMax < GROWTH_BYTES_MAX, `memory grew: ${memory.words()}`);
});

/** How much meshers hold, by their own metrics, above what they held at first. */
class Memory {
  readonly #first: ReadonlyMap<RunningMesher, number>;
  readonly #most = new Map<RunningMesher, number>();

  private constructor(first: ReadonlyMap<RunningMesher, number>) {
    this.#first = first;
  }

  static async of(...meshers: readonly RunningMesher[]): Promise<Memory> {
    const held = await Promise.all(meshers.map(residentBytes));
    return new Memory(new Map(meshers.map((mesher, i) => [mesher, held[i] ?? 0])));
  }

  async look(): Promise<void> {
    for (const [mesher, first] of this.#first) {
      const growth = (await residentBytes(mesher)) - first;
      this.#most.set(mesher, Math.max(growth, this.#most.get(mesher) ?? 0));
    }
  }

  get growthMax(): number {
    return Math.max(...this.#most.values());
  }

  words(): string {
    return [...this.#most]
      .map(([{ cluster }, growth]) => `${cluster} ${Math.round(growth / 1024 / 1024)} MiB`)
      .join(', ');
  }
}

async function residentBytes(mesher: RunningMesher): Promise<number> {
  const bytes = await mesher.metric('causeway_process_resident_memory_bytes');
  assert.ok(bytes > 0, `${mesher.cluster} tells its memory`);
  return bytes;
}
