// Any message and any CloudEvent, for the property tests of this folder.

import fc from 'fast-check';
import type { AttributeValue, CloudEvent } from '../../../node/core/cloud-event.ts';
import type { Directive, StoredEvent } from '../../../node/core/event.ts';
import { encodeRecord } from '../../../node/core/event-record.ts';
import type { LinkMessage } from '../../../node/core/messages.ts';

const uint = fc.maxSafeNat();
const time = fc.nat({ max: 8.64e15 });
const text = (maxLength: number): fc.Arbitrary<string> => fc.string({ unit: 'grapheme', maxLength });
const bytes = fc.uint8Array({ maxLength: 200 });
const position = fc.record({ incarnation: uint, sequence: uint });
const lane = {
  scope: fc.constantFrom('cluster' as const, 'peer' as const),
  lane: fc.nat({ max: 1023 }),
};
const version = { node: text(20), incarnation: uint, sequence: uint };

export const storedEvent: fc.Arbitrary<StoredEvent> = fc
  .record({
    event: fc.record({
      topic: text(20),
      expiresAt: time,
      key: text(10),
      hash: fc.nat({ max: 0xffff_ffff }),
      cloudEvent: bytes,
    }),
    from: fc.record({
      origin: text(20),
      incarnation: uint,
      sequence: uint,
      acceptedAt: time,
      path: fc.array(text(10), { minLength: 1, maxLength: 16 }),
      deadLetter: fc.option(
        fc.record({ subscription: text(10), reason: text(10), attempts: fc.nat(), topic: text(10) }),
        { nil: undefined },
      ),
    }),
  })
  .map(({ event, from }) => encodeRecord(event, from));

const wanted = fc.array(fc.record({ node: text(8), groups: fc.array(text(8), { maxLength: 2 }) }), {
  maxLength: 3,
});
/** Every field there is: one that codecs forget must be drawn. */
const DIRECTIVE: { [Field in keyof Directive]-?: fc.Arbitrary<NonNullable<Directive[Field]>> } = {
  groups: fc.constantFrom('only', 'except'),
  names: fc.array(text(8), { maxLength: 3 }),
  wanted,
  unknown: fc.array(text(8), { minLength: 1, maxLength: 2 }), // none is left out
  subscription: text(8),
};
const directive: fc.Arbitrary<Directive> = fc.record(DIRECTIVE, {
  requiredKeys: ['groups', 'names'],
  noNullPrototype: true,
});

/** The second is the first but for one field. */
const alike = fc
  .tuple(directive, fc.record(DIRECTIVE), fc.constantFrom(...(Object.keys(DIRECTIVE) as (keyof Directive)[])))
  .map(([one, other, field]): Directive[] => [one, { ...one, [field]: other[field] }]);

/** Long runs of one directive are the usual case, so they are drawn often. */
const forwarded = fc
  .tuple(
    fc.oneof(fc.array(directive, { minLength: 1, maxLength: 3 }), alike),
    fc.array(fc.tuple(storedEvent, fc.nat({ max: 2 })), { maxLength: 12 }),
  )
  .map(([directives, events]) =>
    events.map(([event, pick]) => ({
      event,
      directive: directives[pick % directives.length] ?? { groups: 'only', names: [] },
    })),
  );

const interest = fc.record({ filter: text(20), group: text(10), durable: fc.boolean() });

