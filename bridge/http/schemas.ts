// What the bridge's routes take and answer, as schemas: for validation where they are simple, for /openapi.json always.
// The server that the bridge is registered with brings the schema `Problem#`.

import type { Static, TSchema } from 'typebox';
import Type from 'typebox';
import { Check } from 'typebox/value';
import type { ErrorCode } from '../../node/core/errors.ts';
import { ERRORS, MeshError } from '../../node/core/errors.ts';
import { DELIVERY_DEFAULTS, DELIVERY_RANGES } from '../../node/core/subscription.ts';
import { PULL_EVENTS_MAX, PULL_WAIT_MS_MAX, SETTLEMENTS_MAX } from './config.ts';

export const json = (description: string, schema: TSchema) => ({
  description,
  content: { 'application/json': { schema } },
});

/** One response for each status that the codes have. */
export function problems(...codes: readonly ErrorCode[]): Record<number, unknown> {
  const byStatus = new Map<number, ErrorCode[]>();
  for (const code of [...codes, 'shutting-down', 'internal'] as const) {
    const { status } = ERRORS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const responses: Record<number, unknown> = {};
  for (const [status, each] of byStatus) {
    const retryAfter = {
      'Retry-After': { type: 'integer', description: 'Seconds after which to try again' },
    };
    responses[status] = {
      description: each.join(', '),
      ...(status === 429 || status === 503 || status === 507 ? { headers: retryAfter } : {}),
      content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
    };
  }
  return responses;
}

export const Name = Type.Object({
  name: Type.String({ description: "The subscription's name", examples: ['billing'] }),
});

/** Of a node id, with room to spare. */
const NODE_LENGTH_MAX = 128;

export const MadeOn = Type.Object({
  madeOn: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: NODE_LENGTH_MAX,
      description:
        'The mesher where the subscription was made, as an earlier answer named it. It is then found under whatever name its heir gave it; where it is elsewhere the answer is `subscription-elsewhere`, with `node` and `http` of that mesher.',
    }),
  ),
});

/** Throws `invalid-request`. */
export function madeOnOf({ madeOn }: Static<typeof MadeOn>): string | undefined {
  if (madeOn === undefined || Check(MadeOn.properties.madeOn, madeOn)) return madeOn;
  throw new MeshError(
    'invalid-request',
    `query madeOn: it must be the id of one mesher, of 1 to ${NODE_LENGTH_MAX} characters`,
  );
}

const Topic = (description: string, example: string) => Type.String({ description, examples: [example] });

export const CloudEventSchema = Type.Object(
  {
    specversion: Type.Literal('1.0'),
    id: Type.String({ minLength: 1 }),
    source: Type.String({ minLength: 1, description: 'URI reference' }),
    type: Type.String({ minLength: 1 }),
    datacontenttype: Type.Optional(Type.String()),
    dataschema: Type.Optional(Type.String()),
    subject: Type.Optional(Type.String()),
    time: Type.Optional(Type.String({ description: 'RFC 3339' })),
    data: Type.Optional(Type.Unknown()),
    data_base64: Type.Optional(Type.String()),
  },
  {
    description: 'A CloudEvent 1.0 in the JSON format; extensions are further members',
    additionalProperties: true,
    examples: [
      {
        specversion: '1.0',
        id: 'A234-1234-1234',
        source: '/shop/eu',
        type: 'com.example.order.created',
        time: '2026-01-31T17:30:00Z',
        datacontenttype: 'application/json',
        data: { order: 4711 },
      },
    ],
  },
);

export const PublishedSchema = Type.Object({
  events: Type.Array(
    Type.Object({
      source: Type.String(),
      id: Type.String(),
      origin: Type.String({ description: 'The mesher that took it' }),
      sequence: Type.Integer({
        description: 'Counts up by one for each event that this mesher takes in one incarnation',
      }),
      destinations: Type.Object({
        subscriptions: Type.Integer({ description: 'Subscriptions on this mesher' }),
        meshers: Type.Array(Type.String({ description: 'Other meshers of this cluster' })),
        clusters: Type.Array(Type.String({ description: 'Remote clusters' })),
      }),
    }),
  ),
});

const ranged = (key: keyof typeof DELIVERY_RANGES, description: string) => {
  const { min: minimum, max: maximum } = DELIVERY_RANGES[key];
  const fallback = DELIVERY_DEFAULTS[key];
  return Type.Optional(
    Type.Integer({ minimum, maximum, description, ...(fallback === undefined ? {} : { default: fallback }) }),
  );
};

