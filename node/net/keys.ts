// The mesher's Ed25519 key, which is its identity: a PKCS#8 PEM file in the data directory, made at the first start.
// Whoever can read the file can be this mesher; whoever loses it has a new mesher. It never leaves this folder.

import {
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  sign,
  verify,
} from 'node:crypto';
import { link, mkdir, open, readFile, rename, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { privateKeyFromRaw } from '@libp2p/crypto/keys';
import type { PrivateKey } from '@libp2p/interface';
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id';
import { MeshError } from '../core/errors.ts';
import type { NodeId } from '../core/event.ts';
import type { Keys } from '../core/ports.ts';

export const KEY_FILE = 'node.key';
/** Public keys kept decoded. Above: the one longest unused is dropped; decoding costs some 50 µs. */
const PUBLIC_KEYS_MAX = 4096;
/** DER of a SubjectPublicKeyInfo for Ed25519 up to the 32 bytes of the key (RFC 8410 §4). */
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** `Keys` and the same key in libp2p's form. */
export interface NodeKeys extends Keys {
  readonly libp2pKey: PrivateKey;
}

/** Loads the key of the data directory, or makes one. Throws `invalid-config` or `storage-failed`, naming the file. */
export async function loadOrCreateKeys(dataDirectory: string): Promise<NodeKeys> {
  const path = join(dataDirectory, KEY_FILE);
  const pem = (await readKeyFile(path)) ?? (await createKeyFile(path));
  let key: KeyObject;
  try {
    key = createPrivateKey(pem);
  } catch (cause) {
    throw new MeshError(
      'invalid-config',
      `${path} holds no private key. Restore it, or remove it to become a new node.`,
      {
        cause,
      },
    );
  }
  if (key.asymmetricKeyType !== 'ed25519') {
    throw new MeshError(
      'invalid-config',
      `${path} holds a key of type ${key.asymmetricKeyType ?? '?'}, not Ed25519.`,
    );
  }
  return keysFrom(key);
}

/** The mesher of this key is no more: the next start makes another. The old key is kept, under another name. */
export async function retireKeys(dataDirectory: string, node: NodeId): Promise<void> {
  const path = join(dataDirectory, KEY_FILE);
  await rename(path, `${path}.taken-over-${node}`);
}

/** A key that is nowhere on disk: for tests and one-off commands. */
export function ephemeralKeys(): NodeKeys {
  return keysFrom(generateKeyPairSync('ed25519').privateKey);
}

function keysFrom(key: KeyObject): NodeKeys {
  const { d, x } = key.export({ format: 'jwk' });
  const raw = Buffer.concat([Buffer.from(d ?? '', 'base64url'), Buffer.from(x ?? '', 'base64url')]);
  const libp2pKey = privateKeyFromRaw(raw);
  const publicKeys = new Map<NodeId, KeyObject>();
  return {
    node: peerIdFromPrivateKey(libp2pKey).toString(),
    libp2pKey,
    sign: (bytes) => sign(null, bytes, key),
    verify: (node, bytes, signature) => {
      const publicKey = publicKeys.get(node) ?? publicKeyOf(node);
      if (!publicKey || signature.length !== 64) return false;
      publicKeys.delete(node);
      publicKeys.set(node, publicKey); // now the youngest
      if (publicKeys.size > PUBLIC_KEYS_MAX) {
        for (const oldest of publicKeys.keys()) {
          publicKeys.delete(oldest);
          break;
        }
      }
      return verify(null, bytes, publicKey, signature);
    },
  };
}

/** Undefined for a text that is no peer id with an Ed25519 key in it. */
function publicKeyOf(node: NodeId): KeyObject | undefined {
  try {
    const peer = peerIdFromString(node);
    // One key has one id: other spellings of it (CIDs) are no node ids.
    if (peer.type !== 'Ed25519' || peer.toString() !== node) return undefined;
    return createPublicKey({
      key: Buffer.concat([SPKI_PREFIX, peer.publicKey.raw]),
      format: 'der',
      type: 'spki',
    });
  } catch {
    return undefined; // no peer id: whoever asks gets "not signed by this node"
  }
}

async function readKeyFile(path: string): Promise<Buffer | undefined> {
  try {
    return await readFile(path);
  } catch (cause) {
    if (isCode(cause, 'ENOENT')) return undefined;
    throw new MeshError('storage-failed', `The key file ${path} cannot be read: ${reasonOf(cause)}.`, {
      cause,
    });
  }
}

/** Whole or not at all: written and synced beside, then linked; where another process was first, its key counts. */
async function createKeyFile(path: string): Promise<Buffer> {
  const pem = Buffer.from(generateKeyPairSync('ed25519').privateKey.export({ format: 'pem', type: 'pkcs8' }));
  const folder = dirname(path);
  const temporary = `${path}.${Buffer.from(crypto.getRandomValues(new Uint8Array(6))).toString('hex')}.tmp`;
  try {
    await mkdir(folder, { recursive: true });
    const file = await open(temporary, 'wx', 0o600);
    try {
      await file.writeFile(pem);
      await file.sync();
    } finally {
      await file.close();
    }
    try {
      await link(temporary, path);
    } catch (error) {
      if (!isCode(error, 'EEXIST')) throw error;
      return await readFile(path);
    } finally {
      await unlink(temporary);
    }
    await syncFolder(folder);
    return pem;
  } catch (cause) {
    throw new MeshError('storage-failed', `The key file ${path} cannot be written: ${reasonOf(cause)}.`, {
      cause,
    });
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function isCode(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}

function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
