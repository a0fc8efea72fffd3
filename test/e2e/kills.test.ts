// SIGKILL at random moments, of the mesher where events land and of the one where they are published, under load: what
// was acked is delivered, and events come twice only where custody was in doubt (a publish, a settlement or a forward
// whose answer was lost). The count of those is reported.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { Consumer, Ledger, Publisher } from '../support/traffic.ts';
import { until } from '../support/until.ts';

const KILLS = 10;
const EVENTS = 30_000;
const BATCH = 50;

for (const victim of ['landing', 'origin'] as const) {
  test(`nothing acked is lost while the ${victim} mesher is killed ${KILLS} times`, async (t) => {
    const federation = await Federation.start(t, { clusters: { a: 1, b: 1 } });
    const [origin, landing] = [federation.mesher('a'), federation.mesher('b')];
    const ledger = new Ledger('orders', EVENTS);
    await landing.putSubscription('orders', { topic: 'e2e/#', delivery: { ackTimeoutMs: 2000 } });
    const consumer = new Consumer(landing, 'orders', ledger);
    t.after(() => consumer.stop());
    await federation.whenRouted(origin, 'e2e/events', ['b']);
    await publishUnderKills(t, origin, victim === 'origin' ? origin : landing, ledger, consumer);
  });
}

async function publishUnderKills(
  t: TestContext,
  origin: RunningMesher,
  victim: RunningMesher,
  ledger: Ledger,
  consumer: Consumer,
): Promise<void> {
  const publisher = new Publisher();
  let published = false;
  const killing = (async () => {
    for (let kill = 0; kill < KILLS; kill++) {
      const before = ledger.received;
      await until('traffic flows', () => ledger.received > before || published);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 400));
      await victim.kill();
      victim.start();
      await victim.whenReady();
    }
  })();
  let killed = false;
  killing.then(() => (killed = true)).catch(() => (killed = true));
  // spread over all kills: waits a little between batches until the last kill is done
  const pace = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, killed ? 0 : 20));
  await publisher.publish(() => origin, 0, EVENTS, { batch: BATCH, pace });
  published = true;
  await killing;

  await until('all that was acked is delivered', () => ledger.missing(EVENTS).length === 0);
  t.diagnostic(
    `${KILLS} kills: ${ledger.duplicates} events twice; in doubt: ${publisher.repeated} published again, ${consumer.inDoubt} settled without an answer`,
  );
  assert.equal(publisher.acked, EVENTS);
  assert.ok(
    ledger.duplicates <= publisher.repeated + consumer.inDoubt,
    `${ledger.duplicates} duplicates are more than custody in doubt explains`,
  );
  assert.equal(ledger.outOfOrder, 0, 'first arrivals are in order per key');
}