const Delivery = Type.Object({
  ackTimeoutMs: ranged(
    'ackTimeoutMs',
    'How long a delivered event may stay unsettled before it is delivered again',
  ),
  retries: ranged('retries', 'Deliveries after the first before the event goes to the dead-letter topic'),
  backoffMs: ranged(
    'backoffMs',
    'Wait before the first retry; doubles each time up to one minute; jitter takes up to half of it',
  ),
  maxInFlight: ranged('maxInFlight', 'Events delivered and not yet settled'),
  ordered: Type.Optional(
    Type.Boolean({
      default: DELIVERY_DEFAULTS.ordered,
      description: 'Events with the same partitionkey one after the other',
    }),
  ),
  deadLetterTopic: Type.Optional(
    Topic('Where rejected events go; else they are kept in $dead-letters', 'orders/dead'),
  ),
  queueEventsMax: ranged('queueEventsMax', 'Events that the queue may hold; none: as many as the disk takes'),
  whenFull: Type.Optional(
    Type.Unsafe<string>({
      type: 'string',
      enum: ['drop-oldest', 'drop-newest'],
      default: DELIVERY_DEFAULTS.whenFull,
    }),
  ),
});

const settings = {
  topic: Topic('A topic filter: + is one level, # the rest', 'orders/#'),
  group: Type.Optional(
    Type.String({ description: 'Members of a group share the events', examples: ['workers'] }),
  ),
  sink: Type.Optional(
    Type.String({
      description: 'Webhook address; it must agree (CloudEvents webhook specification §4)',
      examples: ['https://example.com/hook'],
    }),
  ),
};

export const SubscriptionSchema = Type.Object(
  { ...settings, delivery: Type.Optional(Delivery) },
  { examples: [{ topic: 'orders/#', delivery: { retries: 3 } }] },
);

export const SubscriptionStateSchema = Type.Object({
  name: Type.String(),
  ...settings,
  delivery: Delivery,
  madeOn: Type.String({
    description:
      'The mesher where it was made: another one where that is gone for good, and this one took it over',
  }),
  state: Type.Object({
    depth: Type.Integer({ description: 'Events kept for it, in-flight ones included' }),
    inFlight: Type.Integer(),
    sessions: Type.Integer({ description: 'Open streams and waiting pulls' }),
    oldestAcceptedAt: Type.Union([Type.String(), Type.Null()], {
      description: 'When the oldest waiting event was accepted',
    }),
  }),
  webhook: Type.Optional(
    Type.Object({
      status: Type.Unsafe<string>({ type: 'string', enum: ['asking', 'refused', 'active', 'gone'] }),
      why: Type.String(),
      since: Type.String(),
      ratePerMinute: Type.Union([Type.Integer(), Type.Null()]),
      pausedUntil: Type.Union([Type.String(), Type.Null()]),
      lastFailure: Type.String(),
    }),
  ),
});

export const SubscriptionListSchema = Type.Object({ subscriptions: Type.Array(SubscriptionStateSchema) });

export const DeliverySchema = Type.Object({
  event: CloudEventSchema,
  topic: Type.String(),
  attempt: Type.Integer({ description: '1 for the first delivery' }),
  token: Type.Optional(Type.String({ description: 'Settles this delivery; absent on ephemeral streams' })),
  origin: Type.String({ description: 'The mesher that took it' }),
  sequence: Type.Integer(),
  acceptedAt: Type.String({ description: 'When its origin took it' }),
  path: Type.Array(Type.String(), { description: 'Clusters visited, origin first' }),
  deadLetter: Type.Optional(
    Type.Object({
      subscription: Type.String(),
      reason: Type.String(),
      attempts: Type.Integer(),
      topic: Type.String(),
    }),
  ),
});

export const PullSchema = Type.Object(
  {
    max: Type.Optional(
      Type.Integer({ minimum: 1, maximum: PULL_EVENTS_MAX, default: 100, description: 'Events at most' }),
    ),
    waitMs: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: PULL_WAIT_MS_MAX,
        default: 0,
        description: 'How long to wait for the first',
      }),
    ),
  },
  { additionalProperties: false, examples: [{ max: 10, waitMs: 5000 }] },
);

export const PulledSchema = Type.Object({ events: Type.Array(DeliverySchema) });

const Token = Type.String({ minLength: 1, maxLength: 1024 });

export const SettleSchema = Type.Object(
  {
    ack: Type.Optional(Type.Array(Token, { maxItems: SETTLEMENTS_MAX, description: 'Done with' })),
    retry: Type.Optional(
      Type.Array(
        Type.Object(
          {
            token: Token,
            delayMs: Type.Optional(
              Type.Integer({
                minimum: 0,
                maximum: DELIVERY_RANGES.backoffMs.max,
                description: "Else the subscription's backoff",
              }),
            ),
          },
          { additionalProperties: false },
        ),
        { maxItems: SETTLEMENTS_MAX, description: 'Deliver again' },
      ),
    ),
    reject: Type.Optional(
      Type.Array(
        Type.Object(
          { token: Token, reason: Type.Optional(Type.String({ maxLength: 1024 })) },
          { additionalProperties: false },
        ),
        {
          maxItems: SETTLEMENTS_MAX,
          description: 'Never deliver again: to the dead-letter topic',
        },
      ),
    ),
  },
  { additionalProperties: false, examples: [{ ack: ['t1', 't2'], retry: [{ token: 't3', delayMs: 1000 }] }] },
);

export const SettledSchema = Type.Object({
  settled: Type.Integer(),
  stale: Type.Array(Type.String(), {
    description: 'Tokens that are unknown, or were settled or timed out before',
  }),
});
