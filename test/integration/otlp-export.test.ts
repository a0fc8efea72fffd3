// The exporter before a receiver of OTLP: what is bounded, and what is counted.

import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { type ExportLog, OtlpExport, QUEUE_SPANS_MAX } from '../../node/observe/otel/exporter.ts';
import type { Span } from '../../node/observe/otel/span.ts';
import { TraceCounts } from '../../node/observe/otel/trace-counts.ts';
import { startTracing } from '../../node/observe/otel/tracing.ts';
import { OtlpCollector } from '../support/otlp-collector.ts';

const SPAN: Span = {
  name: 'forward',
  kind: 'producer',
  traceId: '0af7651916cd43dd8448eb211c80319c',
  spanId: 'b7ad6b7169203331',
  parentId: '00f067aa0ba902b7',
  parentIsRemote: true,
  tracestate: 'a=1',
  startMs: 1_750_000_000_000.25,
  endMs: 1_750_000_001_000.5,
  attributes: { 'messaging.system': 'causeway', 'causeway.lane': 3, 'causeway.kept': true },
  error: 'retry',
};

interface Counted {
  taken: number;
  lost: Record<string, number>;
}

function logTo(said: string[]): ExportLog {
  return {
    info: (_, message) => void said.push(`info ${message}`),
    warn: (_, message) => void said.push(`warn ${message}`),
  };
}

function exportTo(url: string): { spans: OtlpExport; counts: Counted; said: string[] } {
  const said: string[] = [];
  const counts: Counted = { taken: 0, lost: {} };
  const resource = { 'service.name': 'causeway', 'service.instance.id': 'n' };
  const options = { endpoint: url, headers: { authorization: 'Bearer x' }, resource, version: '1' };
  const spans = new OtlpExport(
    options,
    {
      exported: (taken) => (counts.taken += taken),
      dropped: (why, lost) => (counts.lost[why] = (counts.lost[why] ?? 0) + lost),
    },
    logTo(said),
  );
  return { spans, counts, said };
}

test('a span comes as it was, to what OTLP and SkyWalking ask of it', async (t) => {
  const collector = await OtlpCollector.start(t);
  const { spans, counts } = exportTo(collector.url);
  spans.add(SPAN);
  spans.add({ ...SPAN, parentId: undefined, error: undefined, spanId: '00f067aa0ba902b7' });
  await spans.stop();
  assert.deepEqual([counts.taken, counts.lost], [2, {}]);
  const [first, second] = collector.spans;
  assert.deepEqual(first, {
    traceId: SPAN.traceId,
    spanId: SPAN.spanId,
    parentId: SPAN.parentId,
    tracestate: 'a=1',
    name: 'forward',
    kind: 'PRODUCER',
    start: 1_750_000_000_000_250_000n,
    end: 1_750_000_001_000_500_000n,
    attributes: {
      'messaging.system': 'causeway',
      'causeway.lane': '3',
      'causeway.kept': true,
      'error.type': 'retry',
    },
    // SkyWalking refuses spans without a service's name, and takes the instance's for its own
    resource: { 'service.name': 'causeway', 'service.instance.id': 'n' },
    status: 'ERROR',
    flags: 0x301, // sampled; the parent is known to be remote
  });
  assert.deepEqual([second?.parentId, second?.status], ['', 'UNSET']);
  assert.equal(collector.headers[0]?.authorization, 'Bearer x');
  assert.equal(collector.headers[0]['content-type'], 'application/x-protobuf');
});

test('what does not fit into the queue is dropped, what the receiver refuses as well; each is counted once', async (t) => {
  const collector = await OtlpCollector.start(t);
  collector.status = 400;
  const { spans, counts, said } = exportTo(collector.url);
  for (let i = 0; i < QUEUE_SPANS_MAX + 100; i++) spans.add(SPAN);
  assert.deepEqual(counts.lost, { 'queue-full': 100 });
  await assert.rejects(spans.stop());
  assert.deepEqual(counts, { taken: 0, lost: { 'queue-full': 100, 'export-failed': QUEUE_SPANS_MAX } });
  assert.deepEqual(said, ['warn spans are not taken: those of this time are lost, and counted'], 'once');
});

test('stopping exports a full queue; where nobody is there it gives up, and counts', async (t) => {
  const collector = await OtlpCollector.start(t);
  const { spans, counts } = exportTo(collector.url);
  for (let i = 0; i < QUEUE_SPANS_MAX; i++) spans.add(SPAN);
  await spans.stop();
  assert.deepEqual(counts, { taken: QUEUE_SPANS_MAX, lost: {} });
  assert.equal(collector.spans.length, QUEUE_SPANS_MAX);

  const nobody = exportTo('http://127.0.0.1:9');
  nobody.spans.add(SPAN);
  await nobody.spans.stop().catch(() => undefined);
  assert.deepEqual(nobody.counts, { taken: 0, lost: { 'export-failed': 1 } });
});

test('headers come from a file; one that cannot be read, or is none, ends the start', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-otlp-'));
  t.after(() => rm(folder, { recursive: true }));
  const headersFile = join(folder, 'headers');
  const identity = { federation: 'acme', cluster: 'eu', node: 'n', version: '1', sampleRatio: 0 };
  const start = () =>
    startTracing({ endpoint: 'http://127.0.0.1:9', headersFile, ...identity }, new TraceCounts(), logTo([]));
  await assert.rejects(start(), { code: 'invalid-config', message: /cannot be read/ });
  await writeFile(headersFile, '# token\n\nauthorization Bearer x\n');
  await assert.rejects(start(), { code: 'invalid-config', message: /line 3/ });
  await writeFile(headersFile, '# token\r\nauthorization: Bearer x\r\n');
  await (await start()).stop();
});
