// The stream of a link: frames, whatever the chunks they come in, and the messages in them, events with their directives and
// records included. The first byte says how the stream is cut.

import assert from 'node:assert/strict';
import { KnownHeaders } from '../../../node/core/event-record.ts';
import { FrameReader, frameHeader } from '../../../node/wire/frames.ts';
import { decodeMessage, encodeMessage } from '../../../node/wire/link-messages.ts';
import { WireError } from '../../../node/wire/wire-error.ts';
import { linkMessage } from '../../unit/wire/arbitraries.ts';
import { plain, sampled, type Target, unlessRefused } from '../target.ts';

const FRAME_BYTES_MAX = 8_192;
const framesOf = sampled(linkMessage, encodeMessage);

export const target: Target = {
  name: 'link-frames',
  shape: 'bytes',
  bytesMax: 12_288,
  dictionary: Array.from({ length: 25 }, (_, kind) => Buffer.of(0, 0, 0, 20, kind)),
  sample: (chance) => {
    const parts: Uint8Array[] = [Buffer.of(chance.below(256))];
    for (let left = 1 + chance.below(3); left > 0; left--) {
      const body = framesOf(chance);
      parts.push(frameHeader(body.length), body);
    }
    return Buffer.concat(parts);
  },
  quick: 10_000,
  run: (input) => {
    const stream = input.subarray(1);
    const bodies = read(stream, stream.length);
    assert.deepEqual(
      read(stream, 1 + (input[0] ?? 0)).map(plain),
      bodies.map(plain),
      'frames do not depend on how the stream is cut',
    );
    // As on a link: what is remembered of one message serves the next, and changes nothing.
    const known = new KnownHeaders();
    let taken = bodies.length > 0;
    for (const body of bodies) {
      const alone = unlessRefused([WireError], () => decodeMessage(body));
      const among = unlessRefused([WireError], () => decodeMessage(body, known));
      assert.deepEqual(plain(among), plain(alone), 'what was remembered changes nothing');
      if (!alone) {
        taken = false;
        continue;
      }
      const bytes = encodeMessage(alone.value);
      const again = decodeMessage(bytes);
      assert.deepEqual(plain(again), plain(alone.value), 'decoded, encoded and decoded again it is the same');
      assert.deepEqual(Buffer.from(encodeMessage(again)), Buffer.from(bytes), 'one message has one encoding');
    }
    return taken;
  },
};

/** Complete frames up to the first bad one. */
function read(stream: Uint8Array, chunkBytes: number): Uint8Array[] {
  const reader = new FrameReader(FRAME_BYTES_MAX);
  const bodies: Uint8Array[] = [];
  unlessRefused([WireError], () => {
    for (let at = 0; at < stream.length; at += chunkBytes) {
      for (const body of reader.push(stream.subarray(at, at + chunkBytes))) bodies.push(body);
      assert(reader.heldBytes <= FRAME_BYTES_MAX + 4, 'no more is held than a frame');
    }
  });
  return bodies;
}
