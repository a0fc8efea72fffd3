// What one mesher tells of itself for an overview: the question `overview` and the schema of its answer. Whose it is the answer does not
// say: whoever asked knows, and believes a mesher's word of itself alone.

import Type, { type Static } from 'typebox';
import type { DeepReadonly } from './deep-readonly.ts';
import { LINKS_MAX, REPORT_BYTES_MAX, TOLD_MAX } from './bounds.ts';
import type { Question } from './questions.ts';

/** Characters. Of a topic: `topicBytesMax` may be set higher, and then such a mesher is not understood. */
const NAME_MAX = 256;
const TOPIC_MAX = 4_096;
const TEXT_MAX = 1_024;
const REASONS_MAX = 128;

const Name = Type.String({ maxLength: NAME_MAX });
const Topic = Type.String({ maxLength: TOPIC_MAX });
const Text = Type.String({ maxLength: TEXT_MAX });
const Amount = Type.Number({ minimum: 0 });
const Whole = Type.Integer({ minimum: 0 });
const Time = Type.Number({ minimum: 0, maximum: 8.64e15 });
const Counts = Type.Record(Name, Amount, { maxProperties: REASONS_MAX });
const Percentiles = Type.Object({ p50: Amount, p95: Amount, p99: Amount });

const Figures = Type.Object({
  version: Name,
  incarnation: Whole,
  upSince: Time,
  ready: Type.Object({ ready: Type.Boolean(), why: Type.Array(Text, { maxItems: LINKS_MAX }) }),
  rates: Type.Object({ published: Amount, delivered: Amount, forwarded: Amount, landed: Amount }),
  latency: Type.Object({
    publish: Type.Optional(Percentiles),
    delivery: Type.Optional(Percentiles),
  }),
  disk: Type.Object({ freeBytes: Amount, journalBytes: Amount, full: Type.Boolean() }),
  eventLoopDelayMs: Type.Object({ p50: Amount, p99: Amount }),
  rssBytes: Amount,
  queued: Whole,
  deadLetters: Whole,
  copies: Type.Array(
    Type.Object({
      node: Name,
      state: Type.Union([Type.Literal('opening'), Type.Literal('streaming'), Type.Literal('away')]),
      complete: Type.Boolean(),
      behind: Whole,
    }),
    { maxItems: LINKS_MAX },
  ),
  dropped: Counts,
  refused: Counts,
});

const Ledger = Type.Object({
  at: Time,
  outcome: Type.Union([Type.Literal('agrees'), Type.Literal('differs'), Type.Literal('unknown')]),
  text: Text,
});

const Link = Type.Object({
  to: Name,
  state: Type.Union([Type.Literal('up'), Type.Literal('slow'), Type.Literal('gapped'), Type.Literal('down')]),
  why: Text,
  since: Time,
  roundTripMs: Type.Optional(Amount),
  eventsPerSecond: Amount,
  bytesPerSecond: Amount,
  queued: Whole,
  lagMs: Amount,
  doubtful: Whole,
  ledger: Type.Optional(Ledger),
});

const Subscription = Type.Object({
  name: Name,
  topic: Topic,
  group: Name,
  via: Type.Union([
    Type.Literal('stream'),
    Type.Literal('pull'),
    Type.Literal('webhook'),
    Type.Literal('nobody'),
  ]),
  consumers: Whole,
  depth: Whole,
  inFlight: Whole,
  oldestAt: Time,
  deliveredPerSecond: Amount,
  redelivered: Whole,
  deadLettered: Whole,
  stuck: Text,
});

const CanaryFigures = Type.Object({
  sent: Whole,
  arrived: Whole,
  availability: Type.Optional(Type.Number({ minimum: 0, maximum: 1 })),
  latencyMs: Type.Optional(Percentiles),
});

const Canary = Type.Object({
  to: Name,
  lastAt: Time,
  /** Meshers of before do not say it. */
  lately: Type.Optional(CanaryFigures),
  hour: CanaryFigures,
  day: CanaryFigures,
  month: CanaryFigures,
});

export const ReportSchema = Type.Object({
  at: Time,
  figures: Figures,
  links: Type.Array(Link, { maxItems: LINKS_MAX }),
  subscriptions: Type.Array(Subscription, { maxItems: TOLD_MAX }),
  topics: Type.Array(Type.Object({ topic: Topic, publishedPerSecond: Amount, published: Whole }), {
    maxItems: TOLD_MAX,
  }),
  canaries: Type.Array(Canary, { maxItems: LINKS_MAX }),
  /** Of the last minute, by reason. */
  droppedLately: Counts,
  /** Copies that others are to hold of its journal. */
  copiesWanted: Whole,
  /** Of the lists above, where they are cut: how many there are. */
  cut: Type.Object({
    links: Type.Optional(Whole),
    subscriptions: Type.Optional(Whole),
    topics: Type.Optional(Whole),
  }),
});

export type MesherReport = DeepReadonly<Static<typeof ReportSchema>>;
export type LinkReport = MesherReport['links'][number];
export type SubscriptionReport = MesherReport['subscriptions'][number];
export type CanaryReport = MesherReport['canaries'][number];

const NoParameters = Type.Object({});

export const OVERVIEW_QUESTION: Question<typeof NoParameters, typeof ReportSchema> = {
  kind: 'overview',
  asked: NoParameters,
  told: ReportSchema,
  toldBytesMax: REPORT_BYTES_MAX,
};
