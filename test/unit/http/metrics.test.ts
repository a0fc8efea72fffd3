import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatMetrics } from '../../../node/http/metrics.ts';
import { buildTestServer } from '../../support/http.ts';

test('families are written with what needs escaping escaped, and without empty ones', () => {
  const page = formatMetrics([
    {
      name: 'events_published_total',
      help: 'Events taken.',
      type: 'counter',
      samples: [{ labels: { qos: 'durable', reason: 'a"b\\c\nd' }, value: 5 }],
    },
    {
      name: 'queue_events',
      help: 'Of queues,\nall \\.',
      type: 'gauge',
      samples: [{ labels: {}, value: 1.5 }],
    },
    { name: 'never_happened_total', help: 'Nothing.', type: 'counter', samples: [] },
    {
      name: 'delay_seconds',
      help: 'How late.',
      type: 'histogram',
      samples: [
        { suffix: '_bucket', labels: { le: '+Inf' }, value: 1 },
        { suffix: '_count', labels: {}, value: 1 },
      ],
    },
  ]);
  assert.deepEqual(page.split('\n'), [
    '# HELP causeway_events_published_total Events taken.',
    '# TYPE causeway_events_published_total counter',
    'causeway_events_published_total{qos="durable",reason="a\\"b\\\\c\\nd"} 5',
    '# HELP causeway_queue_events Of queues,\\nall \\\\.',
    '# TYPE causeway_queue_events gauge',
    'causeway_queue_events 1.5',
    '# HELP causeway_delay_seconds How late.',
    '# TYPE causeway_delay_seconds histogram',
    'causeway_delay_seconds_bucket{le="+Inf"} 1',
    'causeway_delay_seconds_count 1',
    '',
  ]);
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

test("the page has the process's figures and refusals beside the mesher's", async (t) => {
  const { app } = await buildTestServer(t, { notReady: ['it is still starting'] });
  assert.equal((await app.inject('/nowhere')).statusCode, 404);
  const page = await app.inject('/metrics');
  assert.match(String(page.headers['content-type']), /^text\/plain; version=0\.0\.4/);
  for (const sample of [
    'ready 0',
    'events_published_total{qos="durable"} 5',
    'events_published_total{qos="best-effort"} 0',
    'http_refused_total{reason="not-found"} 1',
    'http_refused_total{reason="overloaded"} 0',
  ])
    assert.ok(page.body.includes(`\ncauseway_${sample}\n`), sample);
  for (const name of ['process_resident_memory_bytes', 'event_loop_delay_seconds_bucket'])
    assert.match(page.body, new RegExp(`^causeway_${name}[ {]`, 'm'));
});
