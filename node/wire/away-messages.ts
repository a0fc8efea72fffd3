// The bytes of what meshers tell each other of members that are away. The signed text is of the member itself (core/away.ts), opaque
// here.
//
//   members-away := count:uint (signed:text signature:text awayMs:uint){count}

import { invariant } from '../core/errors.ts';
import { HEADS_MAX, MEMBER_BYTES_MAX } from '../core/limits.ts';
import type { MembersAway } from '../core/messages.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';

/** An Ed25519 signature has 86 characters. */
const SIGNATURE_BYTES_MAX = 1024;
const MEMBER_BYTES_MIN = 3;

export function writeAway(writer: ByteWriter, { members }: MembersAway): void {
  invariant(members.length <= HEADS_MAX, `${members.length} members in one message`);
  writer.uint(members.length);
  for (const { signed, signature, awayMs } of members) {
    writer.text(signed);
    writer.text(signature);
    writer.uint(awayMs);
  }
}

export function readAway(reader: ByteReader): MembersAway {
  const members: MembersAway['members'][number][] = [];
  for (let left = reader.count(HEADS_MAX, MEMBER_BYTES_MIN); left > 0; left--) {
    const signed = reader.text(MEMBER_BYTES_MAX);
    const signature = reader.text(SIGNATURE_BYTES_MAX);
    members.push({ signed, signature, awayMs: reader.uint() });
  }
  return { kind: 'members-away', members };
}

/** Bytes that it takes, roughly. */
export function estimateAway({ members }: MembersAway): number {
  return members.reduce((sum, { signed, signature }) => sum + signed.length + signature.length + 16, 16);
}
