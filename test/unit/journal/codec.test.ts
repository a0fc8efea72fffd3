import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import type { QueueEntry } from '../../../node/core/ports.ts';
import { DELIVERY_DEFAULTS } from '../../../node/core/subscription.ts';
import { CorruptionError } from '../../../node/journal/bytes.ts';
import * as codec from '../../../node/journal/codec.ts';
import { storedEvent, storedEvents } from '../../support/events.ts';

const key = Buffer.from('a key');
const plain = { noNullPrototype: true };
/** Any JavaScript string, lone surrogates too. */
const text = fc
  .array(fc.nat({ max: 0xffff }), { maxLength: 30 })
  .map((units) => String.fromCharCode(...units));
const whole = fc.maxSafeNat();
const position = fc.record({ incarnation: whole, sequence: whole }, plain);
const texts = fc.array(fc.string({ unit: 'grapheme', maxLength: 40 }), { maxLength: 8 });
const directive = fc.record(
  {
    groups: fc.constantFrom('only' as const, 'except' as const),
    names: texts,
    unknown: texts,
    wanted: fc.array(fc.record({ node: fc.string({ unit: 'grapheme' }), groups: texts }, plain), {
      maxLength: 4,
    }),
  },
  { ...plain, requiredKeys: ['groups', 'names'] },
);
const ascending = (max: number, maxLength: number): fc.Arbitrary<number[]> =>
  fc
    .uniqueArray(fc.nat({ max }), { minLength: 1, maxLength })
    .map((numbers) => numbers.sort((a, b) => a - b));

const entry: fc.Arbitrary<QueueEntry> = fc
  .oneof(ascending(65_535, 50), ascending(60, 50), fc.constant(Array.from({ length: 1024 }, (_, i) => i)))
  .chain((indices) =>
    fc.record(
      {
        indices: fc.constant(indices),
        first: fc.option(position, { nil: undefined }),
        directives: fc
          .uniqueArray(fc.record({ from: fc.nat({ max: indices.length - 1 }), directive }, plain), {
            maxLength: 20,
            selector: ({ from }) => from,
          })
          .map((runs) => runs.sort((a, b) => a.from - b.from)),
      },
      plain,
    ),
  );

const decoders: Record<string, (value: Buffer) => unknown> = {
  block: (value) => {
    const block = codec.decodeBlock(key, value);
    return block.events(Array.from({ length: block.count }, (_, i) => i));
  },
  head: (value) => codec.decodeHead(key, value),
  entry: (value) => codec.decodeEntry(key, value),
  entryHead: (value) => codec.decodeEntryHead(key, value),
  position: (value) => codec.decodePosition(key, value),
  number: (value) => codec.decodeNumber(key, value),
  text: (value) => codec.decodeText(key, value),
  subscription: (value) => codec.decodeSubscription(key, value),
  member: (value) => codec.decodeMember(key, value),
  routes: (value) => codec.decodeRoutes(key, value),
};

const subscription = {
  name: 'a',
  topic: 'b/#',
  group: 'ü',
  sink: undefined,
  adoptedFrom: undefined,
  delivery: { ...DELIVERY_DEFAULTS, queueEventsMax: 7 },
};
const member = {
  federation: 'f',
  cluster: 'c',
  node: 'n',
  incarnation: 1,
  addresses: ['/ip4/127.0.0.1/tcp/1'],
  http: '',
  labels: { ['__proto__']: 'x' },
  version: '1',
  signature: '',
};

/** One good value of each kind, to damage. */
const samples: readonly Buffer[] = [
  codec.encodeBlock(key, storedEvents(4, { bytes: 30 })),
  codec.encodeBlock(key, [
    storedEvent({ deadLetter: { subscription: 's', reason: 'r', attempts: 2, topic: 't' } }),
  ]),
  codec.encodeHead(key, 3, 4000),
  codec.encodeEntry(key, {
    indices: [0, 1, 2, 9, 300],
    first: { incarnation: 3, sequence: 2 ** 50 },
    directives: [{ from: 1, directive: { groups: 'except', names: ['g', 'grüppe'] } }],
  }),
  codec.encodePosition(key, { incarnation: 2 ** 52, sequence: 1 }),
  codec.encodeNumber(key, 12_345_678),
  codec.encodeText(key, 'größe'),
  codec.encodeSubscription(key, subscription),
  codec.encodeMember(key, member),
  codec.encodeRoutes(key, [
    { filter: 'a/#', group: '' },
    { filter: 'größe', group: 'g' },
  ]),
];

