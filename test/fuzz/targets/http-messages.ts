// The CloudEvents HTTP binding: header lines, an empty line and a body, in all three modes. What is taken and formatted again
// is the same event, in binary and in structured mode; the CloudEvents SDK reads the same where it reads it. What a webhook's
// sink answers is judged too: its headers come from anywhere.

import assert from 'node:assert/strict';
import { HTTP } from 'cloudevents';
import { formatBinary, formatStructured, parseHttpMessage } from '../../../bridge/http/binding.ts';
import { deliveryMessage, judgeDelivery, judgeHandshake } from '../../../bridge/http/webhook-handshake.ts';
import { isJsonContentType, type CloudEvent } from '../../../node/core/cloud-event.ts';
import { contentTypeOf } from '../../../node/core/cloud-event-json.ts';
import { checkCloudEvent } from '../../../node/core/cloud-event-check.ts';
import { MeshError } from '../../../node/core/errors.ts';
import { plain, type Target, unlessRefused } from '../target.ts';
import { jsonEvent } from './cloudevent-json.ts';

const LIMITS = { batchEventsMax: 8 };
const REQUIRED = ['ce-specversion: 1.0', 'ce-id: 1', 'ce-source: /s', 'ce-type: t'];
const MORE = [
  'content-type: application/json',
  'content-type: text/plain; charset=utf-8',
  'content-type: application/octet-stream',
  'ce-time: 2026-01-31T17:30:00Z',
  'ce-subject: Euro%20%E2%82%AC%20%F0%9F%98%80',
  'ce-comment: "a \\"quoted\\" one"',
  'ce-dataschema: https://example.com/',
  'webhook-allowed-origin: *',
  'webhook-allowed-rate: 100',
  'retry-after: 10',
];
const BODIES = ['', '{"a":1}', '[1,2]', 'text', '\ufeff{}'];
const WEBHOOK = { origin: 'acme', publicUrl: undefined, ratePerMinute: undefined };

export const target: Target = {
  name: 'http-messages',
  shape: 'text',
  bytesMax: 8_192,
  dictionary: [
    ...REQUIRED.map((line) => `${line}\r\n`),
    ...MORE.map((line) => `${line}\r\n`),
    '%E2%82',
    '\r\n\r\n',
    'application/cloudevents',
    '-batch+json',
  ],
  sample: (chance) => {
    const mode = chance.pick(['binary', 'structured', 'batch'] as const);
    const events = Array.from({ length: 1 + chance.below(3) }, () => jsonEvent(chance));
    const type = mode === 'batch' ? 'application/cloudevents-batch+json' : 'application/cloudevents+json';
    const lines =
      mode === 'binary' ? [...REQUIRED, ...MORE.filter(() => chance.is(0.25))] : [`content-type: ${type}`];
    const body =
      mode === 'binary' ? chance.pick(BODIES) : JSON.stringify(mode === 'batch' ? events : events[0]);
    return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`);
  },
  quick: 10_000,
  run: (input) => {
    const { rawHeaders, body } = messageOf(input);
    checkVerdicts(rawHeaders);
    const parsed = unlessRefused([MeshError], () => parseHttpMessage(rawHeaders, body, LIMITS));
    if (!parsed) return false;
    assert(parsed.value.events.length <= LIMITS.batchEventsMax);
    for (const event of parsed.value.events) {
      if (unlessRefused([MeshError], () => checkCloudEvent(event))) checkEvent(event);
    }
    return true;
  },
};

function checkEvent(event: CloudEvent): void {
  const structured = formatStructured(event);
  assert.deepEqual(plain(parsed(structured)), plain(event), 'structured mode carries all of it');
  checkBinary(event);
  const theirs = HTTP.toEvent({ headers: structured.headers, body: String(structured.body) });
  assert(!Array.isArray(theirs));
  assert.deepEqual([theirs.id, theirs.source, theirs.type], [event.id, event.source, event.type]);
}

/** As it goes to webhooks. */
function checkBinary(event: CloudEvent): void {
  // Bytes in base64 are taken as they are, whatever they are said to be; in binary mode they are looked at.
  const isForeign = event.data?.type === 'binary' && isJsonContentType(contentTypeOf(event));
  const formatted = formatBinary(event);
  const again = unlessRefused(isForeign ? [MeshError] : [], () => parsed(formatted));
  if (!again) return;
  const { value } = again;
  assert.deepEqual([value.id, value.source, value.type], [event.id, event.source, event.type]);
  assert.deepEqual(
    plain(parsed(formatBinary(value))),
    plain(value),
    'carried once, it does not change again',
  );
  parsed(deliveryMessage(event, 'acme'));
}

function parsed({ headers, body = '' }: ReturnType<typeof formatBinary>): CloudEvent {
  const { events } = parseHttpMessage(Object.entries(headers).flat(), Buffer.from(body), LIMITS);
  const [event] = events;
  assert(event);
  return checkCloudEvent(event);
}

function checkVerdicts(rawHeaders: readonly string[]): void {
  const headers: Record<string, string> = {};
  for (let i = 0; i + 1 < rawHeaders.length; i += 2)
    Object.defineProperty(headers, (rawHeaders[i] ?? '').toLowerCase(), {
      value: rawHeaders[i + 1],
      enumerable: true,
      configurable: true,
    });
  const verdict = judgeHandshake(WEBHOOK, 200, headers);
  if (verdict.allowed && verdict.perMinute !== undefined)
    assert(verdict.perMinute >= 1 && verdict.perMinute < 1e9);
  for (const status of [200, 410, 415, 429, 503]) {
    const outcome = judgeDelivery(status, headers, 1_750_000_000_000);
    if (outcome.kind === 'retry' && outcome.pauseMs !== undefined)
      assert(outcome.pauseMs >= 0 && outcome.pauseMs <= 3_600_000);
  }
}

/** As Node gives them: latin1, without the spaces around values. */
function messageOf(input: Uint8Array): { rawHeaders: string[]; body: Buffer } {
  const bytes = Buffer.from(input);
  const end = bytes.indexOf('\r\n\r\n');
  const head = (end < 0 ? bytes : bytes.subarray(0, end)).toString('latin1');
  const rawHeaders = head.split('\r\n').flatMap((line) => {
    const colon = line.indexOf(':');
    return colon < 1 ? [] : [line.slice(0, colon), line.slice(colon + 1).trim()];
  });
  return { rawHeaders, body: end < 0 ? Buffer.alloc(0) : bytes.subarray(end + 4) };
}
