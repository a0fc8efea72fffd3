import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CorruptionError, seal, unseal } from '../../../node/journal/bytes.ts';

const key = Buffer.from('key');
/** A sealed value with this body. */
const sealed = (...body: number[]): Buffer => seal(key, Buffer.from([0, ...body, 0, 0, 0, 0]));

test('what the checksum lets pass and the grammar does not is corruption, with its cause', () => {
  for (const [value, why] of [
    [sealed(), /1 bytes wanted, 0 are left/],
    [sealed(0x80, 0x00), /shortest/],
    [sealed(0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), /53 bits/],
  ] as const) {
    assert.throws(
      () => unseal(key, value).varint(),
      (error) => error instanceof CorruptionError && why.test(error.message) && error.cause instanceof Error,
    );
  }
  assert.throws(() => unseal(key, sealed(2, 0x61)).text(), CorruptionError);
  assert.throws(() => unseal(key, sealed(1, 0xff)).text(), CorruptionError);
  assert.throws(() => unseal(key, sealed(1)).end(), CorruptionError);
  assert.throws(() => unseal(key, sealed(3)).count(1, 2, 'pieces'), /3 pieces/);
});
