import assert from 'node:assert/strict';
import { createPrivateKey, generateKeyPairSync } from 'node:crypto';
import { chmod, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { peerIdFromPrivateKey } from '@libp2p/peer-id';
import { MeshError, type ErrorCode } from '../../../node/core/errors.ts';
import { ephemeralKeys, KEY_FILE, loadOrCreateKeys } from '../../../node/net/keys.ts';

const BYTES = Buffer.from('what is signed');

test('the key is made once, for its owner only, and is the same ever after', async (t) => {
  const folder = join(await temporaryFolder(t), 'not', 'there', 'yet');
  const first = await loadOrCreateKeys(folder);
  const second = await loadOrCreateKeys(folder);
  assert.equal(second.node, first.node);
  assert.equal((await stat(join(folder, KEY_FILE))).mode & 0o777, 0o600);
  assert.deepEqual(await readdir(folder), [KEY_FILE], 'nothing is left over');
});

test('of many that make it at once, all have the same', async (t) => {
  const folder = await temporaryFolder(t);
  const all = await Promise.all(Array.from({ length: 10 }, () => loadOrCreateKeys(folder)));
  assert.equal(new Set(all.map((keys) => keys.node)).size, 1);
  assert.deepEqual(await readdir(folder), [KEY_FILE]);
});

test('the node id is the peer id that libp2p derives from the same key', () => {
  const keys = ephemeralKeys();
  assert.match(keys.node, /^12D3KooW/);
  assert.equal(peerIdFromPrivateKey(keys.libp2pKey).toString(), keys.node);
});

test('what one signs, all others can verify, and libp2p too', async () => {
  const [a, b] = [ephemeralKeys(), ephemeralKeys()];
  const signature = a.sign(BYTES);
  assert(b.verify(a.node, BYTES, signature));
  assert(b.verify(a.node, BYTES, signature), 'again, from the cache');
  assert(await a.libp2pKey.publicKey.verify(BYTES, signature));
  assert.deepEqual(Buffer.from(await a.libp2pKey.sign(BYTES)), Buffer.from(signature));
});

test('wrong signatures and wrong ids are false, never an error', () => {
  const [a, b] = [ephemeralKeys(), ephemeralKeys()];
  const signature = a.sign(BYTES);
  const flipped = Buffer.from(signature);
  flipped[5] = (flipped[5] ?? 0) ^ 1;
  assert(!b.verify(a.node, BYTES, flipped));
  assert(!b.verify(b.node, BYTES, signature));
  assert(!b.verify(a.node, Buffer.from('something else'), signature));
  for (const length of [0, 63, 65]) assert(!b.verify(a.node, BYTES, Buffer.alloc(length)));
  const cid = peerIdFromPrivateKey(a.libp2pKey).toCID().toString();
  for (const node of ['', 'x', '12D3KooW', `${a.node}x`, a.node.slice(0, -1), ` ${a.node}`, cid]) {
    assert(!b.verify(node, BYTES, signature), node);
  }
});

test('a file that holds no key, or another kind of key, is named in the error', async (t) => {
  const folder = await temporaryFolder(t);
  const path = join(folder, KEY_FILE);
  const rsa = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({
    format: 'pem',
    type: 'pkcs8',
  });
  for (const content of ['', 'no key', rsa]) {
    await writeFile(path, content);
    await rejects(loadOrCreateKeys(folder), 'invalid-config', path);
    assert.equal(await readFile(path, 'utf8'), String(content), 'it is left as it is');
  }
});

test('a path that cannot be read or written is named in the error', async (t) => {
  const folder = await temporaryFolder(t);
  const file = join(folder, 'file');
  await writeFile(file, '');
  await rejects(loadOrCreateKeys(file), 'storage-failed', file);
  await loadOrCreateKeys(folder);
  await chmod(join(folder, KEY_FILE), 0o000);
  const isReadable = await readFile(join(folder, KEY_FILE)).then(
    () => true,
    () => false,
  );
  if (!isReadable) await rejects(loadOrCreateKeys(folder), 'storage-failed', KEY_FILE); // root reads everything
});

test('the file is a PKCS#8 PEM that other tools read', async (t) => {
  const folder = await temporaryFolder(t);
  await loadOrCreateKeys(folder);
  assert.equal(createPrivateKey(await readFile(join(folder, KEY_FILE))).asymmetricKeyType, 'ed25519');
});

async function temporaryFolder(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'causeway-keys-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

async function rejects(promise: Promise<unknown>, code: ErrorCode, named: string): Promise<void> {
  await assert.rejects(
    promise,
    (error) => error instanceof MeshError && error.code === code && error.message.includes(named),
  );
}
