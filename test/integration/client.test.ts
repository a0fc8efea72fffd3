// The TypeScript client against real meshers, over connections that are cut and meshers that are killed: nothing that was
// acknowledged is lost, and nothing that was answered comes twice.

import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CausewayError, connect } from '../../sdk/typescript/client.ts';
import type { Delivery, Mesh, Subscription } from '../../sdk/typescript/client.ts';
import { Federation } from '../support/federation.ts';
import type { RunningMesher } from '../support/federation.ts';
import { freePort } from '../support/free-port.ts';
import { Relay } from '../support/relay.ts';
import { until } from '../support/until.ts';

const TYPE = 'com.example.test';

async function oneMesher(t: TestContext): Promise<RunningMesher> {
  const federation = await Federation.start(t, { clusters: { eu: 1 } });
  return federation.mesher('eu');
}

/** Before one mesher's HTTP port. */
async function relayTo(
  t: TestContext,
  mesher: RunningMesher,
): Promise<{ relay: Relay; url: string; cut: (on: boolean) => void }> {
  let isCut = false;
  const relay = new Relay(
    () => isCut,
    () => [],
  );
  t.after(() => relay.close());
  relay.target(Number(new URL(mesher.http).port));
  const url = `http://127.0.0.1:${await relay.listen()}`;
  const cut = (on: boolean): void => {
    isCut = on;
    relay.update();
  };
  return { relay, url, cut };
}

async function connected(t: TestContext, url: string | readonly string[]): Promise<Mesh> {
  const mesh = await connect(url, { connectTimeoutMs: 60_000, publishTimeoutMs: 120_000 });
  t.after(() => mesh.close());
  return mesh;
}

/** Publishes, some at once and some one by one, until it is told to stop; resolves with the ids whose ack came, when all have. */
async function publishUntil(mesh: Mesh, isOver: () => boolean): Promise<Set<string>> {
  const acked = new Set<string>();
  const calls: Promise<void>[] = [];
  for (let n = 0; !isOver(); n++) {
    const id = `e${n}`;
    await mesh.ready();
    const call = mesh.publish({ id, source: '/test', type: TYPE, data: { n } }, { topic: 'a/b' });
    calls.push(call.then(() => void acked.add(id)));
    if (n % 50 === 49) await sleep(10);
  }
  await Promise.all(calls);
  assert.equal(acked.size, calls.length);
  return acked;
}

/** Takes and acks everything, at its own pace, and knows what it was given. */
class Consumer {
  /** By id. */
  readonly seen = new Map<string, number>();
  /** Events, as their mesher numbers them, that were given out more than once. */
  readonly twice: string[] = [];
  readonly #places = new Set<string>();

  async run(subscription: Subscription): Promise<void> {
    for await (const batch of subscription.batches()) {
      for (const delivery of batch) this.#take(delivery);
      // what is in hand when the connection is lost is settled on the next one
      await sleep(Math.random() * 20);
      for (const delivery of batch) delivery.ack();
    }
  }

  #take({ event, origin }: Delivery): void {
    const place = `${origin.incarnation}/${origin.sequence}`;
    if (this.#places.has(place)) this.twice.push(`${event.id} (${place})`);
    this.#places.add(place);
    this.seen.set(event.id, (this.seen.get(event.id) ?? 0) + 1);
  }

  get doubled(): number {
    let doubled = 0;
    for (const count of this.seen.values()) doubled += count - 1;
    return doubled;
  }
}

async function depthOf(mesher: RunningMesher, name: string): Promise<number> {
  const { state } = await mesher.get<{ state: { depth: number } }>(`/v1/subscriptions/${name}`);
  return state.depth;
}

/** Publishes and consumes while `disturb` does its worst. */
async function survives(
  t: TestContext,
  mesher: RunningMesher,
  url: string,
  disturb: (publisher: Mesh) => Promise<void>,
): Promise<void> {
  const [publisher, subscriber] = [await connected(t, url), await connected(t, url)];
  let downs = 0;
  publisher.on('down', () => downs++);
  const subscription = subscriber.subscribe({ name: 'all', topic: 'a/#', credit: 200 });
  await subscription.opened();
  const consumer = new Consumer();
  const consuming = consumer.run(subscription);
  let isOver = false;
  const disturbing = disturb(publisher).finally(() => (isOver = true));
  const acked = await publishUntil(publisher, () => isOver);
  await disturbing;
  await until(
    () => `all of ${acked.size} delivered, ${consumer.seen.size} are`,
    () => consumer.seen.size === acked.size,
    { progress: () => consumer.seen.size },
  );
  await until('all is settled', async () => (await depthOf(mesher, 'all')) === 0);
  await subscription.close();
  await consuming;
  t.diagnostic(
    `${acked.size} events, ${downs} connections lost, ${publisher.inDoubt} sent again, ${consumer.doubled} doubled by that`,
  );
  assert.ok(downs > 1 && publisher.inDoubt > 0, 'the publisher has lost connections, and answers with them');
  assert.deepEqual(consumer.twice, [], 'nothing is given out twice');
  assert.ok(
    consumer.doubled <= publisher.inDoubt,
    `${consumer.doubled} doubled, ${publisher.inDoubt} in doubt`,
  );
}

