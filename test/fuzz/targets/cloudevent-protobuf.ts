// CloudEvents in Protobuf, alone and in batches: what is decoded comes back after encoding; protobufjs reads the same from the
// official text; and what the scanner takes without a second look is what decoding and checking take, to the same end.

import assert from 'node:assert/strict';
import { checkCloudEvent } from '../../../node/core/cloud-event-check.ts';
import type { CloudEvent } from '../../../node/core/cloud-event.ts';
import { MeshError } from '../../../node/core/errors.ts';
import { hash32, hash32Ascii } from '../../../node/core/event.ts';
import { eventsOfBatch } from '../../../node/wire/cloud-event-batch.ts';
import { decodeCloudEvent, encodeCloudEvent } from '../../../node/wire/cloud-event-protobuf.ts';
import { CloudEventScanner } from '../../../node/wire/cloud-event-scan.ts';
import { WireError } from '../../../node/wire/wire-error.ts';
import { OFFICIAL_EVENT } from '../../support/official-protobuf.ts';
import { cloudEvent } from '../../unit/wire/arbitraries.ts';
import { plain, sampled, type Target, unlessRefused } from '../target.ts';

const scanner = new CloudEventScanner();

const DICTIONARY =
  'time expirytime partitionkey subject datacontenttype dataschema id source specversion data'.split(' ');
const VALUES = [
  '2026-01-31T17:30:00Z',
  '9999-12-31T23:59:60Z',
  'application/json',
  'text/plain; charset=utf-8',
  '1.0',
];

export const target: Target = {
  name: 'cloudevent-protobuf',
  shape: 'protobuf',
  bytesMax: 4_096,
  dictionary: [...DICTIONARY, ...VALUES, Buffer.from('2a0c0a0474696d6512043a020801', 'hex')],
  sample: sampled(cloudEvent, encodeCloudEvent),
  quick: 8_000,
  run: (input) => {
    checkScan(input);
    checkBatch(input);
    const decoded = unlessRefused([WireError], () => decodeCloudEvent(input));
    if (!decoded) return false;
    checkAgainstOfficial(input, decoded.value);
    assert.deepEqual(plain(decodeCloudEvent(encodeCloudEvent(decoded.value))), plain(decoded.value));
    unlessRefused([MeshError], () => checkCloudEvent(decoded.value));
    return true;
  },
};

function checkScan(input: Uint8Array): void {
  // between other bytes, as in a batch
  const buffer = Buffer.concat([Buffer.of(0x2a, 0x7f), input, Buffer.of(0x0a, 0x01, 0x41)]);
  if (!scanner.scan(buffer, 2, 2 + input.length)) return;
  const { type, key, expiresAt, idStart, idEnd } = scanner;
  const event = checkCloudEvent(decodeCloudEvent(input)); // which must not refuse it
  const text = (name: string): string => {
    const value = event.attributes.get(name)?.value;
    return typeof value === 'string' ? value : '';
  };
  const expiry = Date.parse(text('expirytime'));
  assert.equal(type, event.type);
  assert.equal(key, text('partitionkey'));
  assert.equal(expiresAt, Number.isNaN(expiry) ? 0 : Math.max(1, expiry));
  assert.equal(
    key === '' ? hash32Ascii(buffer, idStart, idEnd) : hash32(key),
    hash32(key === '' ? event.id : key),
  );
}

function checkBatch(input: Uint8Array): void {
  const places = unlessRefused([WireError], () => eventsOfBatch(input))?.value ?? [];
  let end = 0;
  for (const [i, place] of places.entries()) {
    assert(place >= end && place <= input.length, `place ${i} ascends within the batch`);
    end = place;
  }
}

/** What we take, the reference takes, and reads the same from it. */
function checkAgainstOfficial(input: Uint8Array, event: CloudEvent): void {
  const official = OFFICIAL_EVENT.toObject(OFFICIAL_EVENT.decode(input), { longs: Number, oneofs: true });
  assert.equal(official['id'], event.id);
  assert.equal(official['source'], event.source);
  assert.equal(official['type'], event.type);
  assert.equal(official['spec_version'], '1.0');
  const attributes = (official['attributes'] ?? {}) as Record<string, unknown>;
  assert.deepEqual(Object.keys(attributes).sort(), [...event.attributes.keys()].sort());
  const field = event.data?.type === 'binary' ? 'binary_data' : 'text_data';
  assert.deepEqual(plain(official[field]), plain(event.data?.value));
}
