// What a mesher sends over /v1/ws, as a client decodes it: what was decoded, encoded and decoded again is the same.

import assert from 'node:assert/strict';
import { splitBatch } from '../../../bridge/ws/frames/batch.ts';
import { encodeDeliver, type DeliverFrame } from '../../../bridge/ws/frames/deliver-frame.ts';
import {
  decodeMesherFrame,
  encodeAccepted,
  encodeClosed,
  encodeRefused,
  encodeReport,
  encodeSettled,
  encodeWelcome,
  type MesherFrame,
} from '../../../bridge/ws/frames/mesher-frames.ts';
import { encodeRecord } from '../../../node/core/event-record.ts';
import { WireError } from '../../../node/wire/wire-error.ts';
import { anyMesherBytes } from '../../unit/bridge/ws/arbitraries.ts';
import { plain, sampled, type Target, unlessRefused } from '../target.ts';

export const target: Target = {
  name: 'mesher-frames',
  shape: 'bytes',
  bytesMax: 4_096,
  dictionary: [
    '"retryable":true',
    '"destinations":{}',
    '{}',
    '[]',
    Buffer.of(0x85),
    Buffer.of(0x81),
    '__proto__',
  ],
  sample: sampled(anyMesherBytes, (bytes) => bytes),
  quick: 25_000,
  run: (input) => {
    const decoded = unlessRefused([WireError], () => decodeMesherFrame(input));
    if (!decoded) return false;
    const again = encodedAgain(decoded.value);
    if (again) assert.deepEqual(plain(decodeMesherFrame(again)), plain(decoded.value));
    return true;
  },
};

/** Undefined: a DELIVER whose batch does not hold what it says, or whose columns name what it never uses. */
function encodedAgain(frame: MesherFrame): Uint8Array | undefined {
  switch (frame.kind) {
    case 'welcome':
      return encodeWelcome(frame.welcome);
    case 'accepted':
      return encodeAccepted(frame.requests);
    case 'report':
      return encodeReport(frame.request, frame.results);
    case 'refused':
      return encodeRefused(frame.request, frame.problem);
    case 'settled':
      return encodeSettled(frame.request, frame.stale);
    case 'closed':
      return encodeClosed(frame.stream, frame.problem);
    case 'deliver': {
      checkDeliveries(frame);
      return undefined;
    }
  }
}

/** Tables need not be in the encoder's order, so that it is the deliveries that are compared. */
function checkDeliveries(frame: DeliverFrame): void {
  const split = unlessRefused([WireError], () => splitBatch(frame.batch, frame.count));
  const deliveries = deliveriesOf(frame, split?.value ?? []);
  const again = decodeMesherFrame(encodeDeliver(frame.stream, frame.first, deliveries));
  assert(again.kind === 'deliver');
  const described = (each: DeliverFrame, count: number): unknown =>
    Array.from({ length: count }, (_, i) => [
      each.topics[each.topicOf[i] ?? -1],
      each.origins[each.originOf[i] ?? -1],
      each.sequences[i],
      each.acceptedAts[i],
      each.attempts[i],
      each.deadLetters.get(i),
    ]);
  assert.deepEqual(described(again, deliveries.length), described(frame, deliveries.length));
}

function deliveriesOf(frame: DeliverFrame, events: readonly Uint8Array[]) {
  return events.slice(0, frame.count).map((cloudEvent, i) => {
    const { node = '', incarnation = 0, path = [] } = frame.origins[frame.originOf[i] ?? -1] ?? {};
    const topic = frame.topics[frame.topicOf[i] ?? -1] ?? '';
    const event = { topic, expiresAt: 0, key: '', hash: 0, cloudEvent };
    const sequence = frame.sequences[i] ?? 0;
    const acceptedAt = frame.acceptedAts[i] ?? 0;
    const deadLetter = frame.deadLetters.get(i);
    const from = { origin: node, incarnation, sequence, acceptedAt, path, deadLetter };
    return { event: encodeRecord(event, from), attempt: frame.attempts[i] ?? 0 };
  });
}
