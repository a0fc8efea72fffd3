// Clusters of more than one mesher: whichever mesher of a cluster an event lands at, each subscription of the cluster gets
// it once, a group once in all, and it crosses between two clusters once.

import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { Consumer, Ledger, Publisher, untilTaken } from '../support/traffic.ts';
import { until } from '../support/until.ts';

const EVENTS = process.env['LONG_TESTS'] === '1' ? 100_000 : 20_000;

test(`${EVENTS} events reach every mesher of two clusters of two exactly once, and cross between them once`, async (t) => {
  const federation = await Federation.start(t, { clusters: { a: 2, b: 2 } });
  const [a1, a2] = twoOf(federation, 'a');
  const [b1, b2] = twoOf(federation, 'b');
  const far = [await subscribe(t, b1, 'far-1'), await subscribe(t, b2, 'far-2')];
  const near = await subscribe(t, a2, 'near');
  // A group with members here and there is served by the nearest; one with members in `b` alone, by whichever of them.
  const everywhere = new Ledger('everywhere', EVENTS);
  const there = new Ledger('there', EVENTS);
  for (const mesher of [a2, b1, b2]) await join(t, mesher, everywhere);
  for (const mesher of [b1, b2]) await join(t, mesher, there);
  await whenKnownTo(federation, a1, 8);

  const publisher = new Publisher();
  t.diagnostic(`payloads: ${publisher.source}`);
  await publisher.publish(() => a1, 0, EVENTS);
  assert.equal(publisher.repeated, 0, 'no publish was in doubt');
  const all = [...far, near, everywhere, there];
  await untilTaken('everything delivered', all, () => all.every((ledger) => ledger.distinct >= EVENTS));
  for (const ledger of all) {
    assert.deepEqual(ledger.missing(EVENTS), [], `${ledger.name} misses nothing`);
    assert.equal(ledger.duplicates, 0, `${ledger.name} got nothing twice`);
    assert.equal(ledger.outOfOrder, 0, `${ledger.name} got every key in order`);
  }

  const crossed = await Promise.all([a1, a2].map((mesher) => sentTo(mesher, 'b')));
  assert.equal(
    crossed.flat().reduce((sum, sent) => sum + sent, 0),
    EVENTS,
    'each event crossed once',
  );
  t.diagnostic(
    `crossed from a's meshers to those of b: ${crossed.map((sent) => sent.join(' + ')).join('; ')}`,
  );
  assert.deepEqual(await Promise.all([b1, b2].map((mesher) => sentTo(mesher, 'a'))), [
    [0, 0],
    [0, 0],
  ]);
  await until('every queue is empty', async () => {
    const queues = await Promise.all(federation.meshers().map((mesher) => mesher.queues()));
    return queues.flat().every(({ depth }) => depth === 0);
  });
  for (const mesher of federation.meshers())
    assert.equal(await mesher.metric('causeway_events_doubtful_total'), 0, 'nothing was in doubt');
});

function twoOf(federation: Federation, cluster: string): [RunningMesher, RunningMesher] {
  const [first, second] = federation.meshers(cluster);
  assert.ok(first && second);
  return [first, second];
}

async function subscribe(t: TestContext, mesher: RunningMesher, name: string): Promise<Ledger> {
  const ledger = new Ledger(name, EVENTS);
  await mesher.putSubscription(name, { topic: 'e2e/#' });
  consume(t, mesher, name, ledger);
  return ledger;
}

async function join(t: TestContext, mesher: RunningMesher, group: Ledger): Promise<void> {
  await mesher.putSubscription(group.name, { topic: 'e2e/events', group: group.name });
  consume(t, mesher, group.name, group);
}

function consume(t: TestContext, mesher: RunningMesher, name: string, ledger: Ledger): void {
  const consumer = new Consumer(mesher, name, ledger);
  t.after(() => consumer.stop());
}

/** All routes, known wherever the event may pass. */
async function whenKnownTo(federation: Federation, origin: RunningMesher, interests: number): Promise<void> {
  for (const mesher of federation.meshers()) {
    await until(`${mesher.cluster} knows all ${interests} interests`, async () => {
      const { members } = await mesher.federation();
      const known = members.reduce((sum, { routes }) => sum + routes.interests, 0);
      return known === interests && members.every(({ routes }) => routes.complete && !routes.gapped);
    });
  }
  await federation.whenRouted(origin, 'e2e/events', ['b']);
}

/** Events sent over each of its links to meshers of `cluster`. */
async function sentTo(mesher: RunningMesher, cluster: string): Promise<number[]> {
  const { links } = await mesher.links();
  return links.filter((link) => link.cluster === cluster).map(({ sentEvents }) => sentEvents);
}
