// What meshers send each other about routes, computed from the encodings of the messages: the formulas by which docs/performance.md
// goes beyond what a machine can simulate. The simulation holds them to what whole cores send.

import { BUCKETS, InterestSet } from '../../../node/core/interest-set.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import type { Interest, LinkMessage } from '../../../node/core/messages.ts';
import { encodeHead, signDelta } from '../../../node/core/route-record.ts';
import { TIMING } from '../../../node/core/timing.ts';
import { FRAME_HEADER_BYTES } from '../../../node/wire/frames.ts';
import { encodeMessage } from '../../../node/wire/link-messages.ts';
import { signingKeys } from '../../unit/core/signing-keys.ts';
import { peerId } from '../matching/topic-shapes.ts';

/** A number of five bytes, as incarnations and digests have. */
const LARGE = 1_310_720_000;
const SECOND_MS = 1_000;
/** The registry is listed again after this time on average: it is drawn from one to two times the setting. */
const RELIST_MS = TIMING.relistEveryMs * 1.5;

function bytesOf(message: LinkMessage): number {
  return encodeMessage(message).length + FRAME_HEADER_BYTES;
}

/** One message that names the version of every record. */
export function headsBytes(records: number, sequence = 100): number {
  const head = (i: number) => ({ node: peerId(i), incarnation: LARGE, sequence, digest: LARGE });
  const empty = bytesOf({ kind: 'route-heads', answer: false, heads: [] });
  const one = bytesOf({ kind: 'route-heads', answer: false, heads: [head(1)] }) - empty;
  return empty + records * one + (records < 0x80 ? 0 : 1);
}

export interface RestBytes {
  readonly probes: number;
  readonly exchanges: number;
}

/** Sent by one mesher in a second when nothing changes. */
export function restBytes(meshers: number): RestBytes {
  const probe = bytesOf({ kind: 'ping', sentAt: 1 });
  return {
    // its own and the answers to the others'
    probes: (meshers - 1) * 2 * probe * (SECOND_MS / TIMING.pingEveryMs),
    exchanges: headsBytes(meshers) * (SECOND_MS / TIMING.exchangeEveryMs),
  };
}

/** Received from the registry by one mesher in a second: the list of all members. */
export function registryBytes(meshers: number, memberBytes: number): number {
  return (meshers * memberBytes * SECOND_MS) / RELIST_MS;
}

/** One interest more, as gossip carries it. */
export function deltaBytes(interest: Interest): number {
  const interests = new InterestSet();
  interests.set(interest);
  return signDelta(signingKeys(peerId(1)), LARGE, 100, interests, [{ add: true, interest }]).bytes.length;
}

/**
 * Sent by one mesher in a second to repair what gossip lost, `loss` of all deltas on the way to one mesher: it asks the owner, who
 * answers with the deltas and tells all versions.
 */
export function repairBytes(meshers: number, changesPerSecond: number, delta: number, loss: number): number {
  const lost = changesPerSecond * loss * ((meshers - 1) / meshers);
  const pull = bytesOf({ kind: 'route-pull', node: peerId(1), incarnation: LARGE, sequence: 100 });
  const answer = bytesOf({ kind: 'route-delta', delta: new Uint8Array(delta) });
  return lost * (pull + answer + headsBytes(meshers));
}

export interface JoinBytes {
  readonly heads: number;
  readonly records: number;
}

/**
 * Received by a mesher that joins: everybody tells it of all versions when the link comes up, and once more in answer to its own
 * telling, which names hardly any; and every record, from its owner.
 */
export function joinBytes(meshers: number, recordBytes: number): JoinBytes {
  const peers = meshers - 1;
  return { heads: peers * 2 * headsBytes(meshers), records: peers * recordBytes };
}

/** A whole record, as its owner answers a pull. */
export function recordBytes(record: readonly Interest[]): number {
  const interests = new InterestSet();
  for (const one of record) interests.set(one);
  const { proof } = signDelta(signingKeys(peerId(1)), LARGE, 100, interests, []);
  const head = bytesOf({ kind: 'route-head', head: encodeHead(proof, interests) });
  const version = { node: peerId(1), incarnation: LARGE, sequence: 100 };
  const empty = bytesOf({ kind: 'route-buckets', ...version, buckets: [] });
  let sum = head;
  let messages = 0;
  let room = 0;
  for (let index = 0; index < BUCKETS; index++) {
    const bucket = interests.bucket(index);
    if (bucket.length === 0) continue;
    const estimated = bucket.reduce(
      (bytes, { filter, group }) => bytes + (filter.length + group.length) * 3 + 16,
      0,
    );
    if (messages === 0 || estimated > room) {
      messages++;
      room = LIMITS.pullBytesMax;
      sum += empty;
    }
    room -= estimated;
    sum += bytesOf({ kind: 'route-buckets', ...version, buckets: [{ index, interests: bucket }] }) - empty;
  }
  return sum;
}
