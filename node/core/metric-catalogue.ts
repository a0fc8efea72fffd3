// Every metric family of a mesher: name (without `causeway_`), type, help, labels, and what each value of a label means. Metrics are
// made from it, docs/metrics.md is generated from it, and alerts and dashboard in deploy/ are held against it.
//
// Invariant: no label grows without bound. Its values are listed here, or it is one of OPEN, which says what bounds it.
// Names are Prometheus': base units (seconds, bytes) last, `_total` on counters alone, times as Unix time.

import { ERRORS, type ErrorCode } from './errors.ts';

/** Value → what it means. */
type Values = Readonly<Record<string, string>>;

/** Labels whose values are not known beforehand, and what bounds them. */
export const OPEN = {
  peer: 'node id of another mesher that is a member; at most `limits.membersMax` at a time',
  cluster: 'the other cluster; at most 4,096 series of a family, what comes after them is `other`',
  destination: 'cluster, or node id of a mesher of this cluster, that is a member; what is not is `unknown`',
  own: 'one value for the life of the process',
} as const;
type OpenLabel = keyof typeof OPEN;

export interface MetricFacts {
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** A sentence without its full stop. */
  readonly help: string;
  readonly labels: readonly (readonly [name: string, values: Values | OpenLabel])[];
}

type Labels = MetricFacts['labels'];

function counter<const L extends Labels>(
  help: string,
  ...labels: L
): { type: 'counter'; help: string; labels: L } {
  return { type: 'counter', help, labels };
}

function gauge<const L extends Labels>(
  help: string,
  ...labels: L
): { type: 'gauge'; help: string; labels: L } {
  return { type: 'gauge', help, labels };
}

function histogram<const L extends Labels>(
  help: string,
  ...labels: L
): { type: 'histogram'; help: string; labels: L } {
  return { type: 'histogram', help, labels };
}

const ERROR_CODES = Object.fromEntries(
  Object.entries(ERRORS).map(([code, { title }]) => [code, title]),
) as Readonly<Record<ErrorCode, string>>;

const QOS = {
  durable: 'on disk before anybody is told that it is taken',
  'best-effort': 'in memory only',
} as const;

const DROPS = {
  expired: 'its time had passed before it could be handed on',
  'queue-limit': 'the queue of its subscription was full',
  'slow-subscriber': 'an ephemeral subscriber took less than came, and its memory was full',
  'slow-link': 'best effort, and the link took no more for now',
  'no-link': 'best effort, and no mesher of the destination was linked',
  'member-forgotten': 'the mesher or cluster it waited for has been away for longer than it is waited for',
  'subscription-deleted': 'it waited for a subscription that was deleted',
  'stale-route': 'it was sent for a group that has no member here any more',
  'too-many-groups': 'more groups want it than one event can be directed to',
  'unknown-mesher': 'its sender named too many meshers that are no members here',
  loop: 'it had been in this cluster before',
  'bad-topic': 'it came over a link with a topic that is none',
  undecodable: 'what is stored of it is no event; its durable deliveries go to dead letters',
  'dead-letter-rejected': 'a consumer of dead letters rejected it',
  'dead-letter-dropped': 'somebody dropped it from the dead letters',
} as const;

const LEDGER_DIFFERENCES = {
  'left-journal':
    'events that waited in the journal when the mesher was stopped were not there when it was started',
  'never-written': 'a place on a lane was given out, and never came to the journal',
  'passed-over': 'a lane went past events that were neither sent nor expired',
  'not-queued': 'events of a lane are not queued any more, and were neither acked nor expired',
  'not-taken': 'a mesher acked events that did not reach it, as its own ledger says',
  'never-came': 'events count as received here that never came',
} as const;
export type LedgerDifference = keyof typeof LEDGER_DIFFERENCES;

const LEDGER_OUTCOMES = {
  agrees: 'both ends say the same',
  differs: 'something differs, or has since the mesher was started',
  unknown: 'the other end could not be asked, or does not remember',
} as const;

const DEAD_LETTERINGS = {
  'retries-exhausted': 'consumers failed with it more often than its subscription allows',
  rejected: 'a consumer rejected it',
  undecodable: 'what is stored of it is no event',
} as const;

const REDELIVERIES = {
  retry: 'a consumer asked for it again',
  'ack-timeout': 'a consumer that had pulled it did not settle it in time',
} as const;

