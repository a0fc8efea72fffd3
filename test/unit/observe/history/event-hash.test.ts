import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EventHash } from '../../../../node/observe/history/event-hash.ts';
import { namesIn } from '../../../../node/wire/event-names.ts';
import { encodeCloudEvent } from '../../../../node/wire/cloud-event-protobuf.ts';

function encoded(source: string, id: string): Uint8Array {
  return encodeCloudEvent({ id, source, type: 't', attributes: new Map(), data: undefined });
}

/** The fields of an encoded event in another order, with one behind them that nobody knows. */
function reordered(bytes: Uint8Array): Uint8Array {
  const fields: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    let [length, shift, from] = [0, 0, at + 1];
    for (let byte = 128; byte >= 128; shift += 7) {
      byte = bytes[from++] ?? 0;
      length += (byte & 127) << shift;
    }
    fields.push(bytes.subarray(at, from + length));
    at = from + length;
  }
  return Buffer.concat([...fields.reverse(), Buffer.from([0x78, 0x01])]);
}

test('the same names have the same hashes, from texts and from bytes, in whatever order these have them', () => {
  const hash = new EventHash(Math.random);
  const name = fc.string({ unit: 'grapheme', maxLength: 300 });
  fc.assert(
    fc.property(name, name, fc.nat(50), (source, id, offset) => {
      hash.ofTexts(source, id);
      const wanted = [hash.low, hash.high];
      const bytes = encoded(source, id);
      for (const each of [bytes, reordered(bytes)]) {
        const within = Buffer.concat([Buffer.alloc(offset, 7), each, Buffer.alloc(3, 0x12)]);
        hash.ofBytes(within, offset, offset + each.length);
        assert.deepEqual([hash.low, hash.high], wanted);
        assert.deepEqual(namesIn(within, offset, offset + each.length), { source, id });
      }
    }),
  );
});

test('whatever the bytes are, they are looked at no further than they go', () => {
  const hash = new EventHash(Math.random);
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      hash.ofBytes(bytes, 0, bytes.length);
      const { source, id } = namesIn(bytes);
      assert.ok(source.length + id.length <= bytes.length * 2);
    }),
  );
});

test('names that are much alike have other hashes: of half a million events no two share both, and few share one', () => {
  const hash = new EventHash(() => 0.25);
  const [low, both] = [new Set<number>(), new Set<bigint>()];
  let count = 0;
  for (const source of [
    '/shop',
    '/shop/',
    '/shoq',
    'https://shop.example.com/orders',
    'https://shop.example.com/orderr',
  ])
    for (let n = 0; n < 100_000; n++, count++) {
      hash.ofTexts(
        source,
        n % 2 === 0 ? String(n) : `${n.toString(16).padStart(8, '0')}-7a1c-4c8e-9c55-1d0b8a2f6e01`,
      );
      low.add(hash.low);
      both.add((BigInt(hash.low) << 32n) | BigInt(hash.high >>> 0));
    }
  assert.equal(both.size, count);
  const expected = count ** 2 / 2 ** 33; // of hashes that were drawn
  assert.ok(
    count - low.size < expected * 3,
    `${count - low.size} share 32 bits, ${expected.toFixed()} would by chance`,
  );
});

test('where the names are parted matters, and so do the numbers that each process draws', () => {
  const hash = new EventHash(() => 0.5);
  const of = (source: string, id: string, by = hash): string => {
    by.ofTexts(source, id);
    return `${by.low} ${by.high}`;
  };
  assert.notEqual(of('ab', 'c'), of('b', 'ca'));
  assert.notEqual(of('', 'abcd'), of('abcd', ''));
  assert.notEqual(of('a', 'b'), of('a', 'b', new EventHash(() => 0.6)));
});
