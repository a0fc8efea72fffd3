import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cloudEventText, githubEvents } from '../../../node/commands/github-events.ts';
import { Latencies } from '../../../node/commands/latencies.ts';
import { TrafficLedger } from '../../../node/commands/traffic-ledger.ts';
import type { LedgerOperation, LedgerStore } from '../../../node/commands/traffic-ledger.ts';

class MemoryStore implements LedgerStore {
  readonly kept = new Map<string, string>();

  async *iterator(): AsyncGenerator<[string, string]> {
    yield* this.kept;
  }

  async batch(operations: LedgerOperation[]): Promise<void> {
    for (const each of operations) {
      if (each.type === 'put') this.kept.set(each.key, each.value);
      else this.kept.delete(each.key);
    }
  }
}

test('waits for every acked event in every cluster, and counts what comes twice', async () => {
  const store = new MemoryStore();
  const ledger = await TrafficLedger.open(store, ['us', 'ap'], 0);
  await ledger.sending(['1', '2'], 10);
  assert.equal(ledger.counts(20).inFlight, 0); // nothing is promised yet
  await ledger.delivered('us', ['1']); // overtook the ack
  await ledger.acked(['1', '2']);
  assert.deepEqual(await ledger.delivered('ap', ['1', '2']), [10, 10]);
  assert.deepEqual(await ledger.delivered('ap', ['2']), []);
  const { published, inFlight, duplicates, delivered, lost } = ledger.counts(20);
  assert.deepEqual(
    { published, inFlight, duplicates, lost },
    { published: 2, inFlight: 1, duplicates: 1, lost: 0 },
  );
  assert.deepEqual(
    [...delivered],
    [
      ['us', 1],
      ['ap', 2],
    ],
  );
  assert.equal(ledger.counts(70_011).lost, 1);
  const silent = ledger.counts(70_011, () => Infinity);
  assert.deepEqual([silent.lost, silent.inFlight], [0, 1], 'it waits for who does not answer');
  assert.equal(
    ledger.counts(70_011, () => 10_012).lost,
    0,
    'a minute counts from when the cluster answers again',
  );
  await ledger.delivered('us', ['2']);
  assert.equal(store.kept.size, 0);
});

test('forgets what is everywhere, though the store finishes writes in another order', async () => {
  const store = new MemoryStore();
  const waiting: (() => void)[] = [];
  const slow: LedgerStore = {
    iterator: () => store.iterator(),
    // The first of two writes under way ends last.
    batch: async (operations) => {
      await new Promise<void>((resolve) => {
        waiting.unshift(resolve);
        setImmediate(() => waiting.shift()?.());
      });
      await store.batch(operations);
    },
  };
  const ledger = await TrafficLedger.open(slow, ['us'], 0);
  await ledger.sending(['1'], 0);
  await Promise.all([ledger.acked(['1']), ledger.delivered('us', ['1'])]);
  assert.equal(store.kept.size, 0);
});

test('goes on with what an earlier run left on its way, and says when all of it has come', async () => {
  const store = new MemoryStore();
  const first = await TrafficLedger.open(store, ['us'], 0);
  await first.sending(['acked', 'in-doubt'], 0);
  await first.acked(['acked']);
  const second = await TrafficLedger.open(store, ['us'], 1_000_000);
  assert.deepEqual(second.counts(1_000_000).earlier, { found: 1, left: 1 });
  assert.equal(second.counts(1_000_000).lost, 0); // the time between the runs does not count
  assert.deepEqual(await second.delivered('us', ['acked', 'in-doubt']), []); // no latencies across a restart
  assert.deepEqual(second.counts(1_000_000).earlier, { found: 1, left: 0 });
  assert.equal(store.kept.size, 0);
});

test('does not wait for a cluster that does not run this time', async () => {
  const store = new MemoryStore();
  const first = await TrafficLedger.open(store, ['us', 'ap'], 0);
  await first.sending(['1'], 0);
  await first.acked(['1']);
  await first.delivered('us', ['1']);
  const second = await TrafficLedger.open(store, ['us'], 1);
  assert.equal(second.counts(1).inFlight, 0);
  assert.equal(store.kept.size, 0);
});

test('loses count of nothing, whatever the order of acks and deliveries and wherever a crash falls', async () => {
  const step = fc.record({
    what: fc.constantFrom('ack', 'us', 'ap', 'crash'),
    id: fc.constantFrom('1', '2', '3'),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const store = new MemoryStore();
      const clusters = ['us', 'ap'];
      let ledger = await TrafficLedger.open(store, clusters, 0);
      await ledger.sending(['1', '2', '3'], 0);
      const acked = new Set<string>();
      const missing = new Map(['1', '2', '3'].map((id) => [id, new Set(clusters)]));
      for (const { what, id } of steps) {
        if (what === 'crash') ledger = await TrafficLedger.open(store, clusters, 0);
        else if (what === 'ack') {
          acked.add(id);
          await ledger.acked([id]);
        } else {
          missing.get(id)?.delete(what);
          await ledger.delivered(what, [id]);
        }
      }
      const left = [...missing].filter(([id, waiting]) => acked.has(id) && waiting.size > 0).length;
      assert.equal(ledger.counts(1).inFlight, left);
    }),
  );
});

test('makes valid events of every payload', () => {
  const events = githubEvents();
  assert.ok(events.length > 300);
  for (const event of events) {
    const { type, source, data } = JSON.parse(cloudEventText(event, '1', '2026-01-31T17:30:00Z')) as Record<
      string,
      unknown
    >;
    assert.match(String(type), /^com\.github\.[a-z_0-9]+(\.[a-z_-]+)?$/);
    assert.match(String(source), /^https:\/\/github\.com\/\S+$/);
    assert.ok(URL.canParse(String(source)));
    assert.equal(JSON.stringify(data), event.data);
  }
});

test('takes percentiles of the latest values by nearest rank', () => {
  const latencies = new Latencies();
  assert.equal(latencies.percentile(0.5), undefined);
  for (let ms = 1; ms <= 100; ms++) latencies.add(ms);
  assert.deepEqual(
    [0, 0.5, 0.99, 1].map((share) => latencies.percentile(share)),
    [1, 50, 99, 100],
  );
  for (let i = 0; i < 5_000; i++) latencies.add(7);
  assert.equal(latencies.percentile(1), 7);
});