/** As `value`, with a checksum that fits: to get damage past the checksum to what is behind it. */
function resealed(value: Buffer): Buffer {
  const end = value.length - 4;
  if (end >= 0) value.writeUInt32BE(crc32(value.subarray(0, end), crc32(key)), end);
  return value;
}

/** Every decoder gives a value or throws its one error, quickly; returns how many gave a value. */
function decodeAll(value: Buffer): number {
  let good = 0;
  for (const [name, decode] of Object.entries(decoders)) {
    try {
      decode(value);
      good += 1;
    } catch (error) {
      assert.ok(error instanceof CorruptionError, `${name}: ${String(error)}`);
    }
  }
  return good;
}

describe('values come back as they were', () => {
  test('entries', () => {
    fc.assert(
      fc.property(entry, (each) => {
        const value = codec.encodeEntry(key, each);
        assert.deepEqual(codec.decodeEntry(key, value), each);
        assert.deepEqual(codec.decodeEntryHead(key, value), {
          count: each.indices.length,
          first: each.first,
        });
      }),
    );
  });

  test('blocks, whole and in part', () => {
    const events = fc.array(fc.record({ bytes: fc.nat({ max: 500 }), sequence: fc.nat(), topic: fc.string({ unit: 'grapheme' }) }), { minLength: 1, maxLength: 30 }); // prettier-ignore
    fc.assert(
      fc.property(events, fc.array(fc.nat()), (parts, picks) => {
        const stored = parts.map(storedEvent);
        const block = codec.decodeBlock(key, codec.encodeBlock(key, stored));
        assert.equal(block.count, stored.length);
        const indices = picks.map((pick) => pick % stored.length);
        assert.deepEqual(block.events(indices), indices.map((index) => stored[index])); // prettier-ignore
        assert.deepEqual(block.events([...stored.keys()]), stored);
      }),
    );
  });

  test('positions, numbers and texts', () => {
    fc.assert(
      fc.property(position, whole, fc.string({ unit: 'grapheme' }), (place, number, words) => {
        assert.deepEqual(codec.decodePosition(key, codec.encodePosition(key, place)), place);
        assert.equal(codec.decodeNumber(key, codec.encodeNumber(key, number)), number);
        assert.equal(codec.decodeText(key, codec.encodeText(key, words)), words);
      }),
    );
  });

  test('routes', () => {
    const words = fc.string({ unit: 'grapheme', maxLength: 300 });
    const routes = fc.array(fc.record({ filter: words, group: words }, plain), { minLength: 1 });
    fc.assert(
      fc.property(routes, (each) => {
        assert.deepEqual(codec.decodeRoutes(key, codec.encodeRoutes(key, each)), each);
      }),
    );
  });

  test('subscriptions and members, lone surrogates and odd label names too', () => {
    const labels = fc.dictionary(text, text, plain);
    fc.assert(
      fc.property(
        text,
        fc.option(text, { nil: undefined }),
        fc.array(text),
        labels,
        (one, two, many, named) => {
          const asked = { ...subscription, name: one, group: two, sink: two };
          assert.deepEqual(codec.decodeSubscription(key, codec.encodeSubscription(key, asked)), asked);
          const record = { ...member, cluster: one, addresses: many, labels: named };
          assert.deepEqual(codec.decodeMember(key, codec.encodeMember(key, record)), record);
        },
      ),
    );
    assert.deepEqual(codec.decodeMember(key, codec.encodeMember(key, member)), member);
  });
});

test('an entry of 1024 indices in a row is no larger than one of a single index, nearly', () => {
  const indices = Array.from({ length: 1024 }, (_, i) => i);
  const sizeOf = (of: number[]): number => codec.encodeEntry(key, { indices: of, first: undefined, directives: [] }).length; // prettier-ignore
  assert.ok(sizeOf(indices) <= 14, `${sizeOf(indices)} bytes`);
  assert.ok(sizeOf(indices.filter((i) => i % 2 === 0)) < 1100);
});

test('what cannot be encoded is a bug, and is not written', () => {
  const bad: QueueEntry[] = [
    { indices: [], first: undefined, directives: [] },
    { indices: [2, 1], first: undefined, directives: [] },
    { indices: [1, 1], first: undefined, directives: [] },
    { indices: [65_536], first: undefined, directives: [] },
    { indices: [0.5], first: undefined, directives: [] },
    { indices: [1], first: undefined, directives: [{ from: 1, directive: { groups: 'only', names: [] } }] },
    { indices: [1], first: { incarnation: -1, sequence: 0 }, directives: [] },
    { indices: [1], first: { incarnation: 2 ** 53, sequence: 0 }, directives: [] },
  ];
  for (const each of bad) assert.throws(() => codec.encodeEntry(key, each), /invariant broken/);
  assert.throws(() => codec.encodeBlock(key, []), /invariant broken/);
  assert.throws(() => codec.encodeRoutes(key, []), /invariant broken/);
});

