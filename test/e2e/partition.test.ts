// A cluster cut off from all others and from the registry, under a steady 1,000 events/s: it gets everything after
// healing, in order per key, and memory stays bounded while the backlog waits on disk. 15 s here; 60 s with CAUSEWAY_LONG=1
// (npm run test:long).

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { Consumer, Ledger, Publisher } from '../support/traffic.ts';
import { until } from '../support/until.ts';

const CUT_SECONDS = process.env['CAUSEWAY_LONG'] === '1' ? 60 : 15;
const RATE = 1000;
const BATCH = 100;
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

  const publisher = new Publisher();
  const started = Date.now();
  const before = residentBytes(origin);
  let cutAt = 0;
  const pace = async (done: number): Promise<void> => {
    if (done >= 2 * RATE && cutAt === 0) {
      federation.cut('b');
      cutAt = cut.received;
    }
    if (done >= (CUT_SECONDS + 2) * RATE) federation.heal();
    const ahead = (done / RATE) * 1000 - (Date.now() - started);
    if (ahead > 0) await new Promise((resolve) => setTimeout(resolve, ahead));
  };
  await publisher.publish(() => origin, 0, (CUT_SECONDS + 2) * RATE, { batch: BATCH, pace });
  const growth = residentBytes(origin) - before;
  const missed = (CUT_SECONDS + 2) * RATE - cut.received;
  assert.ok(missed > RATE, `the cut was felt: ${missed} events behind when it was healed`);
  await publisher.publish(() => origin, (CUT_SECONDS + 2) * RATE, 2 * RATE, { batch: BATCH });

  await until('everything delivered', () => ledgers.every((ledger) => ledger.missing(events).length === 0));
  t.diagnostic(`${missed} events waited on disk; the origin grew by ${Math.round(growth / 1024 / 1024)} MiB`);
  for (const ledger of ledgers) {
    assert.equal(ledger.duplicates, 0, `${ledger.name}: nothing twice`);
    assert.equal(ledger.outOfOrder, 0, `${ledger.name}: every key in order`);
  }
  assert.ok(growth < GROWTH_BYTES_MAX, `memory grew by ${growth} bytes`);
});

function residentBytes(mesher: RunningMesher): number {
  const status = readFileSync(`/proc/${mesher.program.pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}