const ROUTE_REFUSALS = {
  malformed: 'no route message of a version known here',
  'bad-signature': 'not signed by its owner',
  'bad-digest': 'the content is not what its owner signed',
  'bad-bucket': 'an interest that does not belong where it stood',
  'bad-count': 'not as many interests as its owner signed',
  'too-many-ops': 'more changes in one message than are allowed',
  'too-many-interests': 'more interests of one mesher than are kept',
  'too-much-to-remember': 'more durable interests in one bucket than are remembered on disk',
  'unknown-owner': 'of a mesher that is no member here',
} as const;

const SPAN_DROPS = {
  'too-many-open': 'as many spans had begun and not ended as may',
  'never-acked': 'an event was forwarded, and the other mesher did not say in time that it has it',
  'queue-full': 'as many spans waited to be exported as may',
  'export-failed': 'the OTLP receiver was not reached, or refused them',
} as const;

const CONTEXT_IGNORALS = {
  'malformed-traceparent': 'no `traceparent` of W3C Trace Context',
  'malformed-tracestate': 'no `tracestate` of W3C Trace Context; the `traceparent` beside it was taken',
  'malformed-sw8': 'no `sw8` header of SkyWalking, version 3',
} as const;

const MEMBER_REFUSALS = {
  'stale-list': 'the registry answered with an older list than before',
  'other-federation': 'of another federation',
  'has-an-heir': 'the mesher was taken over',
  'bad-signature': 'not signed by the mesher it names',
  'old-incarnation': 'older than the record that is known',
  'too-many-members': 'as many members are known as may be',
  'too-many-away': 'one peer, or all of them, told of more members that are away than are believed',
  malformed: 'a peer told of a member that is away in what is no record',
} as const;

const MESSAGE_REFUSALS = {
  stranger: 'somebody who is no member tried to connect',
  'wrong-federation': 'the other end belongs to another federation',
  'bad-cluster': 'a hello with a cluster that is no name',
  'bad-incarnation': 'a hello without an incarnation',
  'bad-address': 'a member has an address that cannot be dialled',
  'no-hello': 'something else came before the hello',
  'second-control-stream': 'the other end opened a second control stream',
  'second-data-stream': 'the other end opened a second data stream',
  'control-on-data-stream': 'a control message on the data stream',
  'not-a-control-message': 'a hello or data on the control stream',
  'gossip-too-large': 'a gossiped message above the limit',
  'cut-short': 'a message ends too early',
  'trailing-bytes': 'a message goes on after its end',
  'unknown-kind': 'no message of a version known here',
  'bad-number': 'a number out of range',
  'bad-text': 'a text that is not UTF-8',
  'bad-value': 'a value that is none of those allowed',
  'bad-record': 'a stored event that is none',
  'too-many': 'more items than are allowed',
  'too-long': 'a text above its limit',
  'frame-too-large': 'a frame above its limit',
  'unsupported-spec-version': 'a CloudEvent of another version',
  'unsupported-proto-data': 'a CloudEvent with Protobuf data',
  'not-the-heir': 'events for a lost mesher came here, where it has no heir',
  'bad-position': 'events with a position that cannot be',
  'over-credit': 'more events than this mesher had granted credit for',
  'ack-of-nothing': 'an ack of what was never sent',
  'bad-copy': 'a part of a copy whose content is none',
  'copy-of-stranger': 'a mesher of another cluster wants a copy kept here',
  'copy-not-opened': 'a part of a copy that was not opened',
} as const;

const PUBLISH_REFUSALS = {
  'disk-full': ERRORS['disk-full'].title,
  'not-enough-replicas': ERRORS['not-enough-replicas'].title,
  overloaded: ERRORS.overloaded.title,
} as const;

const CONSUMERS = {
  stream: 'streams of durable subscriptions',
  pull: 'pulls of durable subscriptions',
  ephemeral: 'ephemeral subscriptions',
} as const;

/** Of the WebSocket library's own words for what is wrong with a client's framing, in lower case and with hyphens. */
const WS_FRAMING = {
  'ws-err-expected-fin': 'a fragmented control frame',
  'ws-err-expected-mask': 'a frame without a mask',
  'ws-err-invalid-close-code': 'a closing code that is none',
  'ws-err-invalid-control-payload-length': 'a control frame that is too long',
  'ws-err-invalid-opcode': 'an opcode that is none',
  'ws-err-invalid-utf8': 'a text that is not UTF-8',
  'ws-err-too-many-buffered-parts': 'a message in too many parts',
  'ws-err-unexpected-mask': 'a mask where none may be',
  'ws-err-unexpected-rsv-1': 'a compressed frame, which was not agreed on',
  'ws-err-unexpected-rsv-2-3': 'a reserved bit is set',
  'ws-err-unsupported-data-payload-length': 'a length above what can be counted',
  'ws-err-unsupported-message-length': 'a message above the limit',
} as const;