describe('damage is found', () => {
  test('any single bit flipped in any value', () => {
    for (const sample of samples) {
      for (let bit = 0; bit < sample.length * 8; bit++) {
        const damaged = Buffer.from(sample);
        damaged[bit >> 3] = (damaged[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        assert.equal(decodeAll(damaged), 0, `bit ${bit}`);
      }
    }
  });

  test('a bit flipped in a block of 1 MiB', () => {
    const block = codec.encodeBlock(key, storedEvents(1024, { bytes: 1024 }));
    fc.assert(
      fc.property(fc.nat({ max: block.length * 8 - 1 }), (bit) => {
        const at = bit >> 3;
        const before = block[at] ?? 0;
        block[at] = before ^ (1 << (bit & 7));
        assert.throws(() => codec.decodeBlock(key, block), CorruptionError);
        block[at] = before;
      }),
      { numRuns: 50 },
    );
  });

  test('a value cut anywhere, one that is longer, and one under another key', () => {
    for (const sample of samples) {
      for (let length = 0; length < sample.length; length++)
        assert.equal(decodeAll(sample.subarray(0, length)), 0);
      assert.equal(decodeAll(Buffer.concat([sample, Buffer.of(0)])), 0);
      assert.throws(() => codec.decodeText(Buffer.from('another key'), sample), /checksum/);
    }
  });

  test('a version that is not known', () => {
    for (const sample of samples) {
      const newer = Buffer.from(sample);
      newer[0] = 2;
      assert.throws(() => codec.decodeText(key, resealed(newer)), /version 2/);
    }
  });
});

describe('decoders throw their one error and nothing else', () => {
  test('on random bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        decodeAll(Buffer.from(bytes));
        decodeAll(resealed(Buffer.from([1, ...bytes, 0, 0, 0, 0])));
      }),
      { numRuns: 3000 },
    );
  });

  test('on damaged values whose checksum is right', () => {
    const edit = fc.record({ at: fc.nat(), byte: fc.nat({ max: 255 }) });
    const damage = fc.record({
      edits: fc.array(edit, { minLength: 1, maxLength: 4 }),
      cut: fc.nat({ max: 3 }),
      which: fc.nat(),
    });
    fc.assert(
      fc.property(damage, ({ edits, cut, which }) => {
        const value = Buffer.from(samples[which % samples.length] ?? []);
        for (const { at, byte } of edits) value[1 + (at % (value.length - 1))] = byte;
        decodeAll(resealed(Buffer.from(value.subarray(0, value.length - cut))));
      }),
      { numRuns: 5000 },
    );
  });

  test('on small bytes that claim to hold much, without allocating it', () => {
    const claims: (readonly number[])[] = [
      [0xff, 0xff, 0xff, 0xff, 1, 2, 3], // a block of 2^32 events
      [0, 1, 0, 0, 0, 0, 0, 0], // a block of 65,536 events in 4 bytes
      [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], // a text of 2^53 bytes
      [0x80, 0x80, 4, 0, 0xff, 0xff, 3], // an entry of 65,536 indices in 65,535 runs
      [1, 0, 1, 0, 1, 1, 0, 0, 0xff, 0xff, 0xff, 0x7f], // a directive of 2^28 names
      [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 1], // a number without end
    ];
    for (const claim of claims) {
      const value = resealed(Buffer.from([1, ...claim, 0, 0, 0, 0]));
      const before = process.memoryUsage();
      decodeAll(value);
      const grown = process.memoryUsage();
      assert.ok(grown.heapUsed + grown.external - before.heapUsed - before.external < 8 * 1024 * 1024);
    }
  });

  test('on JSON that is no subscription or member', () => {
    const values = [
      '',
      '{',
      'null',
      '[]',
      '1',
      '{}',
      '{"delivery":null}',
      '{"delivery":{"ackTimeoutMs":"1"}}',
    ];
    for (const value of [...values, '{"addresses":[1],"labels":{}}', '{"addresses":[],"labels":{"a":1}}']) {
      const sealed = codec.encodeText(key, value);
      assert.throws(() => codec.decodeSubscription(key, sealed), CorruptionError);
      assert.throws(() => codec.decodeMember(key, sealed), CorruptionError);
    }
    fc.assert(
      fc.property(fc.json(), (json) => {
        decodeAll(codec.encodeText(key, json));
      }),
    );
  });
});
