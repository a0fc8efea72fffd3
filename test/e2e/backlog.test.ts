// A backlog of large events that waited on disk for a cluster: each block holds events of all lanes, and is read about once for
// all of them. Counted in bytes, so no matter how fast the machine is.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect } from '../../sdk/typescript/client.ts';
import { Federation } from '../support/federation.ts';
import { until } from '../support/until.ts';

const EVENTS = 4000;
const AT_ONCE = 1000;
const PAYLOAD = 'x'.repeat(16 * 1024);
/** Beyond what any cache holds; each lane at its own pace read it four times. */
const READ_TIMES_MAX = 1.5;

test('a backlog is read from disk about once, though lanes share its blocks', async (t) => {
  const federation = await Federation.start(t, { clusters: { a: 1, b: 1 } });
  const [a, b] = [federation.mesher('a'), federation.mesher('b')];
  await b.putSubscription('orders', { topic: 'orders' });
  await federation.whenRouted(a, 'orders', ['b']);
  await b.kill();

  const publisher = await connect(a.http);
  t.after(() => publisher.close());
  const publish = async (n: number): Promise<void> => {
    const data = `${PAYLOAD}${n}`;
    const event = { id: String(n), source: '/backlog', type: 'test', partitionkey: `key-${n % 100}`, data };
    await publisher.ready();
    await publisher.publish(event, { topic: 'orders' });
  };
  for (let n = 0; n < EVENTS; n += AT_ONCE)
    await Promise.all(Array.from({ length: AT_ONCE }, (_, i) => publish(n + i)));
  const written = await a.metric('causeway_journal_written_bytes_total');
  assert(written > EVENTS * PAYLOAD.length, 'all of it is on disk');

  b.start();
  await b.whenReady();
  await until('the backlog has crossed', async () => {
    const { state } = await b.get<{ state: { depth: number } }>('/v1/subscriptions/orders');
    return state.depth === EVENTS;
  });
  const times = (await a.metric('causeway_journal_read_bytes_total')) / written;
  t.diagnostic(`read ${times.toFixed(2)} times what was written`);
  assert(times > 0.5, 'most of it was read from disk');
  assert(times < READ_TIMES_MAX, `read ${times.toFixed(2)} times what was written`);
});
