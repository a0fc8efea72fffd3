// What a client sends over /v1/ws. A frame that is taken is encoded to the very bytes that came: one frame, one encoding.

import assert from 'node:assert/strict';
import { splitBatch } from '../../../bridge/ws/frames/batch.ts';
import {
  decodeClientFrame,
  encodeClose,
  encodeCredit,
  encodeOpen,
  encodePublishBatch,
  encodeSettle,
  frameName,
  type ClientFrame,
} from '../../../bridge/ws/frames/client-frames.ts';
import { FRAME_EVENTS_MAX } from '../../../bridge/ws/frames/bounds.ts';
import { mergedRanges } from '../../../bridge/ws/frames/ranges.ts';
import { WireError } from '../../../node/wire/wire-error.ts';
import { anyClientBytes } from '../../unit/bridge/ws/arbitraries.ts';
import { sampled, type Target, unlessRefused } from '../target.ts';

export const target: Target = {
  name: 'client-frames',
  shape: 'bytes',
  bytesMax: 4_096,
  dictionary: [Buffer.of(1), Buffer.of(2), Buffer.of(3), Buffer.of(4), Buffer.of(5), 'a/b', '#'],
  sample: sampled(anyClientBytes, (bytes) => bytes),
  quick: 40_000,
  run: (input) => {
    frameName(input);
    const decoded = unlessRefused([WireError], () => decodeClientFrame(input));
    if (!decoded) return false;
    assert.deepEqual(Buffer.from(encoded(decoded.value)), Buffer.from(input), 'it is encoded as it came');
    return true;
  },
};

function encoded(frame: ClientFrame): Uint8Array {
  switch (frame.kind) {
    case 'publish': {
      const split = unlessRefused([WireError], () => splitBatch(frame.batch, FRAME_EVENTS_MAX));
      for (const event of split?.value ?? []) assert(event.length <= frame.batch.length);
      return encodePublishBatch(frame, frame.batch);
    }
    case 'open':
      return encodeOpen(frame);
    case 'credit':
      return encodeCredit(frame.stream, frame.count);
    case 'settle': {
      const ranges = frame.settlements.flatMap((each) => each.ranges);
      const named = ranges.reduce((sum, { count }) => sum + count, 0);
      assert(mergedRanges(ranges).reduce((sum, { count }) => sum + count, 0) <= named);
      return encodeSettle(frame.stream, frame.request, frame.settlements);
    }
    case 'close':
      return encodeClose(frame.stream);
  }
}
