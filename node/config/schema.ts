// The one schema of a mesher's configuration: every setting's type, bounds, default and description. Flags, environment
// variables, the YAML file, the error texts and the reference in docs/config.md are all derived from it.
// A setting is a leaf; objects with `properties` are sections. Must not read anything: that is config.ts.

import Type from 'typebox';
import { REGISTRY_LIMITS, federationPattern } from '../../registry/limits.ts';
import { LIMITS, REPLICAS_MAX } from '../core/limits.ts';
import type { Limits } from '../core/limits.ts';
import { TIMING } from '../core/timing.ts';
import type { Timing } from '../core/timing.ts';

const name = '^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$';
const multiaddr = '^/(ip4|ip6|dns|dns4|dns6)/[^/\\s]+/tcp/\\d{1,5}$';

const limit = (key: keyof Limits, description: string) =>
  Type.Integer({ minimum: 1, maximum: Number.MAX_SAFE_INTEGER, default: LIMITS[key], description });

const limits = {
  eventBytesMax: limit('eventBytesMax', 'Bytes of one event. Above: refused, `event-too-large`.'),
  keyBytesMax: limit('keyBytesMax', 'UTF-8 bytes of a `partitionkey`. Above: refused, `invalid-event`.'),
  batchEventsMax: limit(
    'batchEventsMax',
    'Events in one publish request. Above: refused, `batch-too-large`.',
  ),
  batchBytesMax: limit('batchBytesMax', 'Bytes of one publish request. Above: refused, `batch-too-large`.'),
  stagedBytesMax: limit(
    'stagedBytesMax',
    'Bytes accepted and not yet on disk. Above: publishers get `overloaded`, links wait.',
  ),
  blockEventsMax: limit('blockEventsMax', 'Events in one block of the journal.'),
  blockBytesMax: limit('blockBytesMax', 'Bytes in one block of the journal.'),
  queueWindowBytes: limit(
    'queueWindowBytes',
    'Bytes of events one queue keeps in memory; the rest is read back from disk.',
  ),
  queueWindowEvents: limit('queueWindowEvents', 'Events one queue keeps in memory.'),
  inFlightBytesMax: limit(
    'inFlightBytesMax',
    "Bytes of one subscription's events that its consumers have and have not settled. Above: no more than 1,000 events are in their hands.",
  ),
  lanesPerCluster: limit('lanesPerCluster', 'Lanes to each remote cluster.'),
  laneInFlightBytes: limit('laneInFlightBytes', 'Bytes sent and not yet acked on one lane.'),
  frameBytesMax: limit('frameBytesMax', 'Bytes of events in one data frame.'),
  frameEventsMax: limit('frameEventsMax', 'Events in one data frame.'),
  linkFrameBytesMax: limit('linkFrameBytesMax', 'Bytes of any frame on a link. Above: the link is closed.'),
  ephemeralQueueEvents: limit(
    'ephemeralQueueEvents',
    'Events waiting for one ephemeral session. Above: the oldest is dropped.',
  ),
  ephemeralQueueBytes: limit(
    'ephemeralQueueBytes',
    'Bytes of the events waiting for one ephemeral session. Above: the oldest are dropped.',
  ),
  subscriptionsMax: limit(
    'subscriptionsMax',
    'Subscriptions of one mesher. Above: refused, `too-many-subscriptions`.',
  ),
  sessionsMax: limit('sessionsMax', 'Open streams and pulls of one mesher. Above: refused, `overloaded`.'),
  interestsMax: limit('interestsMax', "Interests in one mesher's record. Above: refused."),
  deltaOpsMax: limit('deltaOpsMax', 'Operations in one route delta.'),
  gossipBytesMax: limit('gossipBytesMax', 'Bytes of one route delta; a larger one is announced and pulled.'),
  deltaRingMax: limit('deltaRingMax', 'Route deltas kept for peers that missed some.'),
  pullBytesMax: limit('pullBytesMax', 'Bytes of interests in one answer to a route pull.'),
  rememberBytesMax: limit(
    'rememberBytesMax',
    "Bytes of others' durable interests written in one tick; the rest waits for the next.",
  ),
  membersMax: limit('membersMax', 'Members one mesher knows. Above: new ones are refused.'),
  topicBytesMax: limit('topicBytesMax', 'UTF-8 bytes of a topic or filter. Above: refused.'),
  topicLevelsMax: limit('topicLevelsMax', 'Levels of a topic or filter. Above: refused.'),
  routeCacheMax: limit('routeCacheMax', 'Routing decisions kept for hot topics.'),
} satisfies Record<keyof Limits, Type.TSchema>;

