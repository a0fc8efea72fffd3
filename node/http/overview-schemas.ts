// The bodies of GET /v1/overview and /v1/overview/history as schemas, for /openapi.json. They describe core/overview.ts; a test holds the
// two against each other.

import Type from 'typebox';
import { FederationSchema, LinksSchema } from './schemas.ts';

const Count = (description: string) => Type.Integer({ minimum: 0, description });
const Rate = (description: string) => Type.Number({ minimum: 0, description: `${description}, per second` });
const Time = (description: string) => Type.Number({ description: `${description}, ms since the epoch` });
const Millis = (description: string) => Type.Number({ description: `${description}, ms` });
const Node = Type.String({ description: 'Node id of a mesher' });
const PercentilesSchema = Type.Object({ p50: Type.Number(), p95: Type.Number(), p99: Type.Number() });
const Counts = (description: string) => Type.Record(Type.String(), Type.Number(), { description });

const AlarmSchema = Type.Object({
  severity: Type.Union([Type.Literal('critical'), Type.Literal('warning')]),
  code: Type.String({ examples: ['link-down', 'subscription-stuck'] }),
  text: Type.String({ description: 'One sentence: what, where, since when and why' }),
  help: Type.String({ description: 'One sentence: what to do' }),
  since: Time('Since when it is so'),
  about: Type.Object({
    cluster: Type.Optional(Type.String()),
    mesher: Type.Optional(Node),
    peer: Type.Optional(Type.String({ description: 'The other end of a link' })),
    subscription: Type.Optional(Type.String()),
  }),
});

const FiguresSchema = Type.Object({
  version: Type.String(),
  incarnation: Type.Integer(),
  upSince: Time('When it was started'),
  ready: Type.Object({ ready: Type.Boolean(), why: Type.Array(Type.String()) }),
  rates: Type.Object(
    {
      published: Type.Number(),
      delivered: Type.Number(),
      forwarded: Type.Number(),
      landed: Type.Number(),
    },
    { description: 'Events per second over the last few seconds' },
  ),
  latency: Type.Object(
    { publish: Type.Optional(PercentilesSchema), delivery: Type.Optional(PercentilesSchema) },
    { description: 'Of the last minute, ms; left out where nothing was measured' },
  ),
  disk: Type.Object({ freeBytes: Type.Number(), journalBytes: Type.Number(), full: Type.Boolean() }),
  eventLoopDelayMs: Type.Object({ p50: Type.Number(), p99: Type.Number() }),
  rssBytes: Type.Number(),
  queued: Count('Events that wait, in all queues but that of dead letters'),
  deadLetters: Count('Events that wait as dead letters'),
  copies: LinksSchema.properties.copies,
  dropped: Counts('Events dropped since its start, by reason'),
  refused: Counts('Publish requests refused since its start, by reason'),
});

const MesherSchema = Type.Object({
  node: Node,
  cluster: Type.String(),
  http: Type.String(),
  labels: Type.Record(Type.String(), Type.String()),
  status: Type.Union([Type.Literal('alive'), Type.Literal('suspect'), Type.Literal('dead')]),
  silent: Type.String({ description: "Why there are no figures of it; '' where there are" }),
  figures: Type.Optional(FiguresSchema),
});

const LinkSchema = Type.Object({
  from: Node,
  to: Node,
  state: Type.Union([Type.Literal('up'), Type.Literal('slow'), Type.Literal('gapped'), Type.Literal('down')]),
  why: Type.String({ description: "Why it is not up; '' where it is" }),
  since: Time('Since when it is so'),
  roundTripMs: Type.Optional(Millis('Smoothed round trip')),
  eventsPerSecond: Rate('Events sent'),
  bytesPerSecond: Rate('Bytes sent'),
  queued: Count('Events that wait for it'),
  lagMs: Millis('How old the oldest of them is'),
  doubtful: Count('Events that may have come twice over it'),
  ledger: Type.Optional(
    Type.Object({
      at: Time('When both ends were compared'),
      outcome: Type.Union([Type.Literal('agrees'), Type.Literal('differs'), Type.Literal('unknown')]),
      text: Type.String(),
    }),
  ),
});

