// Probes between real clusters: they come and go, nobody sees them, and where a cluster is cut off it shows.

import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { until } from '../support/until.ts';

const FLAGS = ['--canary-every-ms', '200'];

/** Of all meshers of a cluster: one of them probes. */
async function sum(meshers: readonly RunningMesher[], cluster: string, outcome: string): Promise<number> {
  const counts = await Promise.all(
    meshers.map((mesher) => mesher.metric('causeway_canary_probes_total', { cluster, outcome })),
  );
  return counts.reduce((total, count) => total + count, 0);
}

/** Events that wait there. */
async function received(mesher: RunningMesher, name: string): Promise<number | undefined> {
  return (await mesher.queues()).find((queue) => queue.name === name)?.depth;
}

test('probes go between all clusters, are seen by no user, and tell which cluster is cut off', async (t) => {
  const federation = await Federation.start(t, {
    clusters: { a: 2, b: 1, c: 1 },
    partitions: true,
    flags: FLAGS,
  });
  const [as, bs, cs] = ['a', 'b', 'c'].map((cluster) => federation.meshers(cluster));
  assert.ok(as && bs && cs);
  const b = federation.mesher('b');
  await b.putSubscription('all', { topic: '#' });
  for (const [from, to] of [
    [as, 'b'],
    [as, 'c'],
    [bs, 'a'],
    [bs, 'c'],
    [cs, 'a'],
    [cs, 'b'],
  ] as const)
    await until(`probes to ${to}`, async () => (await sum(from, to, 'arrived')) > 4);

  for (const mesher of federation.meshers()) {
    assert.equal(await mesher.metric('causeway_events_published_total'), 0);
    assert.equal(await mesher.metric('causeway_events_delivered_total'), 0);
    assert.equal(await mesher.metric('causeway_sessions'), 0);
    assert.equal(await mesher.metric('causeway_dead_letter_events'), 0);
  }
  assert.equal(await received(b, 'all'), 0);
  const response = await fetch(`${b.http}/v1/events?topic=$canary/probe/a`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json' },
    body: JSON.stringify({ specversion: '1.0', id: '1', source: '/x', type: 'causeway.canary' }),
  });
  assert.equal(response.status, 400);

  const before = await sum(cs, 'b', 'missed');
  federation.cut('b');
  await until('probes to b are missed', async () => (await sum(cs, 'b', 'missed')) > before + 5);
  const available = await federation
    .mesher('c')
    .metric('causeway_canary_availability_ratio', { cluster: 'b' });
  assert.ok(available < 1, `${available}`);
  assert.match(federation.mesher('c').program.output, /a probe to cluster b was not answered/);
  await until('those to a go on', async () => {
    const arrived = await sum(cs, 'a', 'arrived');
    return until('more', async () => (await sum(cs, 'a', 'arrived')) > arrived);
  });
  federation.heal();
  const back = await sum(cs, 'b', 'arrived');
  await until('they arrive again', async () => (await sum(cs, 'b', 'arrived')) > back + 3);
  assert.equal(await received(b, 'all'), 0);

  const c = federation.mesher('c');
  await c.stop();
  const saved = JSON.parse(await readFile(join(c.data, 'canary'), 'utf8')) as Record<string, unknown>;
  assert.deepEqual(Object.keys(saved).sort(), ['a', 'b']);
  c.start();
  await c.whenReady();
  assert.ok((await c.metric('causeway_canary_availability_ratio', { cluster: 'b' })) < 1, 'it is remembered');
});
