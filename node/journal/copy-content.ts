// What goes from a journal to a copy of it: keys and values as they lie on disk, so that a copy decodes nothing.
//
//   content := change*
//   change  := 0 key:bytes value:bytes | 1 key:bytes | 2 key:bytes      put, delete, drop the queue of this key
//
// Only the kinds that are copied (copy-order.ts) are taken from another mesher: nobody writes into what is a journal's own.

import type { JournalOp } from '../core/ports.ts';
import { ByteReader } from '../wire/byte-reader.ts';
import { ByteWriter } from '../wire/byte-writer.ts';
import { WireError } from '../wire/wire-error.ts';
import { CorruptionError } from './bytes.ts';
import * as codec from './codec.ts';
import { isCopiedKey } from './copy-order.ts';
import * as keys from './keys.ts';
import { changesOf, del, type Change } from './level-changes.ts';

export type CopyChange = Change | { readonly type: 'drop-queue'; readonly queue: number };

/** Room that most batches fill; it grows. */
const WRITER_BYTES = 64 * 1024;
const PUT = 0;
const DELETE = 1;
const DROP_QUEUE = 2;

/** The changes of these ops, in pieces of about `pieceBytes`: at least one, and none without a change but an only one. */
export function encodeOps(ops: readonly JournalOp[], pieceBytes: number): Buffer[] {
  const pieces: Buffer[] = [];
  const newWriter = (): ByteWriter => new ByteWriter(Math.min(pieceBytes, WRITER_BYTES));
  let writer = newWriter();
  const add = (change: CopyChange): void => {
    if (writer.length >= pieceBytes) {
      pieces.push(bufferOf(writer));
      writer = newWriter();
    }
    writeChange(writer, change);
  };
  for (const op of ops) for (const change of changesOfOp(op)) add(change);
  pieces.push(bufferOf(writer));
  return pieces;
}

/** What one op puts and deletes. */
export function changesOfOp(op: JournalOp): readonly CopyChange[] {
  if (op.op === 'drop-queue') return [{ type: 'drop-queue', queue: op.queue }];
  if (op.op !== 'block') return changesOf(op);
  const key = keys.blockKey(op.block);
  const value = codec.encodeBlock(key, op.events);
  const head = keys.headKey(op.block);
  return [
    { type: 'put', key, value },
    { type: 'put', key: head, value: codec.encodeHead(head, op.events.length, value.length) },
  ];
}

export function encodePuts(puts: readonly (readonly [key: Buffer, value: Buffer])[]): Buffer {
  const writer = new ByteWriter(puts.reduce((sum, [key, value]) => sum + key.length + value.length + 8, 1));
  for (const [key, value] of puts) writeChange(writer, { type: 'put', key, value });
  return bufferOf(writer);
}

function writeChange(writer: ByteWriter, change: CopyChange): void {
  if (change.type === 'put') {
    writer.byte(PUT);
    writer.bytes(change.key);
    writer.bytes(change.value);
  } else if (change.type === 'del') {
    writer.byte(DELETE);
    writer.bytes(change.key);
  } else {
    writer.byte(DROP_QUEUE);
    writer.bytes(keys.queueKey(change.queue));
  }
}

/** Keys and values are views of `content`. Throws CorruptionError only. */
export function decodeContent(content: Uint8Array): CopyChange[] {
  const reader = new ByteReader(content);
  const changes: CopyChange[] = [];
  try {
    while (reader.left > 0) {
      const type = reader.byte();
      const key = bufferAt(reader.bytes());
      if (!isCopiedKey(key))
        throw new CorruptionError(`key ${key.toString('hex', 0, 32)} is not one of a copy`);
      if (type === PUT) changes.push({ type: 'put', key, value: bufferAt(reader.bytes()) });
      else if (type === DELETE) changes.push(del(key));
      else if (type === DROP_QUEUE) {
        const queue = keys.queueOfKey(key);
        if (queue === undefined) throw new CorruptionError('a queue without a number');
        changes.push({ type: 'drop-queue', queue });
      } else throw new CorruptionError(`change ${type}`);
    }
  } catch (error) {
    if (error instanceof WireError) throw new CorruptionError(error.message, { cause: error });
    throw error;
  }
  return changes;
}

function bufferOf(writer: ByteWriter): Buffer {
  return bufferAt(writer.finish());
}

function bufferAt({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