const WS_REFUSALS = {
  ...ERROR_CODES,
  ...WS_FRAMING,
  unreadable: 'the connection failed',
  silent: 'nothing was heard of the client for too long',
  'text-message': 'a text message: frames of this protocol are binary',
  'cut-short': 'a frame ends too early',
  'trailing-bytes': 'a frame goes on after its end',
  'unknown-kind': 'no frame of this protocol',
  'bad-number': 'a number out of range',
  'bad-text': 'a text that is not UTF-8',
  'bad-value': 'a value that is none of those allowed',
  'bad-record': 'an event that is none',
  'too-many': 'more items than are allowed',
  'too-long': 'a text above its limit',
  'frame-too-large': 'a frame above its limit',
  'unsupported-spec-version': 'a CloudEvent of another version',
  'unsupported-proto-data': 'a CloudEvent with Protobuf data',
} as const;

const MEMBER_STATUS = {
  alive: 'in the list of the registry',
  suspect: 'not in that list, but linked, or not for long',
  dead: 'neither listed nor linked for longer than the grace',
} as const;

const COPY_STATES = {
  complete: 'all of the journal, as far as it is not behind',
  filling: 'what was there before is still being copied',
  opening: 'its mesher was asked what it has',
  away: 'the link to its mesher is down',
} as const;

const TAKERS = {
  heir: "serves what was the lost mesher's",
  helper: 'has a part that the heir had not',
} as const;

const LANE_STATES = {
  waiting: 'nothing to send, or no mesher of the destination is linked',
  opening: 'the landing mesher was asked how far it has come',
  open: 'events are sent as far as there is credit',
  moving: 'waits for the last ack before another mesher is its landing',
} as const;

const ROUTE_STATES = {
  complete: 'all that its owner announced is known',
  gapped: 'changes are missing and were asked for',
  unknown: 'nothing whole was ever seen: the mesher is sent everything',
} as const;

/** Counted by the core. Every drop and refusal has a `reason`. */
export const COUNTERS = {
  events_published_total: counter('Events accepted from publishers', ['qos', QOS]),
  events_unwanted_total: counter('Events accepted or landed that nobody behind this mesher wanted', [
    'from',
    { publisher: 'published here', link: 'came over a link' },
  ]),
  events_delivered_total: counter('Events handed to consumers, redeliveries included', ['to', CONSUMERS]),
  events_redelivered_total: counter('Deliveries after the first', ['reason', REDELIVERIES]),
  events_settled_total: counter('Deliveries settled by consumers', [
    'how',
    {
      ack: 'done with',
      retry: 'wanted again',
      reject: 'wanted never again',
      resume: 'a stream that was opened again had seen it',
    },
  ]),
  events_dropped_total: counter('Events given up', ['reason', DROPS]),
  events_dead_lettered_total: counter('Events sent to a dead-letter topic', ['reason', DEAD_LETTERINGS]),
  events_redriven_total: counter('Dead letters that went back to the subscription that had rejected them'),
  events_forwarded_total: counter(
    'Events sent over links, resent ones included',
    ['cluster', 'cluster'],
    ['qos', QOS],
  ),
  events_forward_acked_total: counter('Events whose custody the other end has taken', ['cluster', 'cluster']),
  events_landed_total: counter('Events taken from links', ['cluster', 'cluster'], ['qos', QOS]),
  events_duplicate_total: counter('Events that came again over a link and were dropped', [
    'cluster',
    'cluster',
  ]),
  events_doubtful_total: counter('Events that came over a link and may have reached the cluster before', [
    'cluster',
    'cluster',
  ]),
  lane_gaps_total: counter('Gaps seen on lanes by their receiver', ['cluster', 'cluster']),
  lane_moves_total: counter(
    'Lanes that changed their landing mesher',
    ['cluster', 'cluster'],
    [
      'reason',
      { lost: 'the link to the one before was down', preferred: 'another one is the better choice again' },
    ],
  ),
  publish_refused_total: counter('Publish requests refused', ['reason', PUBLISH_REFUSALS]),
  routes_refused_total: counter('Route messages refused', ['reason', ROUTE_REFUSALS]),
  routes_applied_total: counter('Route changes applied', [
    'by',
    {
      gossip: 'a gossiped change',
      exchange: 'a change asked for',
      snapshot: 'a part of a record asked for',
    },
  ]),
  routes_gapped_total: counter('Times a route record was found to lack changes', [
    'by',
    {
      gossip: 'a gossiped change that did not follow',
      exchange: 'the regular exchange with another mesher',
      digest: 'the same version with other content',
    },
  ]),
  members_refused_total: counter('Member records refused', ['reason', MEMBER_REFUSALS]),
  takeovers_total: counter('Copies of lost meshers that this one began to take over', ['as', TAKERS]),
  takeovers_cut_short_total: counter(
    'Takeovers that ended before all that was claimed had moved, as the copy was lost: the rest is lost unless another holds a copy',
    ['as', TAKERS],
  ),
  events_taken_over_total: counter('Events moved from the copy of a lost mesher'),
  copies_started_total: counter('Times a copy of this journal was begun anew on another mesher'),
  copies_gaps_total: counter('Times a copy kept here was sent what does not follow on what it has'),
  messages_refused_total: counter('Link messages refused', ['reason', MESSAGE_REFUSALS]),
} as const;

