// The whole conversation between the core and its driver: what goes in, what comes out.
//
// Order. Effects are carried out in the order given, none is waited for. Durability is made visible by the pair
// `append` (effect) and `appended` (input): whatever rests on a batch (an ack, a reply, a forward, a delivery) is only
// ever emitted in the step that is told the batch is on disk. There is at most one append under way; what arrives
// meanwhile goes into the next: that is the group commit. A failed append has no input: the driver ends the process,
// because what is on disk is then unknown; the next start reads it.

import type { DeliveryToken } from './delivery-token.ts';
import type { HeldEvent } from './delivery.ts';
import type { Delivery, Destinations, Settlement } from './delivery-types.ts';
import type { MeshError } from './errors.ts';
import type { NewEvent, NodeId, StoredEvent } from './event.ts';
import type { Fate, UnreadFate } from './fates.ts';
import type { ControlMessage, DataMessage, LinkMessage } from './messages.ts';
import type { MessageRefusal } from './metric-catalogue.ts';
import type {
  BlockRange,
  Claim,
  ClaimsEnd,
  CopyChange,
  CopyHead,
  JournalOp,
  LoadedEntry,
  MemberList,
  MemberRecord,
  QueuedEntry,
  Recovered,
} from './ports.ts';
import type { Subscription, SubscriptionState } from './subscription.ts';

/** Both clocks at the moment of the step. */
export interface Now {
  readonly wall: number;
  readonly monotonic: number;
}

/** One that waits as a dead letter. */
export interface HeldLetter extends HeldEvent {
  readonly event: StoredEvent;
}

/** Chosen by the driver, unique while unanswered. Each request gets exactly one `reply`. */
export type RequestId = number;
export type SessionId = number;

export type Input =
  | { readonly kind: 'tick' }
  // clients
  | {
      readonly kind: 'publish';
      readonly request: RequestId;
      readonly qos: 'durable' | 'best-effort';
      /** Meshers that are to have the events on disk before the reply; at most, and undefined: as many as the mesher is set to. */
      readonly replicas?: number;
      /** Whether the reply says of each event where it went. */
      readonly report: boolean;
      readonly events: readonly NewEvent[];
    }
  | { readonly kind: 'put-subscription'; readonly request: RequestId; readonly subscription: Subscription }
  | { readonly kind: 'delete-subscription'; readonly request: RequestId; readonly name: string }
  | {
      readonly kind: 'attach';
      readonly session: SessionId;
      readonly name: string;
      readonly credit: number;
      readonly resumeAfter: DeliveryToken | undefined;
    }
  | {
      readonly kind: 'attach-ephemeral';
      readonly session: SessionId;
      readonly filter: string;
      readonly group: string;
      readonly credit: number;
    }
  | { readonly kind: 'grant'; readonly session: SessionId; readonly count: number }
  | { readonly kind: 'detach'; readonly session: SessionId }
  | {
      readonly kind: 'pull';
      readonly request: RequestId;
      readonly name: string;
      readonly max: number;
      readonly waitMs: number;
    }
  | { readonly kind: 'cancel-pull'; readonly request: RequestId }
  | {
      readonly kind: 'settle';
      readonly request: RequestId;
      readonly name: string;
      readonly settlements: readonly Settlement[];
    }
  /** Dead letters of the subscription `name`, as the journal has them: what is gone, or in somebody's hands, is left as it is. */
  | {
      readonly kind: 'dead-letters';
      readonly request: RequestId;
      readonly name: string;
      /** `redrive`: back to the subscription that rejected it, as if it had just come. `drop`: never again. */
      readonly how: 'redrive' | 'drop';
      readonly letters: readonly HeldLetter[];
    }
  // links and gossip
  | {
      readonly kind: 'link-up';
      readonly peer: NodeId;
      readonly cluster: string;
      readonly incarnation: number;
      /** What both ends speak (wire-version.ts). */
      readonly version: number;
    }
  | { readonly kind: 'link-down'; readonly peer: NodeId; readonly reason: string }
  | { readonly kind: 'messages'; readonly peer: NodeId; readonly messages: readonly LinkMessage[] }
  /** The data stream to the peer is full, or takes more again. */
  | { readonly kind: 'full'; readonly peer: NodeId }
  | { readonly kind: 'drained'; readonly peer: NodeId }
  | { readonly kind: 'gossip'; readonly bytes: Uint8Array }
  | { readonly kind: 'refused'; readonly reason: MessageRefusal }
  // registry
  | { readonly kind: 'members'; readonly list: MemberList }
  | { readonly kind: 'registry'; readonly state: 'up' | 'down' }
  /** The member list may have changed, or a stranger knocked. */
  | { readonly kind: 'members-hint' }
  // journal
  | { readonly kind: 'appended'; readonly batch: number }
  | { readonly kind: 'loaded'; readonly queue: number; readonly entries: readonly LoadedEntry[] }
  | { readonly kind: 'disk'; readonly state: 'ok' | 'full' }
  // copies
  /** What a `copy-range` asked for: all that the journal has of the keys after `from`, up to and with `to`. */
  | {
      readonly kind: 'copy-ranged';
      readonly peer: NodeId;
      readonly read: number;
      readonly to: string;
      readonly content: Uint8Array;
    }
  /** What was to be written to the copy of `owner`'s journal is on disk: `head` is the object that came with it. */
  | { readonly kind: 'copy-written'; readonly owner: NodeId; readonly head: CopyHead }
  /** The copy of `owner`'s journal was found damaged on this disk. */
  | { readonly kind: 'copy-damaged'; readonly owner: NodeId }
  /** What its owner sent for its copy is no content of a journal. */
  | { readonly kind: 'copy-refused'; readonly owner: NodeId }
  // takeovers
  /** Who has claimed what of the lost mesher's journal, the first first. Not said where the registry cannot be reached. */
  | {
      readonly kind: 'claimed';
      readonly owner: NodeId;
      readonly ask: number;
      readonly claims: readonly Claim[];
    }
  /** The registry has what an `end-claims` with this owner asked for. */
  | { readonly kind: 'claims-ended'; readonly owner: NodeId }
  | { readonly kind: 'copy-read'; readonly owner: NodeId; readonly recovered: Recovered }
  | {
      readonly kind: 'copy-loaded';
      readonly owner: NodeId;
      readonly block: number;
      readonly entries: readonly QueuedEntry[];
    };

