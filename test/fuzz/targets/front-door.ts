// The mesher's front door for batches that their publishers encoded: topics in runs, and Protobuf bytes. What is handed to the
// core is what decoding each event alone gives; what is wrong is refused in words that a client can mend.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { checkCloudEvent } from '../../../node/core/cloud-event-check.ts';
import { ERRORS, MeshError } from '../../../node/core/errors.ts';
import { hash32, type NewEvent } from '../../../node/core/event.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import type { Input, Reply } from '../../../node/core/steps.ts';
import { checkTopic, topicOfType } from '../../../node/core/topic.ts';
import type { Driver } from '../../../node/driver.ts';
import { MesherDoor } from '../../../node/front-door.ts';
import { writeEvent } from '../../../bridge/ws/frames/batch.ts';
import { ByteWriter } from '../../../node/wire/byte-writer.ts';
import { decodeCloudEvent, encodeCloudEvent } from '../../../node/wire/cloud-event-protobuf.ts';
import { loneCore, NOTHING } from '../../support/lone-core.ts';
import { cloudEvent } from '../../unit/wire/arbitraries.ts';
import { Choices, piece, sampled, type Target } from '../target.ts';

const LIMITS_HERE = {
  ...LIMITS,
  eventBytesMax: 512,
  batchBytesMax: 2_048,
  batchEventsMax: 8,
  keyBytesMax: 16,
};
const TOPICS = ['', 'orders/eu', 'a/+', '$sys/x', 'orders//eu'] as const;

let handed: readonly NewEvent[] = [];
const core = loneCore(NOTHING);
/** Takes all that it is given, and keeps it to be looked at. */
const driver = {
  request: (make: (request: number) => Input): Promise<Reply> => {
    const input = make(1);
    assert(input.kind === 'publish');
    handed = input.events;
    const destinations = { subscriptions: 0, meshers: [], clusters: [] };
    return Promise.resolve({ kind: 'published', results: handed.map(() => ({ sequence: 1, destinations })) });
  },
};
const door = new MesherDoor(
  { node: 'a', cluster: 'eu', federation: 'acme', limits: LIMITS_HERE },
  () => core,
  () => driver as unknown as Driver,
);

const plainEvent = fc
  .record({ id: fc.stringMatching(/^[a-z0-9]{1,8}$/), key: fc.stringMatching(/^[a-z]{0,20}$/) })
  .map(({ id, key }) =>
    encodeCloudEvent({
      id,
      source: '/s',
      type: 'com.example.x',
      attributes: new Map([
        ['partitionkey', { type: 'string', value: key }],
        ['expirytime', { type: 'timestamp', value: '2030-01-01T00:00:00Z' }],
      ]),
      data: undefined,
    }),
  );
const anyEvent = sampled(fc.oneof(plainEvent, cloudEvent.map(encodeCloudEvent)), (bytes) => bytes);

export const target: Target = {
  name: 'front-door',
  shape: 'protobuf',
  bytesMax: 3_072,
  dictionary: ['partitionkey', 'expirytime', '1970-01-01T00:00:00Z', 'com.example', '...', '1.0', ...TOPICS],
  sample: (chance) => {
    const events = Array.from({ length: chance.below(4) }, () => anyEvent(chance));
    const batch = new ByteWriter();
    for (const event of events) writeEvent(batch, event);
    const runs = events.length === 0 ? 0 : 1;
    return Buffer.concat([Buffer.of(runs, events.length), piece(chance.pick(TOPICS)), batch.finish()]);
  },
  quick: 8_000,
  run: async (input) => {
    const choices = new Choices(input);
    const runs = Array.from({ length: choices.byte() % 4 }, () => ({
      count: 1 + (choices.byte() % 8),
      topic: choices.piece().toString(),
    }));
    handed = [];
    const bytes = choices.rest();
    try {
      const results = await door.publishEncoded({ bytes, topics: runs }, { qos: 'durable', report: true });
      assert.equal(results.length, handed.length);
    } catch (error) {
      if (!(error instanceof MeshError) || ERRORS[error.code].status >= 500) throw error;
      return false;
    }
    const topics = runs.flatMap(({ count, topic }) => Array.from({ length: count }, () => topic));
    assert.equal(handed.length, topics.length);
    for (const [i, event] of handed.entries()) checkHanded(event, topics[i] ?? '');
    return true;
  },
};

/** The same as for an event that comes alone, by the long way. */
function checkHanded(given: NewEvent, topic: string): void {
  const event = checkCloudEvent(decodeCloudEvent(given.cloudEvent));
  const text = (name: string): string => {
    const value = event.attributes.get(name)?.value;
    return typeof value === 'string' ? value : '';
  };
  const key = text('partitionkey');
  const expiry = Date.parse(text('expirytime'));
  assert.equal(given.topic, checkTopic(topic === '' ? topicOfType(event.type) : topic, LIMITS_HERE));
  assert.equal(given.key, key);
  assert(Buffer.byteLength(key) <= LIMITS_HERE.keyBytesMax);
  assert(given.cloudEvent.length <= LIMITS_HERE.eventBytesMax);
  assert.equal(given.hash, hash32(key === '' ? event.id : key));
  assert.equal(given.expiresAt, Number.isNaN(expiry) ? 0 : Math.max(1, expiry));
}