const SubscriptionSchema = Type.Object({
  name: Type.String(),
  mesher: Node,
  cluster: Type.String(),
  topic: Type.String(),
  group: Type.String(),
  via: Type.Union([
    Type.Literal('stream'),
    Type.Literal('pull'),
    Type.Literal('webhook'),
    Type.Literal('nobody'),
  ]),
  consumers: Count('Open streams and waiting pulls'),
  depth: Count('Events held for it'),
  inFlight: Count('Of these, delivered and not settled'),
  oldestAt: Time('When the oldest that waits was accepted; 0: none waits'),
  deliveredPerSecond: Rate('Events handed out'),
  redelivered: Count('Deliveries after the first'),
  deadLettered: Count('Events that became dead letters'),
  stuck: Type.String({ description: "Why it does not keep up; '' where it does" }),
});

const ListedEnd = { mesher: Node, cluster: Type.String() };
const TopicSchema = Type.Object({
  topic: Type.String(),
  publishedPerSecond: Rate('Events published'),
  published: Count('Events published in the last hour'),
  publishers: Type.Array(Type.Object(ListedEnd)),
  listeners: Type.Array(Type.Object({ ...ListedEnd, subscription: Type.String() })),
});

const CanaryFiguresSchema = Type.Object({
  sent: Type.Integer(),
  arrived: Type.Integer(),
  availability: Type.Optional(Type.Number({ description: '0 to 1; left out: none was due yet' })),
  latencyMs: Type.Optional(PercentilesSchema),
});

export const OverviewSchema = Type.Object({
  federation: Type.String(),
  self: Node,
  at: Time('When this was gathered'),
  registry: FederationSchema.properties.registry,
  alarms: Type.Array(AlarmSchema, { description: 'What is wrong, the worst first' }),
  clusters: Type.Array(
    Type.Object({
      name: Type.String(),
      place: Type.Optional(
        Type.Object({
          lat: Type.Number(),
          lon: Type.Number(),
          from: Type.Union([Type.Literal('labels'), Type.Literal('name')]),
        }),
      ),
      meshers: Type.Array(Node),
    }),
  ),
  meshers: Type.Array(MesherSchema),
  links: Type.Array(LinkSchema, { description: 'Each as its `from` sees it: two for each pair' }),
  subscriptions: Type.Array(SubscriptionSchema),
  topics: Type.Array(TopicSchema),
  canaries: Type.Array(
    Type.Object({
      from: Type.String(),
      to: Type.String(),
      lastAt: Time('When the last one arrived'),
      lately: CanaryFiguresSchema,
      hour: CanaryFiguresSchema,
      day: CanaryFiguresSchema,
      month: CanaryFiguresSchema,
    }),
  ),
  cut: Type.Record(Type.String(), Type.Number(), {
    description: 'Lists above that are cut at their bounds, with how many there are',
  }),
});

export const HistorySchema = Type.Object({
  of: Type.Union([
    Type.Literal('cluster'),
    Type.Literal('mesher'),
    Type.Literal('topic'),
    Type.Literal('subscription'),
  ]),
  name: Type.String(),
  until: Time('When the last step ends'),
  stepMs: Millis('Length of a step'),
  series: Type.Array(
    Type.Object({
      name: Type.String({ examples: ['published', 'depth'] }),
      unit: Type.Union([
        Type.Literal('events/s'),
        Type.Literal('ms'),
        Type.Literal('events'),
        Type.Literal('bytes'),
      ]),
      values: Type.Array(Type.Union([Type.Number(), Type.Null()]), {
        description: 'The last hour, the oldest first; null: nothing is known',
      }),
    }),
  ),
});
