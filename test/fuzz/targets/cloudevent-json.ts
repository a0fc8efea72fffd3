// CloudEvents in JSON, alone and in batches: the short way and the long way give the same event; what is formatted parses to
// the same; data stays the text that came; and the way through Protobuf, by which every event goes, changes nothing.

import assert from 'node:assert/strict';
import { parsePlainBatch, parsePlainEvent } from '../../../bridge/http/plain-json.ts';
import { isJsonContentType, type CloudEvent } from '../../../node/core/cloud-event.ts';
import { checkCloudEvent } from '../../../node/core/cloud-event-check.ts';
import {
  contentTypeOf,
  decodeUtf8,
  formatJsonBatch,
  formatJsonEvent,
  parseJsonBatch,
  parseJsonEvent,
} from '../../../node/core/cloud-event-json.ts';
import { MeshError } from '../../../node/core/errors.ts';
import { decodeCloudEvent, encodeCloudEvent } from '../../../node/wire/cloud-event-protobuf.ts';
import type { Chance } from '../../simulation/chance.ts';
import { plain, type Target, unlessRefused } from '../target.ts';

const BATCH_EVENTS_MAX = 8;

const MEMBERS: readonly (readonly [string, readonly unknown[]])[] = [
  ['datacontenttype', ['application/json', 'text/plain', 'application/x+json; a="b;c"', 'image/png']],
  ['dataschema', ['https://example.com/schema', 'urn:a:b']],
  ['subject', ['orders/7', 'ü']],
  ['time', ['2026-01-31T17:30:00Z', '2026-01-31t17:30:00.123456789+01:00']],
  ['partitionkey', ['k']],
  ['expirytime', ['2030-01-01T00:00:00Z', '1969-12-31T23:59:59Z']],
  ['flag', [true, false, 0, -1, 2_147_483_647, 1e3]],
  ['data', [{ order: 7 }, [1, [2]], 'text', 1.5, null, '"']],
  ['data_base64', ['AAEC', '']],
];

/** An event as somebody may write it. */
export function jsonEvent(chance: Chance): Record<string, unknown> {
  const event: Record<string, unknown> = {
    specversion: '1.0',
    id: `${chance.below(100)}`,
    source: '/shop',
    type: 'a.b',
  };
  for (const [name, values] of MEMBERS) if (chance.is(0.35)) event[name] = chance.pick(values);
  return event;
}

export const target: Target = {
  name: 'cloudevent-json',
  shape: 'json',
  bytesMax: 16_384,
  dictionary: [
    ...MEMBERS.map(([name]) => `"${name}":`),
    '"specversion":"1.0"',
    '\\u0000',
    '\\ud83d\\ude00',
    '\ufeff',
  ],
  sample: (chance) => {
    const events = Array.from({ length: 1 + chance.below(3) }, () => jsonEvent(chance));
    const value = chance.is(0.7) ? events[0] : events;
    return Buffer.from(JSON.stringify(value, undefined, chance.is(0.2) ? 1 : 0));
  },
  quick: 5_000,
  run: (input) => {
    const text = decodeUtf8(input);
    if (text === undefined) return false;
    const event = unlessRefused([MeshError], () => parseJsonEvent(text));
    const plainEvent = parsePlainEvent(text);
    if (plainEvent)
      assert.deepEqual(plain(event), plain({ value: plainEvent }), 'both ways give the same event');
    const tooMany = (count: number): MeshError => new MeshError('batch-too-large', `${count} events`);
    const batch = unlessRefused([MeshError], () => parseJsonBatch(text, BATCH_EVENTS_MAX, tooMany));
    const plainBatch = parsePlainBatch(text, BATCH_EVENTS_MAX);
    if (plainBatch)
      assert.deepEqual(plain(batch), plain({ value: plainBatch }), 'both ways give the same batch');
    assert(!event || !batch, 'a text is one event, or a batch');
    const events = event ? [event.value] : (batch?.value ?? []);
    for (const each of events) checkEvent(each);
    if (events.length > 0) checkAgainstJson(text, events);
    if (batch && events.every(isValid))
      assert.deepEqual(
        plain(parseJsonBatch(formatJsonBatch(events), BATCH_EVENTS_MAX, tooMany)),
        plain(events),
      );
    return event !== undefined || batch !== undefined;
  },
};

/** What leaves as what came: by JSON, and by the Protobuf bytes in which it is stored and forwarded. */
function checkEvent(event: CloudEvent): void {
  if (!isValid(event)) return;
  assert.deepEqual(plain(parseJsonEvent(formatJsonEvent(event))), plain(event));
  const carried = decodeCloudEvent(encodeCloudEvent(event));
  assert.equal(formatJsonEvent(carried), formatJsonEvent(event), 'Protobuf carries all of it');
}

function isValid(event: CloudEvent): boolean {
  return unlessRefused([MeshError], () => checkCloudEvent(event)) !== undefined;
}

/** JSON's own parser reads the same. */
function checkAgainstJson(text: string, events: readonly CloudEvent[]): void {
  const parsed = JSON.parse(text) as unknown;
  const values = (Array.isArray(parsed) ? parsed : [parsed]) as Record<string, unknown>[];
  for (const [i, event] of events.entries()) {
    const value = values[i] ?? {};
    assert.equal(event.id, value['id']);
    assert.equal(event.source, value['source']);
    assert.equal(event.type, value['type']);
    for (const [name, attribute] of event.attributes)
      assert.equal(
        attribute.value,
        Number(value[name]) === 0 && typeof value[name] === 'number' ? 0 : value[name],
      );
    if (event.data?.type !== 'text') continue;
    const isJson = isJsonContentType(contentTypeOf(event));
    assert.equal(
      isJson ? canonical(JSON.parse(event.data.value)) : event.data.value,
      isJson ? canonical(value['data']) : value['data'],
    );
  }
}

/** Undefined for what is too deep to be written. */
function canonical(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch {
    return undefined; // JSON.parse goes deeper than JSON.stringify
  }
}
