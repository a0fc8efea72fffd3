// What the dashboard, `causeway top` and `causeway trace` show of a whole federation, as one mesher has gathered it from all: bodies of
// GET /v1/overview, /v1/overview/history, /v1/dead-letters, /v1/trace and /v1/ledger. Plain data, JSON-safe. Times are wall clock, ms
// since the epoch, of the mesher that says them; rates are per second; sizes are bytes.

import type { NodeId } from './event.ts';
import type { CopyView, FederationView, MemberStatus } from './views.ts';

export interface Overview {
  readonly federation: string;
  /** Who gathered this. */
  readonly self: NodeId;
  readonly at: number;
  readonly registry: FederationView['registry'];
  /** What is wrong, the worst first. Empty: nothing is, as far as is known. */
  readonly alarms: readonly Alarm[];
  readonly clusters: readonly ClusterOverview[];
  readonly meshers: readonly MesherOverview[];
  readonly links: readonly LinkOverview[];
  readonly subscriptions: readonly SubscriptionOverview[];
  readonly topics: readonly TopicOverview[];
  readonly canaries: readonly CanaryOverview[];
  /** Lists that were cut at their bounds, by name, with how many there are. */
  readonly cut: Readonly<Record<string, number>>;
}

/** Something that somebody has to look at, in words that need no documentation. */
export interface Alarm {
  readonly severity: 'critical' | 'warning';
  /** Stable, for tests and links: `link-down`, `link-slow`, `routes-gapped`, `subscription-stuck`, `dead-letters`, … */
  readonly code: string;
  /** One sentence: what, where, since when and why. */
  readonly text: string;
  /** One sentence: what to do. */
  readonly help: string;
  readonly since: number;
  readonly about: {
    readonly cluster?: string;
    readonly mesher?: NodeId;
    /** The other end of a link. */
    readonly peer?: NodeId;
    readonly subscription?: string;
  };
}

export interface ClusterOverview {
  readonly name: string;
  /** Degrees: from its meshers' labels `lat` and `lon`, else from its name where that is a known cloud region. */
  readonly place:
    { readonly lat: number; readonly lon: number; readonly from: 'labels' | 'name' } | undefined;
  readonly meshers: readonly NodeId[];
}

export interface MesherOverview {
  readonly node: NodeId;
  readonly cluster: string;
  readonly http: string;
  readonly labels: Readonly<Record<string, string>>;
  /** As the mesher that gathered this knows it. */
  readonly status: MemberStatus;
  /** Why there is nothing of it below; '' where there is. */
  readonly silent: string;
  readonly figures: MesherFigures | undefined;
}

export interface MesherFigures {
  readonly version: string;
  readonly incarnation: number;
  readonly upSince: number;
  readonly ready: { readonly ready: boolean; readonly why: readonly string[] };
  readonly rates: Rates;
  /** Of the last minute, ms; undefined: nothing was measured. */
  readonly latency: {
    readonly publish: Percentiles | undefined;
    readonly delivery: Percentiles | undefined;
  };
  readonly disk: { readonly freeBytes: number; readonly journalBytes: number; readonly full: boolean };
  readonly eventLoopDelayMs: { readonly p50: number; readonly p99: number };
  readonly rssBytes: number;
  /** Events that wait, in all queues but that of dead letters. */
  readonly queued: number;
  readonly deadLetters: number;
  readonly copies: readonly CopyView[];
  /** Events that were dropped or refused since its start, by reason, as its metrics count them. */
  readonly dropped: Readonly<Record<string, number>>;
  readonly refused: Readonly<Record<string, number>>;
}

/** Events per second over the last few seconds. */
export interface Rates {
  readonly published: number;
  readonly delivered: number;
  readonly forwarded: number;
  readonly landed: number;
}

export interface Percentiles {
  readonly p50: number;
  readonly p95: number;
  readonly p99: number;
}

/** A link as the mesher at its `from` end sees it: there are two for each pair. */
export interface LinkOverview {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly state: 'up' | 'slow' | 'gapped' | 'down';
  /** Why it is not `up`, one sentence; '' where it is. */
  readonly why: string;
  readonly since: number;
  readonly roundTripMs: number | undefined;
  readonly eventsPerSecond: number;
  readonly bytesPerSecond: number;
  /** Events that wait for it, and how old the oldest is, ms. */
  readonly queued: number;
  readonly lagMs: number;
  readonly doubtful: number;
  /** What both ends' ledgers said last; undefined: not compared yet. */
  readonly ledger: LedgerVerdict | undefined;
}

export interface LedgerVerdict {
  readonly at: number;
  readonly outcome: 'agrees' | 'differs' | 'unknown';
  /** "nothing lost between sequence 1 and 4711", or exactly what differs. */
  readonly text: string;
}

export interface SubscriptionOverview {
  readonly name: string;
  readonly mesher: NodeId;
  readonly cluster: string;
  readonly topic: string;
  readonly group: string;
  readonly via: 'stream' | 'pull' | 'webhook' | 'nobody';
  readonly consumers: number;
  readonly depth: number;
  readonly inFlight: number;
  /** When the oldest that waits was accepted; 0: none waits. */
  readonly oldestAt: number;
  readonly deliveredPerSecond: number;
  readonly redelivered: number;
  readonly deadLettered: number;
  /** Why it does not keep up, one sentence; '' where it does. */
  readonly stuck: string;
}

