// A bound on the bytes that a subscription's consumers have in hand stops none that settles as it goes: Server-Sent Events, which the
// mesher settles itself, come on and on.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Federation } from '../support/federation.ts';
import { Publisher } from '../support/traffic.ts';
import { PATIENCE_MS } from '../support/until.ts';

const EVENTS = 5_000;

test('a stream that settles by itself goes on, however large its events are', async (t) => {
  const federation = await Federation.start(t, {
    clusters: { a: 1 },
    flags: ['--limits-in-flight-bytes-max', '1000'], // as few as with events of a megabyte each
  });
  const mesher = federation.mesher('a');
  await mesher.putSubscription('all', { topic: 'e2e/#' });
  await new Publisher(2_000).publish(() => mesher, 0, EVENTS);

  const end = AbortSignal.timeout(PATIENCE_MS);
  const response = await fetch(`${mesher.http}/v1/subscriptions/all/events`, { signal: end });
  assert.ok(response.body);
  let [came, rest] = [0, ''];
  for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split('\n');
    rest = lines.pop() ?? '';
    came += lines.filter((line) => line === 'event: message').length;
    if (came >= EVENTS) break;
  }
  assert.equal(came, EVENTS);
});
