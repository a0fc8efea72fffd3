// Deltas and heads of route records, which come by gossip and over links. The first byte says which of the two it is, and
// what of it is made right again after the mutations, so that what lies behind signature and digests is reached.

import assert from 'node:assert/strict';
import fc from 'fast-check';
import { DIGEST_BYTES, digestOf } from '../../../node/core/interest-lines.ts';
import { bucketOf, BUCKETS, interestKey, InterestSet } from '../../../node/core/interest-set.ts';
import {
  decodeDelta,
  decodeHead,
  encodeHead,
  RouteError,
  signDelta,
} from '../../../node/core/route-record.ts';
import { signingKeys } from '../../unit/core/signing-keys.ts';
import { plain, sampled, type Target, unlessRefused } from '../target.ts';

const OPS_MAX = 64;
const INTERESTS_MAX = 1_000;
const SIGNATURE_BYTES = 64;
const HEAD = 1;
const RIGHT_DIGEST = 2;
const RIGHT_SIGNATURE = 4;

const keys = signingKeys('12D3KooWOwner');
const text = fc.string({ unit: 'grapheme', maxLength: 12 });
const op = fc.record({
  add: fc.boolean(),
  interest: fc.record({ filter: text, group: text, durable: fc.boolean() }),
});
const record = fc.record({
  flags: fc.nat({ max: 7 }),
  incarnation: fc.maxSafeNat(),
  sequence: fc.maxSafeNat(),
  ops: fc.array(op, { maxLength: 5 }),
});

export const target: Target = {
  name: 'route-records',
  shape: 'bytes',
  bytesMax: 8_192,
  dictionary: ['a/b/', '#', '+', Buffer.of(1, 0, 1, 0x61, 0, 0), Buffer.of(3, 0, 0, 0, 0)],
  sample: sampled(record, ({ flags, incarnation, sequence, ops }) => {
    const interests = new InterestSet();
    for (const { add, interest } of ops) if (add) interests.set(interest);
    const { proof, bytes } = signDelta(keys, incarnation, sequence, interests, ops);
    const body = (flags & HEAD) === 0 ? bytes : encodeHead(proof, interests);
    return Buffer.concat([Buffer.of(flags), body]);
  }),
  quick: 15_000,
  run: (input) => {
    const flags = input[0] ?? 0;
    const bytes = mended(Buffer.from(input.subarray(1)), flags);
    if ((flags & HEAD) !== 0) {
      const head = unlessRefused([RouteError], () => decodeHead(bytes, keys, INTERESTS_MAX));
      if (!head) return false;
      assert.equal(head.value.digests.length, BUCKETS * DIGEST_BYTES);
      assert(head.value.proof.count <= INTERESTS_MAX);
      return true;
    }
    const delta = unlessRefused([RouteError], () => decodeDelta(bytes, keys, OPS_MAX));
    if (!delta) return false;
    checkOps(delta.value);
    return true;
  },
};

function checkOps({ proof, ops }: ReturnType<typeof decodeDelta>): void {
  assert(ops.length <= OPS_MAX);
  const interests = new InterestSet();
  for (const { add, interest } of ops) {
    const { filter, group } = interest;
    assert(bucketOf(interestKey(filter, group)) < BUCKETS);
    if (add) interests.set(interest);
    else interests.delete(filter, group);
  }
  assert.equal(interests.root().length, DIGEST_BYTES);
  // Whoever passes it on as changes of its own says the same.
  const again = decodeDelta(
    signDelta(keys, proof.incarnation, proof.sequence, interests, ops).bytes,
    keys,
    OPS_MAX,
  );
  assert.deepEqual(plain(again.ops), plain(ops));
}

/** As whoever holds the key could have sent it. */
function mended(bytes: Buffer, flags: number): Buffer {
  if (bytes.length < 3) return bytes;
  const end = 3 + bytes.readUInt16BE(1) + 20 + 2 * DIGEST_BYTES;
  const rest = bytes.subarray(end + SIGNATURE_BYTES);
  if (bytes.length < end + SIGNATURE_BYTES) return bytes;
  if ((flags & RIGHT_DIGEST) !== 0)
    bytes.set(digestOf(rest), (flags & HEAD) === 0 ? end - DIGEST_BYTES : end - 2 * DIGEST_BYTES);
  if ((flags & RIGHT_SIGNATURE) !== 0) {
    const node = bytes.toString('utf8', 3, end - 20 - 2 * DIGEST_BYTES);
    bytes.set(signingKeys(node).sign(bytes.subarray(0, end)), end);
  }
  return bytes;
}