export type Effect =
  | {
      readonly kind: 'append';
      readonly batch: number;
      readonly ops: readonly JournalOp[];
      readonly sync: boolean;
    }
  | { readonly kind: 'load'; readonly queue: number; readonly blocks: readonly number[] }
  | { readonly kind: 'reply'; readonly request: RequestId; readonly reply: Reply }
  | { readonly kind: 'deliver'; readonly session: SessionId; readonly deliveries: readonly Delivery[] }
  | { readonly kind: 'session-closed'; readonly session: SessionId; readonly reason: 'deleted' | 'replaced' }
  /** A subscription with a sink appeared, changed, or went (undefined). */
  | { readonly kind: 'sink'; readonly name: string; readonly subscription: Subscription | undefined }
  | { readonly kind: 'connect'; readonly peer: NodeId; readonly addresses: readonly string[] }
  | { readonly kind: 'disconnect'; readonly peer: NodeId }
  | { readonly kind: 'allow'; readonly peers: ReadonlySet<NodeId> }
  | { readonly kind: 'control'; readonly peer: NodeId; readonly message: ControlMessage }
  | { readonly kind: 'data'; readonly peer: NodeId; readonly message: DataMessage }
  | { readonly kind: 'gossip'; readonly bytes: Uint8Array }
  /** Sends a batch to a copy, as `copy-batch` messages. The same `ops` object may be for several. */
  | {
      readonly kind: 'copy';
      readonly peer: NodeId;
      readonly incarnation: number;
      readonly batch: number;
      readonly nextBlock: number;
      readonly ops: readonly JournalOp[];
    }
  /** Sends a `copy-range`: what the journal has behind `from` when all appends before this are in it. */
  | {
      readonly kind: 'copy-range';
      readonly peer: NodeId;
      /** Comes back with what was read: while it was, the copy may have begun anew. */
      readonly read: number;
      readonly from: string;
    }
  /** Writes to the copy of `owner`'s journal, and syncs it. In order for each owner. */
  | {
      readonly kind: 'copy-write';
      readonly owner: NodeId;
      readonly head: CopyHead;
      readonly change: CopyChange | undefined;
    }
  | { readonly kind: 'copy-drop'; readonly owner: NodeId }
  /** What was written of the copy before is kept beside the copies; what is written from now on begins another. */
  | { readonly kind: 'copy-aside'; readonly owner: NodeId }
  /** Claims what nobody has claimed yet of these blocks; asks for a `claimed` input with the same `ask`. */
  | {
      readonly kind: 'claim';
      readonly owner: NodeId;
      readonly ask: number;
      readonly blocks: readonly BlockRange[];
    }
  /** Ends claims, all at once; asks for a `claims-ended` input. `owner`: on account of whom. */
  | { readonly kind: 'end-claims'; readonly owner: NodeId; readonly ends: readonly ClaimsEnd[] }
  /** Asks for a `copy-read`. Nothing more is written to that copy. */
  | { readonly kind: 'read-copy'; readonly owner: NodeId }
  /** Asks for a `copy-loaded`: what the queues want of the block. */
  | {
      readonly kind: 'load-copy';
      readonly owner: NodeId;
      readonly block: number;
      readonly queues: readonly number[];
    }
  /** The copy of a mesher that was being taken over is lost: of what was claimed of it these blocks have not moved. Others may claim them. */
  | {
      readonly kind: 'takeover-cut-short';
      readonly owner: NodeId;
      readonly left: readonly BlockRange[];
    }
  /** Asks for a `members` input. */
  | { readonly kind: 'list-members' }
  | { readonly kind: 'register'; readonly record: MemberRecord }
  // Nobody has to do anything: for who looks on.
  | Fate
  | UnreadFate;

export type Reply =
  | {
      readonly kind: 'published';
      /** Empty where no report was asked for. */
      readonly results: readonly { readonly sequence: number; readonly destinations: Destinations }[];
    }
  | { readonly kind: 'put'; readonly created: boolean; readonly state: SubscriptionState }
  | { readonly kind: 'deleted' }
  | { readonly kind: 'pulled'; readonly deliveries: readonly Delivery[] }
  | { readonly kind: 'settled'; readonly settled: number; readonly stale: readonly Settlement[] }
  /** `left`: letters that are as they were, and why, one sentence for each reason. */
  | {
      readonly kind: 'dead-letters-settled';
      readonly done: number;
      readonly left: readonly { readonly why: string; readonly count: number }[];
    }
  | { readonly kind: 'failed'; readonly error: MeshError };

/** Takes an effect; the parts of the core are handed one and never see who collects. */
export type Emit = (effect: Effect) => void;
