import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { test } from 'node:test';
import fc from 'fast-check';
import type { Interest } from '../../../node/core/messages.ts';
import { DIGEST_BYTES } from '../../../node/core/interest-lines.ts';
import { BUCKETS, InterestSet } from '../../../node/core/interest-set.ts';
import {
  decodeDelta,
  decodeHead,
  encodeHead,
  RouteError,
  type RouteOp,
  signDelta,
} from '../../../node/core/route-record.ts';
import { signingKeys } from './signing-keys.ts';

const keys = signingKeys('node-a');
const reader = signingKeys('node-b');
const OPS_MAX = 512;
const INTERESTS_MAX = 1_000_000;

const text = fc.string({ unit: 'binary', maxLength: 12 }).map((each) => each.toWellFormed());
const interestArbitrary: fc.Arbitrary<Interest> = fc.record(
  { filter: text, group: text, durable: fc.boolean() },
  { noNullPrototype: true },
);

function interest(filter: string, group = '', durable = false): Interest {
  return { filter, group, durable };
}

function setOf(interests: readonly Interest[]): InterestSet {
  const set = new InterestSet();
  for (const one of interests) set.set(one);
  return set;
}

function reasonOf(decode: () => unknown): string {
  try {
    decode();
  } catch (error) {
    if (error instanceof RouteError) return error.reason;
    throw error;
  }
  return 'taken';
}

function sample(): { delta: Uint8Array; head: Uint8Array; set: InterestSet; ops: RouteOp[] } {
  const ops: RouteOp[] = [
    { add: true, interest: interest('orders/+/created', 'billing', true) },
    { add: false, interest: interest('ünïcödé/#') },
  ];
  const set = setOf([interest('orders/+/created', 'billing', true), interest('a/b')]);
  const { proof, bytes } = signDelta(keys, 7, 42, set, ops);
  return { delta: bytes, head: encodeHead(proof, set), set, ops };
}

test('a delta comes back as its owner signed it', () => {
  fc.assert(
    fc.property(
      fc.array(fc.record({ add: fc.boolean(), interest: interestArbitrary }, { noNullPrototype: true }), {
        maxLength: 20,
      }),
      fc.array(interestArbitrary, { maxLength: 20 }),
      fc.maxSafeNat(),
      fc.maxSafeNat(),
      (ops, interests, incarnation, sequence) => {
        const set = setOf(interests);
        const { bytes } = signDelta(keys, incarnation, sequence, set, ops);
        const delta = decodeDelta(bytes, reader, OPS_MAX);
        assert.deepEqual(delta.ops, ops);
        assert.deepEqual(
          {
            node: delta.proof.node,
            incarnation: delta.proof.incarnation,
            sequence: delta.proof.sequence,
            count: delta.proof.count,
          },
          { node: 'node-a', incarnation, sequence, count: set.size },
        );
        assert.deepEqual(Buffer.from(delta.proof.root), Buffer.from(set.root()));
      },
    ),
    { numRuns: 200 },
  );
});

test('a head comes back with the digest of every bucket', () => {
  const { head, set } = sample();
  const { proof, digests } = decodeHead(head, reader, INTERESTS_MAX);
  assert.equal(proof.count, 2);
  assert.equal(digests.length, BUCKETS * DIGEST_BYTES);
  assert.deepEqual(Buffer.from(digests), Buffer.from(set.digests()));
});

test('the proof of a delta serves a head that another mesher makes', () => {
  const { delta, set } = sample();
  const { proof } = decodeDelta(delta, reader, OPS_MAX);
  const relayed = encodeHead(proof, setOf([...set.all()]));
  assert.equal(decodeHead(relayed, signingKeys('node-c'), INTERESTS_MAX).proof.node, 'node-a');
});

test('a proof does not keep the message alive that it came in', () => {
  const { delta } = sample();
  const message = Buffer.concat([Buffer.alloc(60_000), delta]);
  const { proof } = decodeDelta(message.subarray(60_000), reader, OPS_MAX);
  for (const part of [proof.root, proof.change, proof.signature])
    assert.notEqual(part.buffer, message.buffer);
});

test('whatever byte of a delta or head is changed, it is refused', () => {
  const { delta, head } = sample();
  for (const [whole, decode] of [
    [delta, (bytes: Uint8Array) => decodeDelta(bytes, reader, OPS_MAX)],
    [head, (bytes: Uint8Array) => decodeHead(bytes, reader, INTERESTS_MAX)],
  ] as const) {
    for (let at = 0; at < whole.length; at++) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 1;
      assert.notEqual(
        reasonOf(() => decode(damaged)),
        'taken',
        `byte ${at} changed`,
      );
    }
  }
});