export interface TopicOverview {
  readonly topic: string;
  readonly publishedPerSecond: number;
  /** Published here in the last hour. */
  readonly published: number;
  readonly publishers: readonly { readonly mesher: NodeId; readonly cluster: string }[];
  readonly listeners: readonly {
    readonly mesher: NodeId;
    readonly cluster: string;
    readonly subscription: string;
  }[];
}

/** Probes from one cluster to another, over the real path of events. */
export interface CanaryOverview {
  readonly from: string;
  readonly to: string;
  /** When the last one arrived; 0: none did. */
  readonly lastAt: number;
  /** Of the last five minutes. */
  readonly lately: CanaryFigures;
  readonly hour: CanaryFigures;
  readonly day: CanaryFigures;
  readonly month: CanaryFigures;
}

export interface CanaryFigures {
  readonly sent: number;
  readonly arrived: number;
  /** 0 to 1; undefined: none was due yet. */
  readonly availability: number | undefined;
  readonly latencyMs: Percentiles | undefined;
}

/** One series: the last hour, the oldest first, one value each `stepMs`; null: nothing was known then. */
export interface HistorySeries {
  readonly name: string;
  readonly unit: 'events/s' | 'ms' | 'events' | 'bytes';
  readonly values: readonly (number | null)[];
}

/** Of a cluster, a mesher, a topic or a subscription. */
export interface HistoryView {
  readonly of: 'cluster' | 'mesher' | 'topic' | 'subscription';
  readonly name: string;
  readonly until: number;
  readonly stepMs: number;
  readonly series: readonly HistorySeries[];
}

export interface DeadLetterView {
  /** Names it for `POST /v1/dead-letters/redrive` and `/drop`. */
  readonly at: { readonly mesher: NodeId; readonly token: string };
  readonly cluster: string;
  readonly source: string;
  readonly id: string;
  readonly type: string;
  /** On which the subscription had received it. */
  readonly topic: string;
  readonly subscription: string;
  readonly reason: string;
  readonly attempts: number;
  /** When it was published. */
  readonly acceptedAt: number;
  readonly bytes: number;
}

export interface DeadLettersView {
  readonly letters: readonly DeadLetterView[];
  /** In all, in the clusters that answered, under the same filter as far as that is known without reading all. */
  readonly total: number;
  /** Gives the next page. '' at the end. */
  readonly next: string;
  readonly silent: readonly { readonly mesher: NodeId; readonly why: string }[];
}

/** What became of one event, hop by hop. */
export interface TraceView {
  readonly source: string;
  readonly id: string;
  /** The oldest first, as far as the meshers' clocks agree. */
  readonly hops: readonly TraceHop[];
  /** One sentence for people: where it is, or why it stopped. */
  readonly verdict: string;
  /** Where it still lies, and why: `why` ends a sentence that begins "it waits at …". */
  readonly waits: readonly { readonly mesher: NodeId; readonly cluster: string; readonly why: string }[];
  /** Meshers that were asked, and had nothing to say, and why. */
  readonly silent: readonly { readonly mesher: NodeId; readonly why: string }[];
}

export const HOP_KINDS = [
  'published',
  'committed',
  'forwarded',
  'landed',
  'forward-acked',
  'delivered',
  'acked',
  'retried',
  'dead-lettered',
  'redriven',
  'dropped',
  'refused',
  'not-wanted',
] as const;
export type HopKind = (typeof HOP_KINDS)[number];

export interface TraceHop {
  readonly at: number;
  readonly mesher: NodeId;
  readonly cluster: string;
  readonly what: HopKind;
  /** Where to or from: a mesher, or, of what was dropped on its way, the cluster that it was for; '' where there is none. */
  readonly peer: NodeId;
  /** '' where it is none's. */
  readonly subscription: string;
  /** Of a drop, a refusal, a retry, a dead letter: as metrics name it. Of what nobody wanted: its topic. '' else. */
  readonly reason: string;
  /** Times that it was handed out by then; 0: not a delivery. */
  readonly attempt: number;
}

/** What both ends of each link of the mesher asked count, lane by lane. */
export interface LedgerView {
  readonly mesher: NodeId;
  readonly links: readonly {
    readonly peer: NodeId;
    readonly verdict: LedgerVerdict;
    readonly lanes: readonly LaneLedger[];
  }[];
}

export interface LaneLedger {
  readonly lane: string;
  readonly direction: 'out' | 'in';
  readonly incarnation: number;
  /** Sequences of the lane that the ledger covers: what is before was counted by an earlier life. */
  readonly from: number;
  readonly to: number;
  readonly sent: number;
  readonly acked: number;
  readonly received: number;
  readonly duplicate: number;
  /** Not sent or not taken, by reason: expired, … */
  readonly refused: Readonly<Record<string, number>>;
  /** What differs between the ends; '' where nothing does. */
  readonly difference: string;
}