test('a mesher that is killed and started again loses nothing that was acked, and doubles nothing that was answered', async (t) => {
  const mesher = await oneMesher(t);
  await survives(t, mesher, mesher.http, async (publisher) => {
    for (let round = 0; round < 3; round++) {
      await sleep(300 + Math.random() * 500);
      await mesher.kill();
      mesher.start();
      await mesher.whenReady();
      // it has a connection again that can be lost
      await publisher.publish({ source: '/test', type: TYPE }, { topic: 'nobody/wants' });
    }
  });
});

test('connections that break all the time lose nothing and double nothing that was answered', async (t) => {
  const mesher = await oneMesher(t);
  const { relay, url, cut } = await relayTo(t, mesher);
  await survives(t, mesher, url, async () => {
    for (let round = 0; round < 20; round++) {
      await sleep(100 + Math.random() * 150);
      relay.breakAll();
    }
    // a network that swallows, and is whole again
    cut(true);
    await sleep(300);
    cut(false);
    await sleep(500);
  });
});

test('goes on with another mesher when the one it had is gone, and comes to nobody with one error', async (t) => {
  const federation = await Federation.start(t, { clusters: { eu: 2 } });
  const [one, two] = federation.meshers('eu');
  assert.ok(one && two);
  const dead = `http://127.0.0.1:${await freePort()}`;
  await assert.rejects(
    connect([dead, dead]),
    (error) =>
      error instanceof CausewayError &&
      error.code === 'mesher-unreachable' &&
      error.retryable &&
      error.message === `no mesher at ${dead} (connection refused)`,
  );
  const mesh = await connected(t, [dead, one.http, two.http]);
  assert.equal(mesh.mesher?.address, one.http);
  const ups: string[] = [];
  mesh.on('up', ({ address }) => ups.push(address));
  const down = new Promise<CausewayError>((resolve) => mesh.on('down', resolve));
  await one.kill();
  assert.equal((await down).code, 'mesher-unreachable');
  await mesh.publish({ source: '/test', type: TYPE });
  assert.deepEqual(ups, [two.http]);
});

test('an ephemeral subscription gets what is published once it is open, by whomever', async (t) => {
  const mesher = await oneMesher(t);
  const [publisher, subscriber] = [await connected(t, mesher.http), await connected(t, mesher.http)];
  for (let round = 0; round < 50; round++) {
    const subscription = subscriber.subscribe({ topic: `round/${round}` });
    await subscription.opened();
    await publisher.publish({ source: '/test', type: TYPE, data: round }, { topic: `round/${round}` });
    for await (const { event } of subscription) {
      assert.equal(event.data, round);
      break;
    }
  }
});

test('delivers what was published in another cluster, with retries, dead letters and settings as asked for', async (t) => {
  const federation = await Federation.start(t, { clusters: { eu: 1, us: 1 } });
  const [eu, us] = [federation.mesher('eu'), federation.mesher('us')];
  const [publisher, consumer] = [await connected(t, eu.http), await connected(t, us.http)];
  const orders = consumer.subscribe({
    name: 'orders',
    topic: 'orders/#',
    delivery: { retries: 2, backoffMs: 1, deadLetterTopic: 'dead/orders' },
  });
  const dead = consumer.subscribe({ topic: 'dead/#' });
  await Promise.all([orders.opened(), dead.opened()]);
  await federation.whenRouted(eu, 'orders/eu', ['us']);
  const [report] = await publisher.publish(
    { source: '/shop', type: TYPE, subject: 's', exact: true, n: 7, data: { order: 7 } },
    { topic: 'orders/eu', report: true },
  );
  assert.deepEqual(report?.destinations.clusters, ['us']);
  const attempts: number[] = [];
  for await (const delivery of orders) {
    attempts.push(delivery.attempt);
    assert.deepEqual(
      [delivery.topic, delivery.event.data, delivery.event['exact'], delivery.event['n']],
      ['orders/eu', { order: 7 }, true, 7],
    );
    assert.deepEqual(delivery.origin.clusters, ['eu']);
    if (delivery.attempt < 3) delivery.retry({ delayMs: 1 });
    else {
      delivery.reject('broken');
      break;
    }
  }
  assert.deepEqual(attempts, [1, 2, 3]);
  for await (const { topic, deadLetter } of dead) {
    assert.equal(topic, 'dead/orders');
    assert.deepEqual([deadLetter?.subscription, deadLetter?.reason], ['orders', 'rejected: broken']);
    break;
  }
  // replaced by somebody else, and there again; as it is asked for, it is left alone
  await us.putSubscription('orders', { topic: 'other/#' });
  const again = consumer.subscribe({ name: 'orders', topic: 'orders/#', delivery: { retries: 2 } });
  await again.opened();
  const { delivery } = await us.get<{ delivery: { retries: number; backoffMs: number } }>(
    '/v1/subscriptions/orders',
  );
  assert.deepEqual([delivery.retries, delivery.backoffMs], [2, 1_000]);
  await again.close();
  await assert.rejects(
    consumer.subscribe({ name: 'nobody' }).opened(),
    (error) =>
      error instanceof CausewayError && error.code === 'subscription-not-found' && error.status === 404,
  );
  await assert.rejects(
    consumer.subscribe({ name: 'wrong', topic: 'a/#', delivery: { retries: -1 } }).opened(),
    (error) => error instanceof CausewayError && error.code === 'invalid-subscription',
  );
});