test('a delta or head cut short anywhere is refused', () => {
  const { delta, head } = sample();
  for (let length = 0; length < delta.length; length++) {
    const reason = reasonOf(() => decodeDelta(delta.subarray(0, length), reader, OPS_MAX));
    assert.ok(reason === 'malformed' || reason === 'bad-digest', `${length} bytes: ${reason}`);
  }
  for (let length = 0; length < head.length; length += length < 200 ? 1 : 97) {
    assert.equal(
      reasonOf(() => decodeHead(head.subarray(0, length), reader, INTERESTS_MAX)),
      'malformed',
    );
  }
  assert.equal(
    reasonOf(() => decodeHead(Buffer.concat([head, Buffer.alloc(1)]), reader, INTERESTS_MAX)),
    'malformed',
  );
});

test('what another signed in the name of an owner is refused', () => {
  const mallory = { ...signingKeys('mallory'), node: 'node-a' };
  const { bytes, proof } = signDelta(mallory, 7, 43, new InterestSet(), []);
  assert.equal(
    reasonOf(() => decodeDelta(bytes, reader, OPS_MAX)),
    'bad-signature',
  );
  assert.equal(
    reasonOf(() => decodeHead(encodeHead(proof, new InterestSet()), reader, INTERESTS_MAX)),
    'bad-signature',
  );
});

test('changes put in the place of those signed are refused', () => {
  const { set, ops } = sample();
  const signed = signDelta(keys, 7, 42, set, ops).bytes;
  const other = signDelta(keys, 7, 42, set, [...ops, ...ops]).bytes;
  const signedLength = signed.length - opBytes(signed, set);
  const forged = Buffer.concat([signed.subarray(0, signedLength), other.subarray(signedLength)]);
  assert.equal(
    reasonOf(() => decodeDelta(forged, reader, OPS_MAX)),
    'bad-digest',
  );
});

/** Length of what follows the signature: an empty delta of the same version is as long as the rest. */
function opBytes(delta: Uint8Array, set: InterestSet): number {
  return delta.length - signDelta(keys, 7, 42, set, []).bytes.length;
}

test('digests put in the place of those signed are refused', () => {
  const { delta } = sample();
  const { proof } = decodeDelta(delta, reader, OPS_MAX);
  const forged = encodeHead(proof, setOf([interest('everything/#'), interest('a/b')]));
  assert.equal(
    reasonOf(() => decodeHead(forged, reader, INTERESTS_MAX)),
    'bad-digest',
  );
});

test('more changes than a delta may have are refused before they are kept', () => {
  const ops = Array.from({ length: OPS_MAX + 1 }, (_, i) => ({ add: true, interest: interest(`a/${i}`) }));
  const { bytes } = signDelta(keys, 1, 1, setOf(ops.map((op) => op.interest)), ops);
  assert.equal(
    reasonOf(() => decodeDelta(bytes, reader, OPS_MAX)),
    'too-many-ops',
  );
  assert.equal(decodeDelta(bytes, reader, OPS_MAX + 1).ops.length, OPS_MAX + 1);
});

test('an owner that claims ten million interests is refused by its head', () => {
  const set = setOf([interest('a')]);
  Object.defineProperty(set, 'size', { get: () => 10_000_000 });
  const { proof } = signDelta(keys, 1, 1, set, []);
  assert.equal(
    reasonOf(() => decodeHead(encodeHead(proof, set), reader, INTERESTS_MAX)),
    'too-many-interests',
  );
});

test('flags and numbers that nobody of ours writes are refused, signed or not', () => {
  assert.equal(
    reasonOf(() => decodeDelta(signedByHand(1, Buffer.from([4, 0, 1, 97, 0, 0])), reader, OPS_MAX)),
    'malformed',
  );
  for (const sequence of [NaN, -1, 1.5, Infinity, 2 ** 53]) {
    assert.equal(
      reasonOf(() => decodeDelta(signedByHand(sequence, Buffer.alloc(0)), reader, OPS_MAX)),
      'malformed',
      `sequence ${sequence}`,
    );
  }
  // lengths that point past the end
  assert.equal(
    reasonOf(() => decodeDelta(signedByHand(1, Buffer.from([1, 0xff, 0xff, 97])), reader, OPS_MAX)),
    'malformed',
  );
});

/** A delta with these bytes for its changes, put together without the encoder. */
function signedByHand(sequence: number, ops: Buffer): Buffer {
  const empty = Buffer.from(signDelta(keys, 1, 1, new InterestSet(), []).bytes);
  const proofLength = empty.length - 64;
  const nodeEnd = 3 + 'node-a'.length;
  empty.writeDoubleBE(sequence, nodeEnd + 8);
  const change = digestOf(ops);
  change.copy(empty, proofLength - 16);
  const proof = empty.subarray(0, proofLength);
  return Buffer.concat([proof, keys.sign(proof), ops]);
}

function digestOf(bytes: Uint8Array): Buffer {
  return hash('sha256', bytes, 'buffer').subarray(0, 16);
}
