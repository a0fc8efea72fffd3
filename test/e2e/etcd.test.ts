// Meshers on a real etcd of three members: one of them killed, the lead moved, a mesher stopped for longer than its
// lease. Each time members and routes end right on every mesher, and nothing published is lost.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { slowness } from '../support/calibrate.ts';
import { startEtcd, type TestEtcd } from '../support/etcd.ts';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { Consumer, Ledger, Publisher, untilTaken } from '../support/traffic.ts';
import { until } from '../support/until.ts';

const STEP = 1000;
/** Short, and long enough to be kept on a slow machine. */
const LEASE_MS = Math.round(4000 * slowness());
const FLAGS = [
  '--registry-lease-ttl-ms',
  String(LEASE_MS),
  '--timing-link-silence-ms',
  String(Math.round(1.25 * LEASE_MS)),
];

test('with one of three etcd members killed and the lead moved, traffic goes on and meshers come and go', async (t) => {
  const { etcd, federation } = await start(t);
  const [a, b] = [federation.mesher('a'), federation.mesher('b')];
  const traffic = await Traffic.start(t, a, b, 4 * STEP);
  await federation.whenRouted(a, 'e2e/events', ['b']);

  const leader = await etcd.leader();
  await etcd.kill(leader);
  const killed = Date.now();
  await traffic.publish(STEP);
  const d = await federation.join('d', FLAGS);
  await d.whenReady();
  await whenRight(federation, etcd);
  t.diagnostic(
    `with etcd's leader killed, a new mesher is a member everywhere ${Date.now() - killed} ms later`,
  );
  await traffic.publish(STEP);

  await etcd.restart(leader);
  const moved = await etcd.moveLeader();
  assert.equal(await etcd.leader(), moved, 'the lead moved');
  await federation.mesher('c').stop();
  await until('who left is listed no more', async () => (await keys(etcd)).length === 3);
  await traffic.publish(STEP);
  federation.mesher('c').start();
  await federation.mesher('c').whenReady();
  await whenRight(federation, etcd);

  const held = Date.now();
  let seen = 0;
  while (Date.now() - held < 1.5 * LEASE_MS) {
    assert.equal((await keys(etcd)).length, 4, 'leases are kept');
    seen++;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
  t.diagnostic(
    `after the lead moved, the four keys were there ${seen} times of ${seen}, for one and a half lease times`,
  );
  await traffic.publish(STEP);
  await traffic.whenDelivered();
  await whenRight(federation, etcd);
});

test('a mesher stopped for longer than its lease is suspect, and alive with all its events when it goes on', async (t) => {
  const { etcd, federation } = await start(t);
  const [a, b, c] = [federation.mesher('a'), federation.mesher('b'), federation.mesher('c')];
  const traffic = await Traffic.start(t, a, b, 3 * STEP);
  await federation.whenRouted(a, 'e2e/events', ['b']);
  await traffic.publish(STEP);
  const { node, incarnation } = (await b.federation()).self;

  b.program.signal('SIGSTOP');
  const stopped = Date.now();
  await until('its key is gone', async () => !(await keys(etcd)).includes(node));
  for (const mesher of [a, c])
    await until('it is suspect', async () => (await statusOf(mesher, node)) === 'suspect');
  t.diagnostic(
    `suspect everywhere ${Date.now() - stopped} ms after it was stopped, with a lease of ${LEASE_MS} ms`,
  );
  await until('its link is given up', async () => {
    return (await a.links()).links.some(({ peer, state }) => peer === node && state === 'down');
  });
  await traffic.publish(STEP);
  const waiting = (await a.links()).lanes.reduce(
    (sum, lane) => sum + (lane.destination === 'b' ? lane.queued : 0),
    0,
  );
  assert.ok(waiting >= STEP, `${waiting} events wait for the suspect`);
  await c.putSubscription('late', { topic: 'late/#' }); // a route it must learn when it is back

  b.program.signal('SIGCONT');
  const resumed = Date.now();
  await whenRight(federation, etcd);
  t.diagnostic(`alive, listed and routed everywhere ${Date.now() - resumed} ms after it went on`);
  assert.equal((await b.federation()).self.incarnation, incarnation, 'it is the same process still');
  await federation.whenRouted(b, 'late/news', ['c']);
  await traffic.publish(STEP);
  await traffic.whenDelivered();
});

async function start(t: TestContext): Promise<{ etcd: TestEtcd; federation: Federation }> {
  const etcd = await startEtcd({ members: 3 });
  t.after(() => etcd.stop());
  const federation = await Federation.start(t, {
    clusters: { a: 1, b: 1, c: 1 },
    registry: etcd.address,
    flags: FLAGS,
  });
  return { etcd, federation };
}

async function keys(etcd: TestEtcd): Promise<string[]> {
  const prefix = '/causeway/acme/members/';
  const listed = await etcd.ctl('get', '--prefix', '--keys-only', prefix);
  return listed.split('\n').flatMap((key) => (key.startsWith(prefix) ? [key.slice(prefix.length)] : []));
}

async function statusOf(mesher: RunningMesher, node: string): Promise<string | undefined> {
  return (await mesher.federation()).members.find((member) => member.node === node)?.status;
}

/** Every mesher has its key in etcd, knows every other as alive in its present incarnation, and all routes of it. */
async function whenRight(federation: Federation, etcd: TestEtcd): Promise<void> {
  const meshers = federation.meshers();
  await until('members and routes are right everywhere', async () => {
    const views = await Promise.all(meshers.map((mesher) => mesher.federation()));
    const truth = new Map(
      views.map((view) => [view.self.node, view.members.find(({ node }) => node === view.self.node)]),
    );
    const listed = new Set(await keys(etcd));
    return views.every((view) => {
      return (
        view.registry.state === 'up' &&
        listed.has(view.self.node) &&
        view.members.length === meshers.length &&
        view.members.every(({ node, status, incarnation, routes }) => {
          const own = truth.get(node);
          const isCurrent = own?.incarnation === incarnation && own.routes.sequence === routes.sequence;
          return (
            status === 'alive' && isCurrent && own.routes.interests === routes.interests && !routes.gapped
          );
        })
      );
    });
  });
}

/** One publisher, one durable subscription far away. */
class Traffic {
  readonly #publisher = new Publisher();
  readonly #origin: RunningMesher;
  readonly #ledger: Ledger;
  #published = 0;

  private constructor(origin: RunningMesher, ledger: Ledger) {
    this.#origin = origin;
    this.#ledger = ledger;
  }

  static async start(
    t: TestContext,
    origin: RunningMesher,
    landing: RunningMesher,
    events: number,
  ): Promise<Traffic> {
    const ledger = new Ledger('orders', events);
    await landing.putSubscription('orders', { topic: 'e2e/#' });
    const consumer = new Consumer(landing, 'orders', ledger);
    t.after(() => consumer.stop());
    return new Traffic(origin, ledger);
  }

  async publish(count: number): Promise<void> {
    await this.#publisher.publish(() => this.#origin, this.#published, count);
    this.#published += count;
  }

  async whenDelivered(): Promise<void> {
    await untilTaken(
      'all that was published is delivered',
      [this.#ledger],
      () => this.#ledger.missing(this.#published).length === 0,
    );
    assert.equal(this.#ledger.outOfOrder, 0, 'every key in order');
  }
}