/** What is now, as far as the core knows it. */
export const GAUGES = {
  mesher_info: gauge(
    'Always 1: who this mesher is',
    ['federation', 'own'],
    ['cluster', 'own'],
    ['mesher', 'own'],
    ['version', 'own'],
  ),
  ready: gauge('1 when the mesher is ready, as GET /readyz says it'),
  registry_up: gauge('1 when the last call to the registry succeeded'),
  registry_changed_timestamp_seconds: gauge('When the registry was found to be up, or not, the last time'),
  members: gauge('Meshers known, this one included', ['status', MEMBER_STATUS]),
  link_up: gauge(
    '1 when the link to the peer stands; no series for members that are dead',
    ['peer', 'peer'],
    ['cluster', 'cluster'],
  ),
  link_changed_timestamp_seconds: gauge(
    'When the link went up or down the last time',
    ['peer', 'peer'],
    ['cluster', 'cluster'],
  ),
  link_round_trip_seconds: gauge('Smoothed round trip of the link', ['peer', 'peer'], ['cluster', 'cluster']),
  lanes: gauge('Lanes of this mesher', ['state', LANE_STATES]),
  lane_queued_events: gauge('Events waiting for, or in flight to, a destination', [
    'destination',
    'destination',
  ]),
  lane_in_flight_events: gauge('Events sent to a destination and not acked', ['destination', 'destination']),
  lane_oldest_event_age_seconds: gauge(
    'How long ago the oldest event that waits for, or is in flight to, a destination was accepted; 0 when there is none',
    ['destination', 'destination'],
  ),
  subscriptions: gauge('Durable subscriptions of this mesher'),
  subscription_queued_events: gauge(
    'Events held for durable subscriptions, delivered and unsettled ones included',
  ),
  subscription_queued_events_max: gauge('Events held for the durable subscription that has most'),
  subscription_in_flight_events: gauge('Events delivered and not settled'),
  subscription_oldest_event_age_seconds: gauge(
    'How long ago the oldest event that is held for a durable subscription was accepted, dead letters left out; 0 when there is none',
  ),
  dead_letter_events: gauge('Events held as dead letters, until somebody settles them'),
  sessions: gauge('Consumers that are connected, or wait for an answer', [
    'of',
    { durable: 'streams and pulls of durable subscriptions', ephemeral: 'ephemeral subscriptions' },
  ]),
  copies: gauge('Copies of this journal on other meshers', ['state', COPY_STATES]),
  copies_wanted: gauge('Copies of this journal that other meshers are to hold: `replicas` less one'),
  copies_behind_batches: gauge('Batches that the copy which lags most has not acked'),
  copies_held: gauge('Copies of other journals that this mesher holds'),
  takeovers_moving: gauge('Lost meshers whose events are being moved from their copies now'),
  guests: gauge('Lost meshers in whose place this one serves'),
  journal_blocks: gauge('Blocks of events that some queue still wants'),
  staged_bytes: gauge('Bytes of events accepted and not yet on disk'),
  routes: gauge('Interests known of other meshers'),
  route_records: gauge('Route records of other meshers', ['state', ROUTE_STATES]),
} as const;

/** Observed by the core, batch by batch. */
export const HISTOGRAMS = {
  publish_ack_duration_seconds: histogram('From a durable publish request to its answer, by request'),
  event_delivery_duration_seconds: histogram(
    'From acceptance, at whichever mesher, to the first hand-out to a consumer, by event; between machines it has the difference of their clocks in it',
    ['to', CONSUMERS],
  ),
} as const;

