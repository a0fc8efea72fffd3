// A client whose mesher is lost for good, disk and all: it goes on with its durable subscription at the heir, by itself, and gets all
// that it is owed. Never is there a second subscription where its user meant one.

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { connect } from '../../sdk/typescript/client.ts';
import type { Mesh, SubscribeOptions } from '../../sdk/typescript/client.ts';
import type { RunningMesher } from '../support/federation.ts';
import { threeAndOne } from '../support/replicated.ts';
import { Publisher } from '../support/traffic.ts';
import { until } from '../support/until.ts';

const EVENTS = 1_000;
/** What one client has taken, whatever mesher that came from. */
class Follower {
  readonly mesh: Mesh;
  readonly taken = new Set<string>();
  twice = 0;
  failed: unknown;

  private constructor(mesh: Mesh) {
    this.mesh = mesh;
  }

  static async start(
    t: TestContext,
    addresses: readonly string[],
    options: SubscribeOptions,
  ): Promise<Follower> {
    const mesh = await connect(addresses, { connectTimeoutMs: 60_000 });
    t.after(() => mesh.close());
    const follower = new Follower(mesh);
    const subscription = mesh.subscribe(options);
    await subscription.opened();
    void (async () => {
      for await (const delivery of subscription) {
        const { id } = delivery.event;
        if (follower.taken.has(id)) follower.twice++;
        follower.taken.add(id);
        delivery.ack();
      }
    })().catch((error: unknown) => (follower.failed = error));
    return follower;
  }

  missing(count: number): string[] {
    return Array.from({ length: count }, (_, n) => `e${n}`).filter((id) => !this.taken.has(id));
  }
}

async function subscriptionsOf(
  mesher: RunningMesher,
): Promise<Map<string, { topic: string; madeOn: string }>> {
  const response = await fetch(`${mesher.http}/v1/subscriptions`);
  const { subscriptions } = (await response.json()) as {
    subscriptions: { name: string; topic: string; madeOn: string }[];
  };
  return new Map(subscriptions.map((each) => [each.name, each]));
}

test('a client goes on at the heir of its mesher, with one address and with several, and gets all that it is owed', async (t) => {
  const { federation, lost, others, far } = await threeAndOne(t);
  // the name is taken on all that may become the heir
  for (const other of others) await other.putSubscription('taken', { topic: 'else/#' });
  const { node } = (await lost.federation()).self;
  const topic = 'e2e/#';
  await lost.putSubscription('fourth', { topic });
  const followers = {
    'with one address': await Follower.start(t, [lost.http], { name: 'one', topic }),
    'that comes to a third mesher': await Follower.start(t, [lost.http, far.http], { name: 'third', topic }),
    'whose name is taken': await Follower.start(t, [lost.http, far.http], { name: 'taken', topic }),
    'that knows a name alone': await Follower.start(t, [lost.http, far.http], { name: 'fourth' }),
  };
  for (const mesher of [...others, far])
    await federation.whenRouted(mesher, 'e2e/events', mesher === far ? ['eu'] : []);
  const publisher = new Publisher();
  await publisher.publish(() => far, 0, EVENTS);
  await until('the clients are at work', () =>
    Promise.resolve(Object.values(followers).every(({ taken }) => taken.size > 0)),
  );

  await lost.kill();
  await rm(lost.data, { recursive: true });
  await publisher.publish(() => others[0], EVENTS, EVENTS);
  await publisher.publish(() => far, 2 * EVENTS, EVENTS);
  for (const [which, follower] of Object.entries(followers)) {
    await until(`the client ${which} has everything`, () =>
      Promise.resolve(follower.failed !== undefined || follower.missing(3 * EVENTS).length === 0),
    );
    assert.equal(follower.failed, undefined);
    assert.deepEqual(follower.missing(3 * EVENTS), []);
    t.diagnostic(`${which}: ${follower.twice} events twice`);
    assert.ok(follower.twice <= EVENTS, 'only what the copies had not heard of is doubled');
  }

  const [first, second] = await Promise.all(others.map(subscriptionsOf));
  assert.ok(first && second);
  const [heirs, bystanders] = first.has('one') ? [first, second] : [second, first];
  assert.equal(heirs.get('one')?.madeOn, node);
  assert.equal(heirs.get('third')?.madeOn, node);
  assert.equal(heirs.get('taken')?.topic, 'else/#', 'the one that was there is as it was');
  const renamed = [...heirs].filter(([name, { madeOn }]) => name.startsWith('taken~') && madeOn === node);
  assert.equal(renamed.length, 1);
  const ours = (names: ReadonlyMap<string, unknown>): string[] =>
    [...names.keys()].filter((name) => !name.startsWith('$') && name !== 'taken');
  assert.deepEqual(ours(bystanders), [], 'nobody has made another');
  assert.deepEqual(
    [...(await subscriptionsOf(far)).keys()].filter((name) => !name.startsWith('$')),
    [],
  );

  // and by HTTP alone: no second one is made where the first lives elsewhere
  const put = await fetch(`${far.http}/v1/subscriptions/one?madeOn=${node}`, {
    method: 'PUT',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ topic }),
  });
  const { code, http } = (await put.json()) as { code: string; http: string };
  assert.deepEqual([put.status, code], [409, 'subscription-elsewhere']);
  const there = await fetch(`${http}/v1/subscriptions/one?madeOn=${node}`);
  assert.equal(there.status, 200);
});
