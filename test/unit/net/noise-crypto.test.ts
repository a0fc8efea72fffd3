import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { pureJsCrypto } from '@libp2p/noise';
import { noiseCrypto } from '../../../node/net/noise-crypto.ts';

const ours = noiseCrypto();
const theirs = pureJsCrypto;
const NONCE = Buffer.from('000000000100000000000000', 'hex');

function same(a: { subarray(): Uint8Array }, b: { subarray(): Uint8Array }): void {
  assert.equal(Buffer.from(a.subarray()).toString('hex'), Buffer.from(b.subarray()).toString('hex'));
}

test('hashes and derives keys as the library does', () => {
  const [key, input] = [randomBytes(32), randomBytes(32)];
  same(ours.hashSHA256(input), theirs.hashSHA256(input));
  for (const each of [input, Buffer.of()]) {
    const [mine, others] = [ours.getHKDF(key, each), theirs.getHKDF(key, each)];
    for (const i of [0, 1, 2] as const) same(mine[i], others[i]);
  }
});

test('agrees on a secret with the library, both ways', () => {
  const [mine, other] = [ours.generateX25519KeyPair(), theirs.generateX25519KeyPair()];
  same(
    ours.generateX25519SharedKey(mine.privateKey, other.publicKey),
    theirs.generateX25519SharedKey(other.privateKey, mine.publicKey),
  );
  const seed = randomBytes(32);
  same(
    ours.generateX25519KeyPairFromSeed(seed).publicKey,
    theirs.generateX25519KeyPairFromSeed(seed).publicKey,
  );
});

for (const length of [0, 12, 65_519]) {
  test(`what one seals the other opens: ${length} bytes`, () => {
    const [key, additional, text] = [randomBytes(32), randomBytes(5), randomBytes(length)];
    const sealed = ours.chaCha20Poly1305Encrypt(text, NONCE, additional, key).subarray();
    same(sealed, theirs.chaCha20Poly1305Encrypt(text, NONCE, additional, key));
    same(text, ours.chaCha20Poly1305Decrypt(sealed, NONCE, additional, key));
  });
}

test('refuses what was changed', () => {
  const [key, additional] = [randomBytes(32), Buffer.of()];
  const sealed = Buffer.from(
    ours.chaCha20Poly1305Encrypt(Buffer.from('text'), NONCE, additional, key).subarray(),
  );
  for (let i = 0; i < sealed.length; i++) {
    const changed = Buffer.from(sealed);
    changed[i] = (changed[i] ?? 0) ^ 1;
    assert.throws(() => ours.chaCha20Poly1305Decrypt(changed, NONCE, additional, key), `byte ${i}`);
  }
});