const duration = (key: keyof Timing, description: string) =>
  Type.Integer({ minimum: 1, maximum: 2 ** 41, default: TIMING[key], description });

const timing = {
  tickMs: duration('tickMs', 'How often the core is ticked: the grain of every time-out.'),
  announceEveryMs: duration('announceEveryMs', 'Least time between two route deltas.'),
  removalDelayMs: duration('removalDelayMs', 'A removed interest is announced this much later.'),
  exchangeEveryMs: duration('exchangeEveryMs', 'Mean time between two route exchanges with a random peer.'),
  rememberEveryMs: duration(
    'rememberEveryMs',
    "How often changes of other meshers' durable interests are written to disk.",
  ),
  pullTimeoutMs: duration(
    'pullTimeoutMs',
    'A route pull without progress for this long is tried with another peer.',
  ),
  relistEveryMs: duration('relistEveryMs', 'Members are listed anew this often, up to twice as long.'),
  registryPauseMs: duration('registryPauseMs', 'Least time between two lists, or two registrations.'),
  pingEveryMs: duration('pingEveryMs', 'Time between two probes of a link.'),
  linkSilenceMs: duration(
    'linkSilenceMs',
    'A link without a sign of life for this long is closed and dialled again.',
  ),
  linkGraceMs: duration(
    'linkGraceMs',
    "How long a lane waits for its landing mesher's link before it moves to another.",
  ),
  laneStallMs: duration(
    'laneStallMs',
    'A lane without an ack for this long, though data is in flight, is opened again.',
  ),
  deadAfterMs: duration('deadAfterMs', 'A suspect whose link stays down this long is dead.'),
  forgetAfterMs: duration(
    'forgetAfterMs',
    "A dead mesher is remembered, and its subscriptions' events kept, this long.",
  ),
} satisfies Record<keyof Timing, Type.TSchema>;

