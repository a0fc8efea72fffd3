// The bytes of what meshers of a cluster say to each other about copies of their journals.
//
//   copy-open            := incarnation:uint
//   copy-ready, copy-ack := place
//   copy-start           := incarnation:uint batch:uint nextBlock:uint
//   copy-batch           := incarnation:uint batch:uint part:uint last:u8 nextBlock:uint content:bytes
//   copy-range           := incarnation:uint from:text to:text content:bytes
//   copy-drop            :=
//   copy-held            := answer:u8 owner:text place
//   place                := incarnation:uint batch:uint cursor:text hasPast:u8
//
// What the content is, the journals at both ends know (node/journal/copy-content.ts).

import type { CopyAck, CopyBatch, CopyHeld, CopyRange, CopyStart } from '../core/messages.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import { NODE_BYTES_MAX } from './route-messages.ts';

/** A rank and the longest key in hex: of a subscription or a mark, whose names have bounds of their own below this. */
const CURSOR_BYTES_MAX = 4096;

type Place = Pick<CopyAck, 'incarnation' | 'batch' | 'cursor' | 'hasPast'>;

export function writePlace(writer: ByteWriter, { incarnation, batch, cursor, hasPast }: Place): void {
  writer.uint(incarnation);
  writer.uint(batch);
  writer.text(cursor);
  writer.byte(hasPast ? 1 : 0);
}

export function readPlace(reader: ByteReader): Place {
  return {
    incarnation: reader.uint(),
    batch: reader.uint(),
    cursor: reader.text(CURSOR_BYTES_MAX),
    hasPast: reader.flag(),
  };
}

export function writeHeld(writer: ByteWriter, message: CopyHeld): void {
  writer.byte(message.answer ? 1 : 0);
  writer.text(message.owner);
  writePlace(writer, message);
}

export function readHeld(reader: ByteReader): CopyHeld {
  return {
    kind: 'copy-held',
    answer: reader.flag(),
    owner: reader.text(NODE_BYTES_MAX),
    ...readPlace(reader),
  };
}

export function writeStart(writer: ByteWriter, { incarnation, batch, nextBlock }: CopyStart): void {
  writer.uint(incarnation);
  writer.uint(batch);
  writer.uint(nextBlock);
}

export function readStart(reader: ByteReader): CopyStart {
  return { kind: 'copy-start', incarnation: reader.uint(), batch: reader.uint(), nextBlock: reader.uint() };
}

export function writeBatch(writer: ByteWriter, message: CopyBatch): void {
  writer.uint(message.incarnation);
  writer.uint(message.batch);
  writer.uint(message.part);
  writer.byte(message.last ? 1 : 0);
  writer.uint(message.nextBlock);
  writer.bytes(message.content);
}

export function readBatch(reader: ByteReader): CopyBatch {
  return {
    kind: 'copy-batch',
    incarnation: reader.uint(),
    batch: reader.uint(),
    part: reader.uint(),
    last: reader.flag(),
    nextBlock: reader.uint(),
    content: reader.bytes(),
  };
}

export function writeRange(writer: ByteWriter, message: CopyRange): void {
  writer.uint(message.incarnation);
  writer.text(message.from);
  writer.text(message.to);
  writer.bytes(message.content);
}

export function readRange(reader: ByteReader): CopyRange {
  return {
    kind: 'copy-range',
    incarnation: reader.uint(),
    from: reader.text(CURSOR_BYTES_MAX),
    to: reader.text(CURSOR_BYTES_MAX),
    content: reader.bytes(),
  };
}