export const linkMessage: fc.Arbitrary<LinkMessage> = fc.oneof(
  fc.record({
    kind: fc.constant('hello' as const),
    federation: text(20),
    cluster: text(20),
    incarnation: uint,
  }),
  fc.record({ kind: fc.constant('lane-open' as const), ...lane, base: position }),
  fc.record({ kind: fc.constant('lane-ready' as const), ...lane, mark: position, credit: uint }),
  fc.record({
    kind: fc.constant('data' as const),
    ...lane,
    previous: position,
    first: position,
    doubt: fc.boolean(),
    events: forwarded,
  }),
  fc.record({ kind: fc.constant('ack' as const), ...lane, upTo: position, credit: uint }),
  fc.record({ kind: fc.constant('gap' as const), ...lane, last: position }),
  fc.record({ kind: fc.constant('best-effort' as const), scope: lane.scope, events: forwarded }),
  fc.record({
    kind: fc.constantFrom('ping' as const, 'pong' as const),
    sentAt: fc.double({ noNaN: true, noDefaultInfinity: true }),
  }),
  fc.record({
    kind: fc.constant('route-heads' as const),
    answer: fc.boolean(),
    heads: fc.array(fc.record({ ...version, digest: fc.nat({ max: 0xffff_ffff }) }), { maxLength: 20 }),
  }),
  fc.record({ kind: fc.constant('route-pull' as const), ...version }),
  fc.record({ kind: fc.constant('route-delta' as const), delta: bytes }),
  fc.record({ kind: fc.constant('route-head' as const), head: bytes }),
  fc.record({
    kind: fc.constant('route-bucket-pull' as const),
    ...version,
    buckets: fc.array(fc.nat({ max: 255 }), { maxLength: 20 }),
  }),
  fc.record({
    kind: fc.constant('route-buckets' as const),
    ...version,
    buckets: fc.array(
      fc.record({ index: fc.nat({ max: 255 }), interests: fc.array(interest, { maxLength: 5 }) }),
      {
        maxLength: 5,
      },
    ),
  }),
  fc.record({ kind: fc.constant('copy-open' as const), incarnation: uint }),
  fc.record({
    kind: fc.constantFrom('copy-ready' as const, 'copy-ack' as const),
    incarnation: uint,
    batch: uint,
    cursor: text(20),
    hasPast: fc.boolean(),
  }),
  fc.record({ kind: fc.constant('copy-start' as const), incarnation: uint, batch: uint, nextBlock: uint }),
  fc.record({
    kind: fc.constant('copy-batch' as const),
    incarnation: uint,
    batch: uint,
    part: uint,
    last: fc.boolean(),
    nextBlock: uint,
    content: bytes,
  }),
  fc.record({
    kind: fc.constant('copy-range' as const),
    incarnation: uint,
    from: text(20),
    to: text(20),
    content: bytes,
  }),
  fc.record({ kind: fc.constant('copy-drop' as const) }, { noNullPrototype: true }),
  fc.record({
    kind: fc.constant('members-away' as const),
    members: fc.array(fc.record({ signed: text(20), signature: text(10), awayMs: uint }), { maxLength: 5 }),
  }),
  fc.record({
    kind: fc.constant('copy-held' as const),
    answer: fc.boolean(),
    owner: text(20),
    incarnation: uint,
    batch: uint,
    cursor: text(20),
    hasPast: fc.boolean(),
  }),
);

const named = text(20).filter((name) => name !== '');

/** Attribute values whose type survives: neither timestamps that Protobuf cannot say, nor names that imply a type. */
const attribute: fc.Arbitrary<AttributeValue> = fc.oneof(
  fc.record({ type: fc.constant('boolean' as const), value: fc.boolean() }),
  fc.record({ type: fc.constant('integer' as const), value: fc.integer() }),
  fc.record({
    type: fc.constantFrom('string' as const, 'uri' as const, 'uri-ref' as const),
    value: text(20),
  }),
  fc.record({ type: fc.constant('binary' as const), value: bytes }),
  fc.record({
    type: fc.constant('timestamp' as const),
    value: fc
      .date({
        min: new Date('0001-01-01T00:00:00Z'),
        max: new Date('9999-12-31T23:59:59Z'),
        noInvalidDate: true,
      })
      .map((date) => date.toISOString().replace('.000Z', 'Z')),
  }),
);

const attributeName = fc
  .stringMatching(/^[a-z0-9]{1,20}$/)
  .filter((name) => !['id', 'source', 'specversion', 'type', 'data', 'time', 'dataschema'].includes(name));

export const cloudEvent: fc.Arbitrary<CloudEvent> = fc.record({
  id: named,
  source: named,
  type: named,
  attributes: fc
    .array(fc.tuple(attributeName, attribute), { maxLength: 8 })
    .map((entries) => new Map(entries)),
  data: fc.option(
    fc.oneof(
      fc.record({ type: fc.constant('text' as const), value: text(100) }),
      fc.record({ type: fc.constant('binary' as const), value: bytes }),
    ),
    { nil: undefined },
  ),
});
