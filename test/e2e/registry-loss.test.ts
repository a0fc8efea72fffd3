// The registry is needed to join, never to run: killed after the join, it stops neither traffic nor new subscriptions nor
// a restart; back again, with its data or without, it soon lists everybody, though nobody restarts for it.

import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { type TestContext, test } from 'node:test';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { Consumer, Ledger, Publisher, untilTaken } from '../support/traffic.ts';
import { until } from '../support/until.ts';

const STEP = 1000;
const EVENTS = 5 * STEP;
const FLAGS = ['--registry-lease-ttl-ms', '3000'];

test('with the registry gone, traffic, new subscriptions and a restart go on; back with its data, it lists everybody again', async (t) => {
  await loseRegistry(t, 'kept');
});

test('a registry that comes back with nothing lists everybody again, and new meshers can join', async (t) => {
  await loseRegistry(t, 'wiped');
});

async function loseRegistry(t: TestContext, data: 'kept' | 'wiped'): Promise<void> {
  const federation = await Federation.start(t, { clusters: { a: 1, b: 1, c: 1 }, flags: FLAGS });
  const [a, b, c] = [federation.mesher('a'), federation.mesher('b'), federation.mesher('c')];
  const publisher = new Publisher();
  let published = 0;
  const publish = async (): Promise<void> => {
    await publisher.publish(() => a, published, STEP);
    published += STEP;
  };
  const early = await subscribe(t, b, 'early');
  await federation.whenRouted(a, 'e2e/events', ['b']);
  await publish();

  await federation.registry?.end('SIGKILL');
  const late = await subscribe(t, c, 'late');
  await federation.whenRouted(a, 'e2e/events', ['b', 'c']);
  const lateFrom = published;
  await publish();
  await untilTaken(
    'traffic flows without the registry',
    [early, late],
    () => early.missing(published).length === 0 && since(late, lateFrom, published),
  );

  const before = (await b.federation()).self.incarnation;
  await b.kill();
  await publish();
  const restarting = Date.now();
  b.start();
  await b.whenReady();
  const restarted = await b.federation();
  t.diagnostic(`ready again ${Date.now() - restarting} ms after a start without a registry`);
  assert.ok(
    restarted.self.incarnation > before,
    `incarnation ${restarted.self.incarnation} follows ${before}`,
  );
  assert.equal(restarted.registry.state === 'up', false, 'there was no registry to ask');
  await untilTaken(
    'what waited for the restarted mesher is delivered',
    [early],
    () => early.missing(published).length === 0,
  );

  const pids = federation.meshers().map((mesher) => mesher.program.pid);
  if (data === 'wiped') await rm(federation.registryData, { recursive: true });
  const back = Date.now();
  federation.registry?.start();
  await whenRegistered(federation);
  t.diagnostic(`everybody is listed ${Date.now() - back} ms after the registry's start`);
  await publish();
  assert.deepEqual(
    federation.meshers().map((mesher) => mesher.program.pid),
    pids,
    'nobody was restarted',
  );

  const joining = Date.now();
  const d = await federation.join('d', FLAGS);
  await d.whenReady();
  await federation.whenLinked();
  t.diagnostic(`a new mesher is linked with everybody ${Date.now() - joining} ms after its start`);
  const newcomer = await subscribe(t, d, 'newcomer');
  await federation.whenRouted(a, 'e2e/events', ['b', 'c', 'd']);
  const newcomerFrom = published;
  await publish();
  await untilTaken('everything is delivered', [early, late, newcomer], () => {
    return (
      early.missing(published).length === 0 &&
      since(late, lateFrom, published) &&
      since(newcomer, newcomerFrom, published)
    );
  });
  for (const ledger of [early, late, newcomer])
    assert.equal(ledger.outOfOrder, 0, `${ledger.name}: every key in order`);
  t.diagnostic(`${early.duplicates + late.duplicates + newcomer.duplicates} events came twice`);
}

async function subscribe(t: TestContext, mesher: RunningMesher, name: string): Promise<Ledger> {
  const ledger = new Ledger(name, EVENTS);
  await mesher.putSubscription(name, { topic: 'e2e/#' });
  const consumer = new Consumer(mesher, name, ledger);
  t.after(() => consumer.stop());
  return ledger;
}

/** The ledger has all events from number `from` to number `to`. */
function since(ledger: Ledger, from: number, to: number): boolean {
  return ledger.distinct >= to - from && ledger.missing(to).every((n) => n < from);
}

/** The key of each mesher is there, as it is now, and each mesher knows that the registry is back. */
async function whenRegistered(federation: Federation): Promise<void> {
  await until('the registry lists everybody', async () => {
    const listed = new Map(
      (await federation.registered()).map(({ node, incarnation }) => [node, incarnation]),
    );
    const views = await Promise.all(federation.meshers().map((mesher) => mesher.federation()));
    return views.every(({ self, registry, ready, members }) => {
      return (
        listed.get(self.node) === self.incarnation &&
        registry.state === 'up' &&
        ready.ready &&
        members.every((member) => member.status === 'alive')
      );
    });
  });
}