export const configSchema = Type.Object({
  federation: Type.String({
    pattern: federationPattern,
    default: 'causeway',
    description: 'Name of the federation. Meshers of other federations are never talked to.',
  }),
  cluster: Type.String({
    pattern: name,
    description: 'The region, cloud or site this mesher belongs to, e.g. `aws-eu-west-1`. Must be given.',
  }),
  data: Type.String({
    minLength: 1,
    default: './data/node',
    description: "Folder of the journal and the mesher's key. One mesher at a time.",
  }),
  replicas: Type.Integer({
    minimum: 1,
    maximum: REPLICAS_MAX,
    default: 1,
    description:
      'Meshers of the cluster, this one included, that have an event on disk before its publisher hears so. With fewer at hand, publishing is refused: `not-enough-replicas`.',
  }),
  registry: Type.Object({
    address: Type.String({
      minLength: 1,
      default: 'http://127.0.0.1:7420',
      description:
        'Where meshers find each other: `etcd://h1:2379,h2:2379`, `etcds://…` (TLS), `http(s)://host:7420` (embedded).',
    }),
    user: Type.Optional(Type.String({ minLength: 1, description: 'User name at the registry.' })),
    passwordFile: Type.Optional(
      Type.String({ minLength: 1, description: 'File that holds the password at the registry.' }),
    ),
    caFile: Type.Optional(
      Type.String({
        minLength: 1,
        description: "File with the CA certificates that sign the registry's (PEM).",
      }),
    ),
    certFile: Type.Optional(
      Type.String({ minLength: 1, description: "File with this mesher's client certificate (PEM)." }),
    ),
    keyFile: Type.Optional(
      Type.String({ minLength: 1, description: "File with the client certificate's private key (PEM)." }),
    ),
    leaseTtlMs: Type.Integer({
      minimum: REGISTRY_LIMITS.ttlMsMin,
      maximum: REGISTRY_LIMITS.ttlMsMax,
      default: 20_000,
      description: 'How long the registration outlives the last sign of life, ms.',
    }),
  }),
  http: Type.Object({
    listen: Type.String({
      pattern: '^(\\[[0-9a-fA-F:.]+\\]|[^:\\s\\[\\]]*):\\d{1,5}$',
      default: '127.0.0.1:7400',
      description:
        'host:port of the HTTP API. Port 0: one that is free. Beyond loopback only with `insecure`.',
    }),
    advertise: Type.Optional(
      Type.String({
        pattern: '^https?://[^\\s/]+',
        description: 'Base URL of the HTTP API as others reach it.',
      }),
    ),
  }),
  link: Type.Object({
    listen: Type.Array(Type.String({ pattern: multiaddr }), {
      default: ['/ip4/127.0.0.1/tcp/7401'],
      description: 'Multiaddrs on which other meshers are awaited. Port 0: one that is free.',
    }),
    advertise: Type.Array(Type.String({ pattern: multiaddr }), {
      default: [],
      description:
        'Multiaddrs at which others reach this mesher, where they differ from those it listens on.',
    }),
    encryption: Type.Union([Type.Literal('noise'), Type.Literal('tls')], {
      default: 'noise',
      description: 'How links are encrypted. The same in the whole federation.',
    }),
  }),
  dashboard: Type.Object({
    operators: Type.Union([Type.Literal('federation'), Type.Literal('cluster'), Type.Literal('nobody')], {
      default: 'cluster',
      description:
        'Who may redrive and drop dead letters of this mesher: its own HTTP API and meshers of its cluster, or of the whole federation; or nobody. All members may read them. Clients of the API are not authenticated, and which cluster a mesher is of is what it says in the registry.',
    }),
  }),
  canary: Type.Object({
    everyMs: Type.Integer({
      minimum: 0,
      maximum: 24 * 60 * 60 * 1000,
      default: 5_000,
      description:
        'How often each other cluster is probed with a small event over the real path, ms, by one mesher of this cluster. 0: never, and probes of others are not answered.',
    }),
  }),
  labels: Type.Record(Type.String({ pattern: name }), Type.String({ maxLength: 256 }), {
    default: {},
    description: 'Labels that the member record carries, e.g. `zone: a`.',
  }),
  insecure: Type.Boolean({
    default: false,
    description: 'Allows an HTTP API without authentication beyond loopback.',
  }),
  log: Type.Object({
    level: Type.Union(
      [
        Type.Literal('trace'),
        Type.Literal('debug'),
        Type.Literal('info'),
        Type.Literal('warn'),
        Type.Literal('error'),
        Type.Literal('silent'),
      ],
      { default: 'info', description: 'The least level that is logged (JSON lines on stderr).' },
    ),
  }),
  tracing: Type.Object({
    endpoint: Type.Optional(
      Type.String({
        pattern: '^https?://[^\\s/?#@]+(/[^\\s?#]*)?$',
        description:
          'Base URL of an OTLP receiver (HTTP, Protobuf), e.g. `http://127.0.0.1:4318`: spans go to `/v1/traces` below it. Left out: no tracing (docs/tracing.md).',
      }),
    ),
    headersFile: Type.Optional(
      Type.String({
        minLength: 1,
        description: 'File with headers that the receiver asks for, one `name: value` a line.',
      }),
    ),
    sampleRatio: Type.Number({
      minimum: 0,
      maximum: 1,
      default: 0,
      description:
        'Part of the events without a trace context that is traced, 0 to 1. The same in the whole federation.',
    }),
  }),
  trace: Type.Object({
    events: Type.Integer({
      minimum: 0,
      maximum: 10_000_000,
      default: 200_000,
      description:
        'Events whose way `causeway trace` can tell, the last ones: up to 145 bytes of memory each. 0: none, and no refused or dead-lettered event is noted on disk.',
    }),
  }),
  limits: Type.Object(limits, { description: 'Bounds; see node/core/limits.ts for the reasons.' }),
  timing: Type.Object(timing, { description: 'Durations; see node/core/timing.ts for the reasons.' }),
});

type DeepReadonly<T> = T extends readonly (infer Item)[]
  ? readonly DeepReadonly<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: DeepReadonly<T[Key]> }
    : T;

export type Config = DeepReadonly<Type.Static<typeof configSchema>>;
