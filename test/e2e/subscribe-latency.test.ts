// How soon a subscription made in one cluster is effective in another: by gossip, and where gossip is lost, by the
// exchange that repairs it. Effective: the other mesher's dry run names the cluster, so the next event goes there.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { PATIENCE_MS } from '../support/until.ts';

const SUBSCRIPTIONS = 30;
const GOAL_MS = 50;
const LOST = 8;
const LOST_GOAL_MS = 10_000;
/** An HTTP request takes a fraction of a millisecond where nothing else runs: the goals give way on slower machines. */
const SLACK_ROUND_TRIPS = 20;
/** The worst of some rounds of asking, signing and checking, not the median of one. */
const LOST_SLACK_ROUND_TRIPS = 1000;

test(`a subscription is effective in another cluster within ${GOAL_MS} ms (median)`, async (t) => {
  const federation = await Federation.start(t, { clusters: { a: 1, b: 1, c: 1 } });
  const [there, here] = [federation.mesher('a'), federation.mesher('b')];
  const roundTrip = await medianRoundTrip(there);
  const sincePut: number[] = [];
  const sinceAnswer: number[] = [];
  for (let i = 0; i < SUBSCRIPTIONS; i++) {
    await new Promise((resolve) => setTimeout(resolve, 30 + Math.random() * 30)); // those made at once travel together, a tick later
    const put = performance.now();
    await here.putSubscription(`s${i}`, { topic: `latency/${i}` });
    const answered = performance.now();
    await whenNamed(there, `latency/${i}`, 'b');
    sinceAnswer.push(performance.now() - answered);
    sincePut.push(performance.now() - put);
  }
  t.diagnostic(`bare HTTP round trip: median ${roundTrip.toFixed(2)} ms`);
  t.diagnostic(
    `effective after the PUT's answer: ${words(sinceAnswer)}; after the PUT was sent: ${words(sincePut)}`,
  );
  const bound = GOAL_MS + SLACK_ROUND_TRIPS * roundTrip;
  assert.ok(median(sinceAnswer) <= bound, `median ${median(sinceAnswer)} ms, at most ${bound} ms`);
});

test(`a subscription whose gossip was lost is effective within ${LOST_GOAL_MS / 1000} s`, async (t) => {
  const federation = await Federation.start(t, { clusters: { b: 1, c: 1 } });
  const here = federation.mesher('b');
  // it refuses gossip of more than one byte, and its senders do not know
  const deaf = await federation.join('a', ['--limits-gossip-bytes-max', '1']);
  await deaf.whenReady();
  await federation.whenLinked();
  const roundTrip = await medianRoundTrip(deaf);
  const refused = await deaf.metric('causeway_messages_refused_total', { reason: 'gossip-too-large' });
  const waits: Promise<number>[] = [];
  for (let i = 0; i < LOST; i++) {
    await here.putSubscription(`s${i}`, { topic: `lost/${i}` });
    const answered = performance.now();
    waits.push(whenNamed(deaf, `lost/${i}`, 'b', 20).then(() => performance.now() - answered));
    await new Promise((resolve) => setTimeout(resolve, 700)); // at all points of the exchange's period
  }
  const took = await Promise.all(waits);
  const lost =
    (await deaf.metric('causeway_messages_refused_total', { reason: 'gossip-too-large' })) - refused;
  t.diagnostic(`${lost} gossip messages lost; effective after the PUT's answer: ${words(took)}`);
  assert.ok(lost >= LOST, 'the gossip of each subscription was lost');
  assert.equal(await deaf.metric('causeway_routes_applied_total', { by: 'gossip' }), 0);
  const bound = LOST_GOAL_MS + LOST_SLACK_ROUND_TRIPS * roundTrip;
  assert.ok(Math.max(...took) <= bound, `at most ${bound} ms`);
});

async function medianRoundTrip(mesher: RunningMesher): Promise<number> {
  const took: number[] = [];
  for (let i = 0; i < 100; i++) {
    const asked = performance.now();
    await mesher.routes('nobody/wants/this');
    took.push(performance.now() - asked);
  }
  return median(took);
}

async function whenNamed(mesher: RunningMesher, topic: string, cluster: string, everyMs = 0): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const { destinations } = await mesher.routes(topic);
    if (destinations.some((one) => one.destination === cluster && one.because.length > 0)) return;
    if (performance.now() > deadline) throw new Error(`${topic} is not routed to ${cluster}`);
    if (everyMs > 0) await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

function words(values: readonly number[]): string {
  return `median ${median(values).toFixed(1)} ms, most ${Math.max(...values).toFixed(1)} ms`;
}
