// An event as the mesh carries it: a routing header and the CloudEvent's Protobuf bytes, which are encoded
// once (where the event enters) and never changed again: what is stored is what is forwarded is what is stored.
// `source` and `id` live in those bytes; nothing here rewrites them.

/** Node id: the libp2p peer id as text (`12D3KooW…`), an Ed25519 public key. */
export type NodeId = string;

/** Why an event is on a dead-letter topic. */
export interface DeadLetter {
  readonly subscription: string;
  readonly reason: string;
  readonly attempts: number;
  /** The topic on which the subscription had received it. */
  readonly topic: string;
}

/** What a bridge hands in, already validated and encoded by the front door. */
export interface NewEvent {
  readonly topic: string;
  /** Wall clock, ms since the epoch; 0 means never. */
  readonly expiresAt: number;
  /** Ordering key (CloudEvents `partitionkey`); '' means none asked for. */
  readonly key: string;
  /** 32-bit hash of the key, or of `id` where there is no key: chooses the lane, the same on every hop. */
  readonly hash: number;
  /** The CloudEvent in Protobuf format (io.cloudevents.v1.CloudEvent). */
  readonly cloudEvent: Uint8Array;
  /** Somebody looked, and it carries no trace context (`traceparent`, `sw8`): nobody need look again. */
  readonly noTraceContext?: boolean;
}

/** An event with its routing header; `record` is the encoded whole (see event-record.ts). What it says never changes. */
export interface StoredEvent extends NewEvent {
  readonly origin: NodeId;
  readonly incarnation: number;
  /** Counts up by one for each event accepted by this origin in this incarnation. */
  readonly sequence: number;
  /** Wall clock of the origin at acceptance, ms since the epoch. */
  readonly acceptedAt: number;
  /** Clusters visited, origin first. */
  readonly path: readonly string[];
  readonly deadLetter: DeadLetter | undefined;
  /** Memory of its own is taken for it where there is none yet: who copies it does better with `writeTo`. */
  readonly record: Uint8Array;
  /** Length of `record`. */
  readonly bytes: number;
  /** What it keeps from being freed: all of the buffer that it is a view of, mostly that of a frame or a batch. */
  readonly memory: ArrayBufferLike;
  /** For whoever traces events: what was found when it was looked at first; undefined: nobody has looked. No part of the record. */
  isTraced: boolean | undefined;
  /** Where `cloudEvent` lies: no view of it is made for that, which would cost more than a look at it. */
  lookAt(look: (bytes: Uint8Array, start: number, end: number) => void): void;
  /** Takes memory of its own, for it alone. */
  detach(): void;
  /** Writes `record` to `target` from `at` on. */
  writeTo(target: Buffer, at: number): void;
}

/**
 * What the sender of an event has decided about groups, so that each group gets it once in all:
 * `only`: serve exactly these; `except`: the sender did not know every group, serve any but these.
 * A group is named by `interestKey`.
 */
export interface Directive {
  readonly groups: 'only' | 'except';
  readonly names: readonly string[];
  /**
   * Meshers of the destination's cluster that the sender knows to want the event, and the groups each was chosen for: the
   * mesher it lands on hands it to them even where it knows less of them itself. Left out inside a cluster.
   */
  readonly wanted?: readonly Wanted[];
  /** Meshers there of which the sender knows nothing whole: they get the event, and the groups that are left. */
  readonly unknown?: readonly NodeId[];
  /** For this subscription of the destination alone: the event had been in its queue on another mesher. */
  readonly subscription?: string;
}

export interface Wanted {
  readonly node: NodeId;
  readonly groups: readonly string[];
}

/** What a directive takes in a frame, at most. */
export function directiveBytes({ names, wanted = [], unknown = [], subscription = '' }: Directive): number {
  let bytes = 8;
  const add = (text: string): void => {
    bytes += text.length * 3 + 3; // UTF-8 has at most three bytes for a UTF-16 unit
  };
  for (const text of [...names, ...unknown, subscription]) add(text);
  for (const { node, groups } of wanted) {
    add(node);
    for (const group of groups) add(group);
  }
  return bytes;
}

export const NO_GROUPS: Directive = { groups: 'only', names: [] };

/** A place on a lane. Compared by incarnation, then sequence. (0, 0) is before everything. */
export interface Position {
  readonly incarnation: number;
  readonly sequence: number;
}

export const START: Position = { incarnation: 0, sequence: 0 };

export function comparePositions(a: Position, b: Position): number {
  return a.incarnation - b.incarnation || a.sequence - b.sequence;
}

/**
 * Names one lane of one sender as its receiver knows it. `cluster` lanes land on one mesher of a cluster, which
 * hands on inside the cluster; the `peer` lane is for the receiver itself only.
 */
export interface LaneName {
  readonly scope: 'cluster' | 'peer';
  readonly lane: number;
  /** A peer lane that was for another mesher, of whom the receiver is the heir (heirs.ts). */
  readonly of?: NodeId;
}

/** FNV-1a, 32 bits, over UTF-16 code units: spreads keys over lanes; not for security. */
export function hash32(text: string, seed = 0x811c9dc5): number {
  let hash = seed;
  for (let i = 0; i < text.length; i++) {
    hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  }
  return spread(hash);
}

/** `hash32` of ASCII text that lies in bytes. */
export function hash32Ascii(bytes: Uint8Array, start: number, end: number): number {
  let hash = 0x811c9dc5;
  for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193);
  return spread(hash);
}

function spread(state: number): number {
  let hash = state;
  hash ^= hash >>> 16; // FNV alone leaves the high bits of short texts alike, which rendezvous choices would feel
  hash = Math.imul(hash, 0x85ebca6b);
  hash ^= hash >>> 13;
  return hash >>> 0;
}
