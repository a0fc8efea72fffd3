// A cluster that loses a mesher for good, disk and all: with a second replica nothing that was acked is lost, and its subscriptions
// live on. And one that was away for so long that it was taken over comes back as another, and hands over what it has.

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { connect, encodeEvent } from '../../sdk/typescript/client.ts';
import type { EventInput } from '../../sdk/typescript/client.ts';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { FLAGS, threeAndOne, untilCopied, untilServedBy } from '../support/replicated.ts';
import { Consumer, Ledger, Publisher, untilTaken } from '../support/traffic.ts';
import { until } from '../support/until.ts';

const EVENTS = process.env['LONG_TESTS'] === '1' ? 40_000 : 4_000;
test('nothing that was acked is lost with a mesher and its disk: another serves its subscriptions', async (t) => {
  const { federation, lost, others, far } = await threeAndOne(t);
  await untilCopied(lost);
  await lost.putSubscription('orders', { topic: 'e2e/#' });
  await far.putSubscription('far', { topic: 'e2e/#' });
  for (const mesher of [...others, far])
    await federation.whenRouted(mesher, 'e2e/events', mesher === far ? ['eu'] : ['us']);
  const publisher = new Publisher();
  // what it has taken itself, from its cluster, and from afar; nobody consumes
  await publisher.publish(() => lost, 0, EVENTS);
  await publisher.publish(() => far, EVENTS, EVENTS);
  await publisher.publish(() => others[0], 2 * EVENTS, EVENTS);

  await lost.kill();
  await rm(lost.data, { recursive: true });
  // while it is dead and nobody has taken over, events for it wait where they are
  await publisher.publish(() => others[1], 3 * EVENTS, EVENTS);
  const heir = await untilServedBy(others, 'orders');
  await publisher.publish(() => far, 4 * EVENTS, EVENTS);

  const ledger = new Ledger('orders', 5 * EVENTS);
  const consumer = new Consumer(heir, 'orders', ledger);
  const farLedger = new Ledger('far', 5 * EVENTS);
  const farConsumer = new Consumer(far, 'far', farLedger);
  await untilTaken('everything delivered', [ledger, farLedger], () =>
    [ledger, farLedger].every(({ distinct }) => distinct >= 5 * EVENTS),
  );
  // what stopping leaves in doubt comes to nobody any more
  const inDoubt = [consumer, farConsumer].map((one) => one.inDoubt);
  await consumer.stop();
  await farConsumer.stop();
  for (const one of [ledger, farLedger])
    assert.deepEqual(one.missing(5 * EVENTS), [], `${one.name} misses nothing`);
  for (const [one, settled = 0, landedAt] of [
    [ledger, inDoubt[0], others],
    [farLedger, inDoubt[1], [far]],
  ] as const) {
    // nobody had been handed anything by the lost mesher: what it had taken comes again only over a link, and marked
    const doubtful = await sumOf(landedAt, 'causeway_events_doubtful_total');
    const explained = `${publisher.repeated} published again, ${settled} settled in doubt, ${doubtful} sent in doubt`;
    t.diagnostic(`${one.name}: ${one.duplicates} events twice; ${explained}`);
    assert.ok(
      one.duplicates <= publisher.repeated + settled + doubtful,
      `${one.duplicates} twice; ${explained}`,
    );
  }
});

async function sumOf(meshers: readonly RunningMesher[], metric: string): Promise<number> {
  const values = await Promise.all(meshers.map((mesher) => mesher.metric(metric)));
  return values.reduce((sum, value) => sum + value, 0);
}

test('a mesher that was taken over while it was away comes back as another, and hands over what nobody has', async (t) => {
  const { federation, lost, others } = await threeAndOne(t);
  await untilCopied(lost);
  await lost.putSubscription('orders', { topic: 'e2e/#' });
  const publisher = new Publisher();
  await publisher.publish(() => lost, 0, EVENTS);
  const before = (await lost.federation()).self.node;
  await lost.kill();
  const heir = await untilServedBy(others, 'orders');
  lost.start();
  await lost.whenReady();
  assert.notEqual((await lost.federation()).self.node, before, 'it has another name');
  assert.equal(
    (await fetch(`${lost.http}/v1/subscriptions/orders`)).status,
    404,
    'its subscription is elsewhere',
  );
  await federation.whenLinked();
  await untilCopied(lost);
  await publisher.publish(() => lost, EVENTS, EVENTS);
  const ledger = new Ledger('orders', 2 * EVENTS);
  const consumer = new Consumer(heir, 'orders', ledger);
  await untilTaken('everything delivered', [ledger], () => ledger.distinct >= 2 * EVENTS);
  const { inDoubt } = consumer;
  await consumer.stop();
  assert.deepEqual(ledger.missing(2 * EVENTS), []);
  assert.ok(ledger.duplicates <= inDoubt, `${ledger.duplicates} twice, ${inDoubt} in doubt`);
});

test('with too few meshers for the replicas that are wanted, publishing is refused and delivering goes on', async (t) => {
  const federation = await Federation.start(t, { clusters: { eu: 2 }, flags: ['--replicas', '2', ...FLAGS] });
  const [one, other] = federation.meshers('eu');
  assert.ok(one && other);
  await federation.whenLinked();
  await untilCopied(one);
  await one.putSubscription('orders', { topic: 'e2e/#' });
  const publisher = new Publisher();
  await publisher.publish(() => one, 0, 500);
  await other.kill();
  const refused = async (replicas?: string): Promise<{ status: number; code: unknown }> => {
    const response = await fetch(`${one.http}/v1/events?topic=e2e/events`, {
      method: 'POST',
      headers: {
        'content-type': 'application/cloudevents-batch+json',
        ...(replicas !== undefined && { 'causeway-replicas': replicas }),
      },
      body: JSON.stringify([publisher.event(500)]),
    });
    const body = (await response.json()) as { code?: unknown };
    return { status: response.status, code: body.code };
  };
  await until('publishing is refused', async () => (await refused()).code === 'not-enough-replicas');
  assert.equal((await refused('1')).status, 202, 'who asks for less is served');
  const mesh = await connect(one.http, { publishTimeoutMs: 2_000 });
  t.after(() => mesh.close());
  const streamed = encodeEvent(publisher.event(501) as unknown as EventInput);
  const topic = 'e2e/events';
  await assert.rejects(mesh.publish(streamed, { topic }), { code: 'not-enough-replicas', inDoubt: false });
  await mesh.publish(streamed, { topic, replicas: 1 });
  const ledger = new Ledger('orders', 502);
  const consumer = new Consumer(one, 'orders', ledger);
  await untilTaken('everything delivered', [ledger], () => ledger.distinct >= 502);
  await consumer.stop();
  other.start();
  await other.whenReady();
  await untilCopied(one);
  await publisher.publish(() => one, 502, 500);
});
