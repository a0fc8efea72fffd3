// Server-Sent Events: GET /v1/subscriptions/{name}/events (durable, resumable) and GET /v1/stream (ephemeral).

import type { FastifyInstance, FastifyReply } from 'fastify';
import type { Static } from 'typebox';
import Type from 'typebox';
import { parseToken } from '../../node/core/delivery-token.ts';
import { IN_FLIGHT_FEW } from '../../node/core/delivery.ts';
import type { FrontDoor } from '../../node/core/ports.ts';
import { parseGroup } from '../../node/core/subscription.ts';
import { AutoSettler } from './auto-settler.ts';
import type { HttpBridgeOptions } from './config.ts';
import { STREAM_TIMING } from './config.ts';
import { formatDelivery } from './delivery-json.ts';
import { EventStream } from './event-stream.ts';
import type { OpenStream } from './open-streams.ts';
import { OpenStreams } from './open-streams.ts';
import { DeliverySchema, Name, problems } from './schemas.ts';
import { stateOf } from './subscription-routes.ts';

export interface StreamLog {
  warn(fields: object, message: string): void;
}

const EVENT_STREAM = {
  description:
    'Server-Sent Events, without end. `event: message` has one delivery as JSON in `data` and its token as `id`; `event: closed` says why the mesher ended the stream.',
  content: { 'text/event-stream': { schema: DeliverySchema } },
};

const AckMode = Type.Object(
  {
    ack: Type.Optional(
      Type.Unsafe<'auto' | 'explicit'>({
        type: 'string',
        enum: ['auto', 'explicit'],
        default: 'auto',
        description:
          'auto: settled in order once sent, the newest kept for Last-Event-ID; explicit: by POST …/settle and nothing else',
      }),
    ),
  },
  { additionalProperties: false },
);

const Ephemeral = Type.Object(
  {
    topic: Type.String({ description: 'A topic filter', examples: ['orders/#'] }),
    group: Type.Optional(Type.String({ description: 'Members of a group share the events' })),
  },
  { additionalProperties: false },
);

export async function streamRoutes(
  app: FastifyInstance,
  options: HttpBridgeOptions,
  ports: { door: FrontDoor; log: StreamLog },
): Promise<void> {
  const { door } = ports;
  const { keepAliveMs } = { ...STREAM_TIMING, ...options.timing };
  const streams = new OpenStreams();
  app.addHook('preClose', (done) => {
    streams.endAll();
    done();
  });
  // Counted before it is attached: the door may close it at once. What `attach` throws is answered as a problem.
  const start = (
    name: string,
    opened: OpenStream,
    reply: FastifyReply,
    attach: Parameters<EventStream['open']>[0],
  ): void => {
    streams.add(name, opened);
    try {
      opened.stream.open(attach);
    } catch (error) {
      streams.remove(name, opened);
      throw error;
    }
    reply.hijack();
  };
  const settlerOf = (name: string, opened: () => OpenStream): AutoSettler =>
    new AutoSettler(
      () => chooseKept(door, name),
      (settlements) => door.settle(name, settlements),
      (error) => {
        // The disk failed, or the subscription went: either way this stream can promise nothing more.
        ports.log.warn({ err: error, subscription: name }, 'a stream ended: its events could not be settled');
        opened().stream.end('settle-failed');
      },
    );
  const base = { keepAliveMs, format: formatDelivery };

  const durable = {
    operationId: 'streamSubscription',
    summary: 'Stream the events of a durable subscription',
    tags: ['subscriptions'],
    params: Name,
    querystring: AckMode,
    headers: Type.Object({
      'last-event-id': Type.Optional(
        Type.String({
          description:
            'The last `id` received: what came on the same stream up to it is settled, unless the mesher was restarted since; then all that was not settled comes again. Ignored with `ack=explicit`.',
        }),
      ),
    }),
    response: { 200: EVENT_STREAM, ...problems('subscription-not-found', 'invalid-request', 'overloaded') },
  };
  app.get<{ Params: Static<typeof Name>; Querystring: Static<typeof AckMode> }>(
    '/v1/subscriptions/:name/events',
    { schema: durable },
    async (request, reply) => {
      const { name } = request.params;
      const lastId = request.headers['last-event-id'];
      const isExplicit = request.query.ack === 'explicit';
      const last = typeof lastId === 'string' && !isExplicit ? parseToken(lastId) : undefined;
      const resume = last === undefined ? {} : { resumeAfter: last };
      const { maxInFlight } = stateOf(door, name).subscription.delivery;
      const settler = isExplicit ? undefined : settlerOf(name, () => opened);
      const stream = new EventStream(reply.raw, {
        ...base,
        creditMax: maxInFlight,
        flushed: (deliveries) => settler?.flushed(deliveries.map(({ token }) => token)),
        idle: () => settler?.trim(),
        ended: () => {
          settler?.stop();
          streams.remove(name, opened);
        },
      });
      const opened: OpenStream = { stream, settler };
      start(name, opened, reply, (credit, events) => door.attach(name, { credit, ...resume }, events));
      streams.trim(name);
    },
  );

  const ephemeral = {
    operationId: 'streamTopic',
    summary: 'Stream events as they come, nothing kept',
    description:
      'An ephemeral subscription, as long as the connection. A client that is too slow misses the oldest.',
    tags: ['streams'],
    querystring: Ephemeral,
    response: {
      200: EVENT_STREAM,
      ...problems('invalid-filter', 'invalid-request', 'invalid-subscription', 'overloaded'),
    },
  };
  app.get<{ Querystring: Static<typeof Ephemeral> }>(
    '/v1/stream',
    { schema: ephemeral },
    async ({ query }, reply) => {
      const group = query.group === undefined ? {} : { group: parseGroup(query.group) };
      const stream = new EventStream(reply.raw, { ...base, ended: () => streams.remove('', opened) });
      const opened: OpenStream = { stream, settler: undefined };
      start('', opened, reply, (credit, events) =>
        door.attachEphemeral(query.topic, { credit, ...group }, events),
      );
    },
  );
}

/**
 * How many sent events stay unsettled for Last-Event-ID: half the in-flight limit, but no more than may be in flight however large they
 * are, or nothing would be settled any more; shared with the subscription's other sessions. None where order is asked for: the next event of a key comes only when the one before is settled.
 */
export function chooseKept(door: FrontDoor, name: string): number {
  const state = door.subscription(name);
  if (!state) return Infinity; // deleted: nothing is left to settle, and the stream is about to be told
  const { ordered, maxInFlight } = state.subscription.delivery;
  return ordered ? 0 : Math.floor(Math.min(maxInFlight, IN_FLIGHT_FEW) / 2 / Math.max(1, state.sessions));
}