export const STORAGE = {
  journal_appends_total: counter('Batches written to the journal'),
  journal_syncs_total: counter('Writes of the journal that ended with an fsync'),
  journal_written_bytes_total: counter('Bytes handed to LevelDB'),
  journal_read_bytes_total: counter('Bytes read back from LevelDB'),
  journal_size_bytes: gauge('Size of the journal on disk, measured every half minute'),
  copies_size_bytes: gauge('Size on disk of the copies of other journals, measured every half minute'),
  disk_free_bytes: gauge('Free space where the data folder is, for who is not root'),
  disk_size_bytes: gauge('Size of the file system that the data folder is on'),
  disk_full: gauge('1 when so little is free that publishing is refused'),
} as const;

export const TRACING = {
  trace_spans_exported_total: counter('Spans that the OTLP receiver took; 0 without `tracing.endpoint`'),
  trace_spans_dropped_total: counter('Spans that were made and never exported', ['reason', SPAN_DROPS]),
  trace_contexts_ignored_total: counter(
    'Trace contexts of events and requests taken as if they were not there',
    ['reason', CONTEXT_IGNORALS],
  ),
} as const;

export const BRIDGES = {
  http_refused_total: counter('HTTP requests answered with an error', ['reason', ERROR_CODES]),
  ws_refused_total: counter('Requests, streams and connections of the streaming protocol refused or ended', [
    'reason',
    WS_REFUSALS,
  ]),
  ws_connections: gauge('Connections of the streaming protocol'),
  ws_streams: gauge('Streams open on them'),
} as const;

/** What looks on at the core, and asks other meshers. */
export const OBSERVERS = {
  ledger_checks_total: counter('Comparisons of the ledgers of a link', ['outcome', LEDGER_OUTCOMES]),
  ledger_differences: gauge('Differences that the ledger found since the mesher was started', [
    'kind',
    LEDGER_DIFFERENCES,
  ]),
  canary_probes_total: counter(
    'Probes from this cluster to another, and back, by the mesher whose turn it is',
    ['cluster', 'cluster'],
    ['outcome', { arrived: 'in time', missed: 'not within three intervals' }],
  ),
  canary_latency_seconds: histogram(
    'From publishing a probe until it was in the other cluster: half of the time until its answer was here',
    ['cluster', 'cluster'],
  ),
  canary_availability_ratio: gauge("Share of the last hour's probes that arrived in time", [
    'cluster',
    'cluster',
  ]),
} as const;

export const PROCESS = {
  process_resident_memory_bytes: gauge('Memory that the process holds'),
  process_heap_used_bytes: gauge('Heap in use by JavaScript'),
  process_heap_size_bytes: gauge('Heap reserved for JavaScript'),
  process_external_memory_bytes: gauge('Memory of buffers outside the heap'),
  process_start_time_seconds: gauge('When the process started'),
  process_open_fds: gauge('Open files and sockets; on Linux only'),
  process_max_fds: gauge('Open files and sockets that are allowed; on Linux only'),
  process_cpu_seconds_total: counter('CPU time used by the process', [
    'mode',
    { user: 'its own code', system: 'the kernel, on its behalf' },
  ]),
  event_loop_delay_seconds: histogram('How late the event loop was, sampled every 20 ms'),
} as const;

export const METRICS = {
  ...COUNTERS,
  ...GAUGES,
  ...HISTOGRAMS,
  ...STORAGE,
  ...TRACING,
  ...BRIDGES,
  ...OBSERVERS,
  ...PROCESS,
} as const satisfies Readonly<Record<string, MetricFacts>>;

export type MetricName = keyof typeof METRICS;
export type CounterName = keyof typeof COUNTERS;
export type HistogramName = keyof typeof HISTOGRAMS;

type ValueOf<L> = L extends readonly [string, infer V]
  ? V extends Values
    ? keyof V & string
    : string
  : never;
/** The values of a family's labels, in their order. */
export type LabelValues<N extends MetricName> = ValuesOf<(typeof METRICS)[N]['labels']>;
type ValuesOf<L extends Labels> = { [I in keyof L]: ValueOf<L[I]> };

export type Drop = keyof typeof DROPS;
export type PublishRefusal = keyof typeof PUBLISH_REFUSALS;
export type RouteRefusal = keyof typeof ROUTE_REFUSALS;
export type Redelivery = keyof typeof REDELIVERIES;
export type DeadLettering = keyof typeof DEAD_LETTERINGS;
export type MemberRefusal = keyof typeof MEMBER_REFUSALS;
export type MessageRefusal = keyof typeof MESSAGE_REFUSALS;
export type SpanDrop = keyof typeof SPAN_DROPS;
export type ContextIgnoral = keyof typeof CONTEXT_IGNORALS;
export type WsRefusal = keyof typeof WS_REFUSALS;

export function isWsFraming(code: string): code is keyof typeof WS_FRAMING {
  return Object.hasOwn(WS_FRAMING, code);
}
