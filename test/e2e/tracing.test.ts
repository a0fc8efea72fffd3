// Spans of real meshers in two clusters, as an OTLP receiver gets them: one trace for one event, its spans a tree.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type IncomingHttpHeaders } from 'node:http';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { connect } from '../../sdk/typescript/client.ts';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { type CollectedSpan, OtlpCollector } from '../support/otlp-collector.ts';
import { until } from '../support/until.ts';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const EVENT = { specversion: '1.0', id: '1', source: '/shop', type: 'com.example.order' };

async function publish(
  { http }: RunningMesher,
  event: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const response = await fetch(`${http}/v1/events?topic=orders/eu`, {
    method: 'POST',
    headers: { 'content-type': 'application/cloudevents+json', ...headers },
    body: JSON.stringify({ ...EVENT, ...event }),
  });
  assert.ok(response.ok, await response.text());
}

/** Pulls one event and acks it. */
async function take({ http }: RunningMesher, name: string): Promise<Record<string, unknown>> {
  const post = async (what: string, body: unknown): Promise<unknown> =>
    (
      await fetch(`${http}/v1/subscriptions/${name}/${what}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
    ).json();
  const { events } = await until(`${name} has an event`, async () => {
    const pulled = (await post('pull', { max: 1, waitMs: 1_000 })) as {
      events: { token: string; event: Record<string, unknown> }[];
    };
    return pulled.events.length > 0 && pulled;
  });
  await post('settle', { ack: events.map(({ token }) => token) });
  return events[0]?.event ?? {};
}

/** A webhook's receiver, and the headers of what it was sent. */
async function startSink(t: TestContext): Promise<{ url: string; deliveries: IncomingHttpHeaders[] }> {
  const deliveries: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    if (request.method === 'POST') deliveries.push(request.headers);
    request.resume();
    response.writeHead(200, { 'webhook-allowed-origin': '*' });
    response.end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  return { url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/`, deliveries };
}

/** Name and cluster of each span, with those of its children below it, in any order. */
function treeOf(spans: readonly CollectedSpan[], parent: string): readonly unknown[] {
  return spans
    .filter(({ parentId }) => parentId === parent)
    .map(({ name, spanId, resource }) => {
      const below = treeOf(spans, spanId);
      const what = `${name} ${String(resource['causeway.cluster'])}`;
      return below.length === 0 ? what : [what, ...below];
    })
    .sort((a, b) => (String(a) < String(b) ? -1 : 1));
}

test("one event's spans in two clusters are one tree below its publisher's span", async (t) => {
  const collector = await OtlpCollector.start(t);
  const sink = await startSink(t);
  const federation = await Federation.start(t, {
    clusters: { a: 1, b: 1 },
    flags: ['--tracing-endpoint', collector.url],
  });
  const [a, b] = [federation.mesher('a'), federation.mesher('b')];
  await b.putSubscription('pulled', { topic: 'orders/#' });
  await b.putSubscription('hooked', { topic: 'orders/#', sink: sink.url });
  await federation.whenRouted(a, 'orders/eu', ['b']);

  await publish(a, { id: 'untraced' });
  await publish(a, { id: 'unsampled', traceparent: `00-${TRACE}-${PARENT}-00` });
  await publish(a, { id: 'odd', traceparent: 'no context' });
  await publish(a, { traceparent: `00-${TRACE}-${PARENT}-01`, tracestate: 'shop=1' });
  await until('the sink got all', () => sink.deliveries.length === 4);
  for (let taken = 0; taken < 4; taken++) await take(b, 'pulled');
  await until('all spans came', () => collector.spans.length >= 7);

  const spans = collector.trace(TRACE);
  assert.deepEqual(treeOf(spans, PARENT), [
    ['publish a', 'commit a', ['forward a', ['receive b', 'commit b', 'deliver b', 'deliver b']]],
  ]);
  assert.equal(new Set(spans.map(({ spanId }) => spanId)).size, spans.length);
  assert.equal(collector.spans.length, spans.length, 'nothing but the sampled event is traced');
  for (const { start, end, attributes, tracestate, resource, flags } of spans) {
    assert.ok(start <= end);
    assert.equal(tracestate, 'shop=1');
    assert.equal(flags & 1, 1, 'sampled');
    assert.equal(attributes['messaging.system'], 'causeway');
    assert.equal(attributes['messaging.destination.name'], 'orders/eu');
    assert.equal(attributes['cloudevents.event_id'], '1');
    assert.equal(resource['service.namespace'], 'acme');
  }
  const kinds = Object.fromEntries(spans.map(({ name, kind }) => [name, kind]));
  assert.deepEqual(kinds, {
    publish: 'SERVER',
    commit: 'INTERNAL',
    forward: 'PRODUCER',
    receive: 'CONSUMER',
    deliver: 'PRODUCER',
  });
  const delivered = spans.filter(({ name }) => name === 'deliver');
  assert.deepEqual(
    Object.fromEntries(
      delivered.map(({ attributes }) => [
        attributes['messaging.destination.subscription.name'],
        attributes['causeway.outcome'],
      ]),
    ),
    { hooked: 'ack', pulled: 'ack' },
  );
  const hooked = delivered.find(
    ({ attributes }) => attributes['messaging.destination.subscription.name'] === 'hooked',
  );
  const headersOf = (traceparent: string): IncomingHttpHeaders | undefined =>
    sink.deliveries.find((headers) => headers['traceparent'] === traceparent);
  const got = headersOf(`00-${TRACE}-${hooked?.spanId}-01`);
  assert.ok(got, "what the sink does is below the delivery's span");
  assert.equal(got['tracestate'], 'shop=1');
  assert.ok(headersOf(`00-${TRACE}-${PARENT}-00`), 'an unsampled context is passed on as it is');
  assert.equal(await a.metric('causeway_trace_spans_exported_total'), 3);
  assert.equal(await b.metric('causeway_trace_spans_exported_total'), 4);
  assert.equal(
    await a.metric('causeway_trace_contexts_ignored_total', { reason: 'malformed-traceparent' }),
    1,
  );
});

test('a context that came in headers goes with the event, W3C and SkyWalking; its own comes first', async (t) => {
  const collector = await OtlpCollector.start(t);
  const sink = await startSink(t);
  const token = join(await mkdtemp(join(tmpdir(), 'causeway-otlp-')), 'headers');
  t.after(() => rm(dirname(token), { recursive: true }));
  await writeFile(token, '# for the receiver\nx-token: secret\n');
  const federation = await Federation.start(t, {
    clusters: { a: 1 },
    flags: ['--tracing-endpoint', `${collector.url}/`, '--tracing-headers-file', token],
  });
  const a = federation.mesher('a');
  await a.putSubscription('pulled', { topic: 'orders/#' });
  await a.putSubscription('hooked', { topic: 'orders/#', sink: sink.url });
  const header = `00-${TRACE}-${PARENT}-01`;
  const own = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
  const text = (of: string): string => Buffer.from(of).toString('base64');
  const uuid = 'de5980b8-fce3-4a37-aab9-b4ac3af7eedd';
  const segment = '4f2f27748b8e44ecaf18fe0347194e86';
  const sw8 = ['1', text(uuid), text(segment), '123', ...['shop', 'shop-1', '/buy', 'a:80'].map(text)].join(
    '-',
  );

  await publish(a, {}, { traceparent: header, tracestate: 'shop=1' });
  assert.deepEqual(await take(a, 'pulled').then(({ traceparent, tracestate }) => [traceparent, tracestate]), [
    header,
    'shop=1',
  ]);
  await publish(a, { traceparent: own }, { traceparent: header, tracestate: 'shop=1' });
  assert.deepEqual(await take(a, 'pulled').then(({ traceparent, tracestate }) => [traceparent, tracestate]), [
    own,
    undefined,
  ]);
  await publish(a, {}, { sw8 });
  const taken = await take(a, 'pulled');
  assert.deepEqual([taken['sw8'], taken['traceparent']], [sw8, undefined]);
  await publish(a, {}, { traceparent: 'no context', sw8: '1-no-header' });
  assert.deepEqual(Object.keys(await take(a, 'pulled')).sort(), ['id', 'source', 'specversion', 'type']);

  await until('the sink got all', () => sink.deliveries.length === 4);
  const derived = 'de5980b8fce34a37aab9b4ac3af7eedd';
  for (const [trace, parent] of [
    [TRACE, PARENT],
    ['a'.repeat(32), 'b'.repeat(16)],
    [derived, '9b37d977cc970a6a'],
  ] as const) {
    await until('its spans came', () => collector.trace(trace).length === 4);
    assert.deepEqual(treeOf(collector.trace(trace), parent), [
      ['publish a', 'commit a', 'deliver a', 'deliver a'],
    ]);
    assert.ok(sink.deliveries.some(({ traceparent }) => String(traceparent).startsWith(`00-${trace}-`)));
  }
  assert.equal(sink.deliveries.filter((headers) => headers['sw8'] === sw8).length, 1);
  assert.equal(sink.deliveries.filter(({ traceparent }) => traceparent === undefined).length, 1);
  for (const reason of ['malformed-traceparent', 'malformed-sw8'])
    assert.equal(await a.metric('causeway_trace_contexts_ignored_total', { reason }), 1, reason);
  assert.ok(collector.headers.every((headers) => headers['x-token'] === 'secret'));
});

test('a sampled event without a context begins a trace, which goes on when a mesher was started anew', async (t) => {
  const collector = await OtlpCollector.start(t);
  const federation = await Federation.start(t, {
    clusters: { a: 1, b: 1 },
    flags: ['--tracing-endpoint', collector.url, '--tracing-sample-ratio', '1'],
  });
  const [a, b] = [federation.mesher('a'), federation.mesher('b')];
  await b.putSubscription('pulled', { topic: 'orders/#' });
  await federation.whenRouted(a, 'orders/eu', ['b']);
  const mesh = await connect(a.http);
  await mesh.publish({ source: '/shop', type: 't', data: { order: 7 } }, { topic: 'orders/eu' });
  await mesh.publish({ source: '/shop', type: 't' }, { topic: 'nobody/wants/it' });
  await mesh.close();
  await until('b has it', async () => (await b.metric('causeway_subscription_queued_events')) === 1);
  await b.stop();
  b.start();
  await b.whenReady();
  await take(b, 'pulled');
  await b.stop();
  await a.stop();

  const traces = new Map(
    collector.spans.map(({ traceId }) => [traceId, treeOf(collector.trace(traceId), '')]),
  );
  assert.deepEqual(
    [...traces.values()].sort((one, other) => JSON.stringify(other).length - JSON.stringify(one).length),
    [[['publish a', 'commit a', ['forward a', ['receive b', 'commit b', 'deliver b']]]], ['publish a']],
    'stopping exports what is left',
  );
});

test('a receiver that refuses, or is not there, costs its spans and nothing else', async (t) => {
  const collector = await OtlpCollector.start(t);
  collector.status = 400;
  const flags = ['--tracing-endpoint', collector.url, '--tracing-sample-ratio', '1'];
  const federation = await Federation.start(t, { clusters: { a: 1 }, flags });
  const a = federation.mesher('a');
  await publish(a, {});
  const dropped = () => a.metric('causeway_trace_spans_dropped_total', { reason: 'export-failed' });
  await until('they are counted', async () => (await dropped()) === 1);
  await publish(a, {});
  await a.stop();
  assert.equal(a.program.running, false);
});

/** Prints what is loaded of what tracing needs. */
const TELLS = `data:text/javascript,${encodeURIComponent(`
  import { registerHooks } from 'node:module';
  registerHooks({ load(url, context, next) {
    if (/@opentelemetry|tracing\\.ts/.test(url)) console.error('loaded for tracing: ' + url);
    return next(url, context);
  } });`)}`;

test('without an endpoint nothing of it is loaded', async (t) => {
  const nodeFlags = ['--import', TELLS];
  const loads = /loaded for tracing/;
  const off = await Federation.start(t, { clusters: { a: 1 }, nodeFlags });
  await publish(off.mesher('a'), { traceparent: `00-${TRACE}-${PARENT}-01` }, { traceparent: 'x' });
  assert.doesNotMatch(off.mesher('a').program.output, loads);
  assert.equal(await off.mesher('a').metric('causeway_trace_spans_exported_total'), 0);
  assert.equal(await off.mesher('a').metric('causeway_trace_contexts_ignored_total'), 0);
  const on = await Federation.start(t, {
    clusters: { a: 1 },
    nodeFlags,
    flags: ['--tracing-endpoint', 'http://127.0.0.1:9'],
  });
  assert.match(on.mesher('a').program.output, loads, 'the test would see it');
});
