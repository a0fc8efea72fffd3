// What a mesher tells about itself and the federation: the bodies of GET /v1/federation, /v1/links, /v1/queues and
// /v1/routes, and what `causeway status` and `causeway routes` print. Plain data, JSON-safe.

import type { NodeId } from './event.ts';
import type { LedgerView, TraceView } from './overview.ts';

export type MemberStatus = 'alive' | 'suspect' | 'dead';

/** Another mesher of a cluster, for who may need it. */
export interface Neighbour {
  readonly node: NodeId;
  /** Base URL of its HTTP API. */
  readonly http: string;
}

export interface FederationView {
  readonly federation: string;
  readonly self: {
    readonly node: NodeId;
    readonly cluster: string;
    readonly incarnation: number;
    readonly version: string;
  };
  readonly registry: {
    readonly address: string;
    readonly state: 'up' | 'down' | 'never-reached';
    readonly revision: number;
    readonly sinceMs: number;
  };
  readonly ready: { readonly ready: boolean; readonly why: readonly string[] };
  readonly members: readonly MemberView[];
}

export interface MemberView {
  readonly node: NodeId;
  readonly cluster: string;
  readonly incarnation: number;
  readonly status: MemberStatus;
  readonly http: string;
  readonly addresses: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
  /** Route record as known here; `complete` false: nothing whole was ever seen, so it is sent everything. */
  readonly routes: {
    readonly sequence: number;
    readonly interests: number;
    readonly complete: boolean;
    readonly gapped: boolean;
  };
}

export interface LinkView {
  readonly peer: NodeId;
  readonly cluster: string;
  readonly state: 'up' | 'down';
  /** Why it is down, for people; '' while up. */
  readonly reason: string;
  readonly sinceMs: number;
  readonly roundTripMs: number | undefined;
  readonly sentEvents: number;
  readonly receivedEvents: number;
  readonly doubtfulEvents: number;
  readonly sentBytes: number;
  readonly receivedBytes: number;
}

/** A copy of this mesher's journal on another mesher. */
export interface CopyView {
  readonly node: NodeId;
  readonly state: 'opening' | 'streaming' | 'away';
  /** It holds all that this mesher's journal does, as far as it is not `behind`. */
  readonly complete: boolean;
  /** Batches that it has not acked. */
  readonly behind: number;
}

export interface LaneView {
  /** `cluster` name, or node id of a mesher in this cluster. */
  readonly destination: string;
  readonly scope: 'cluster' | 'peer';
  readonly lane: number;
  readonly landing: NodeId | undefined;
  readonly state: 'waiting' | 'opening' | 'open' | 'moving';
  readonly queued: number;
  readonly inFlight: number;
}

export interface QueueView {
  readonly name: string;
  readonly kind: 'subscription' | 'lane';
  readonly depth: number;
  readonly inFlight: number;
  readonly oldestAcceptedAt: number;
}

export interface LinksView {
  readonly links: readonly LinkView[];
  readonly lanes: readonly LaneView[];
  /** Of this mesher's journal, on others; none where `replicas` is 1. */
  readonly copies: readonly CopyView[];
}

/** Who would get an event on `topic`, and why not the others. */
export interface RoutesView {
  readonly topic: string;
  readonly subscriptions: readonly {
    readonly name: string;
    readonly filter: string;
    readonly group: string;
    readonly why: string;
  }[];
  readonly destinations: readonly RouteDestination[];
  readonly others: readonly {
    readonly destination: string;
    readonly cluster: string;
    readonly why: string;
  }[];
}

export interface RouteDestination {
  readonly kind: 'mesher' | 'cluster';
  readonly destination: string;
  readonly landing: NodeId | undefined;
  readonly roundTripMs: number | undefined;
  readonly because: readonly { readonly filter: string; readonly group: string; readonly node: NodeId }[];
  readonly why: string;
}

/** Read side of a mesher, for the admin API and metrics. */
export interface MesherView {
  federation(): FederationView;
  links(): LinksView;
  queues(): readonly QueueView[];
  routes(topic: string): RoutesView;
  /** Compares the ledgers of all links now. */
  ledger(): Promise<LedgerView>;
  /** As core/metric-catalogue.ts lists them. */
  metrics(): readonly MetricFamily[];
  /** What became of an event, as all meshers that can be asked know it. Rejects with `not-found` where nothing is remembered. */
  trace(event: { readonly source: string; readonly id: string }): Promise<TraceView>;
  /** Undefined: ready. Else the reasons, one sentence each. */
  notReady(): readonly string[];
}

export interface MetricFamily {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly samples: readonly {
    /** Of a histogram: what follows the family's name. */
    readonly suffix?: '_bucket' | '_sum' | '_count';
    readonly labels: Readonly<Record<string, string>>;
    readonly value: number;
  }[];
}
