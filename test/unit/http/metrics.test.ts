import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatMetrics } from '../../../node/http/metrics.ts';
import { buildTestServer } from '../../support/http.ts';
import { fakeView } from '../../support/mesher-view.ts';

test('families are written with what needs escaping escaped, and without empty ones', () => {
  assert.equal(
    formatMetrics(fakeView().metrics()),
    [
      '# HELP causeway_events_published_total Events taken.',
      '# TYPE causeway_events_published_total counter',
      'causeway_events_published_total{qos="durable",reason="a\\"b\\\\c\\nd"} 5',
      '# HELP causeway_queue_events Events in queues,\\nall of them \\\\.',
      '# TYPE causeway_queue_events gauge',
      'causeway_queue_events 1.5',
      '',
    ].join('\n'),
  );
});

test('numbers beyond the finite have their own spelling', () => {
  const samples = [Infinity, -Infinity, NaN].map((value) => ({ labels: {}, value }));
  assert.deepEqual(
    formatMetrics([{ name: 'x', help: 'h', type: 'gauge', samples }])
      .split('\n')
      .slice(2, 5),
    ['causeway_x +Inf', 'causeway_x -Inf', 'causeway_x NaN'],
  );
});

test("the page has the process's figures beside the mesher's", async (t) => {
  const { app } = await buildTestServer(t);
  const page = await app.inject('/metrics');
  assert.match(String(page.headers['content-type']), /^text\/plain; version=0\.0\.4/);
  for (const name of [
    'events_published_total',
    'process_resident_memory_bytes',
    'event_loop_delay_max_seconds',
  ])
    assert.match(page.body, new RegExp(`^causeway_${name}[ {]`, 'm'));
});
