// Reads what others wrote: member records and settings, checked for shape and size. Signatures are the mesher's business;
// what is checked here is that the registry holds nothing that would break a reader. Unknown fields are kept, because a
// newer mesher may have written them.

import { Type } from 'typebox';
import { Compile } from 'typebox/compile';
import { MeshError } from '../node/core/errors.ts';
import type { MemberRecord } from '../node/core/ports.ts';
import { federationPattern, REGISTRY_LIMITS } from './limits.ts';

export const federationSchema = Type.String({ pattern: federationPattern });
export const nodeSchema = Type.String({ minLength: 1, maxLength: 128 });
export const revisionSchema = Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER });

export const memberSchema = Type.Object({
  federation: federationSchema,
  cluster: Type.String({ maxLength: 256 }),
  node: nodeSchema,
  incarnation: revisionSchema,
  addresses: Type.Array(Type.String({ maxLength: 1024 }), { maxItems: 64 }),
  http: Type.String({ maxLength: 2048 }),
  labels: Type.Record(Type.String(), Type.String()),
  version: Type.String({ maxLength: 256 }),
  signature: Type.String({ maxLength: 1024 }),
});

const memberCheck = Compile(memberSchema);

/** The record in this text, or undefined if it is none. */
export function parseMember(text: string): MemberRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    // Not JSON: no record.
    return undefined;
  }
  return isMember(value) ? value : undefined;
}

export function isMember(value: unknown): value is MemberRecord {
  return memberCheck.Check(value);
}

/** The record as text, within bounds; else `invalid-request`. */
export function encodeMember(record: MemberRecord): string {
  const text = JSON.stringify(record);
  if (!memberCheck.Check(record)) {
    const first = memberCheck.Errors(record)[0];
    const where = first === undefined ? '' : ` at ${first.instancePath || '/'} (${first.message})`;
    throw new MeshError('invalid-request', `The member record is malformed${where}.`);
  }
  const bytes = Buffer.byteLength(text);
  if (bytes > REGISTRY_LIMITS.recordBytesMax) {
    throw new MeshError(
      'invalid-request',
      `The member record has ${String(bytes)} bytes; ${String(REGISTRY_LIMITS.recordBytesMax)} are allowed. Use fewer or shorter labels and addresses.`,
    );
  }
  return text;
}

/** Rejects keys and values that some implementation could not give back as they were. */
export function checkSettingKey(key: string): void {
  checkText('key', key, REGISTRY_LIMITS.settingKeyBytesMax);
  if (key === '') throw new MeshError('invalid-request', 'A setting needs a key that is not empty.');
}

export function checkSettingPrefix(prefix: string): void {
  checkText('prefix', prefix, REGISTRY_LIMITS.settingKeyBytesMax);
}

export function checkSetting(key: string, value: string, expected: number): void {
  checkSettingKey(key);
  checkText('value', value, REGISTRY_LIMITS.settingValueBytesMax);
  checkExpected(expected);
}

export function checkExpected(expected: number): void {
  if (Number.isSafeInteger(expected) && expected >= 0) return;
  throw new MeshError('invalid-request', 'The expected revision must be a whole number, 0 for a new key.');
}

function checkText(what: string, text: string, bytesMax: number): void {
  if (!text.isWellFormed()) {
    throw new MeshError(
      'invalid-request',
      `The setting's ${what} holds half of a surrogate pair, which is no text.`,
    );
  }
  if (Buffer.byteLength(text) > bytesMax) {
    throw new MeshError(
      'invalid-request',
      `The setting's ${what} may have at most ${String(bytesMax)} bytes.`,
    );
  }
}
