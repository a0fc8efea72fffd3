// /v1/subscriptions: make, replace, show, delete; pull and settle. Streams are in stream-routes.ts.

import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Static } from 'typebox';
import type { Settlement } from '../../node/core/delivery-types.ts';
import { MeshError } from '../../node/core/errors.ts';
import type { NodeId } from '../../node/core/event.ts';
import { formatToken, parseToken, type DeliveryToken } from '../../node/core/delivery-token.ts';
import type { DecodedDelivery, FrontDoor } from '../../node/core/ports.ts';
import type { SubscriptionState } from '../../node/core/subscription.ts';
import { DEAD_LETTERS, parseSubscription } from '../../node/core/subscription.ts';
import type { HttpBridgeOptions } from './config.ts';
import { SETTLEMENTS_MAX } from './config.ts';
import { formatDelivery } from './delivery-json.ts';
import {
  json,
  MadeOn,
  madeOnOf,
  Name,
  problems,
  PulledSchema,
  PullSchema,
  SettledSchema,
  SettleSchema,
  SubscriptionListSchema,
  SubscriptionSchema,
  SubscriptionStateSchema,
} from './schemas.ts';
import type { WebhookSinks } from './webhook.ts';

type ByName = { Params: Static<typeof Name> };
type Sought = ByName & { Querystring: Static<typeof MadeOn> };

/** Events asked of the door at a time, so that an answer stops growing near its limit. */
const PULL_STEP = 64;

const tags = ['subscriptions'];

export async function subscriptionRoutes(
  app: FastifyInstance,
  options: HttpBridgeOptions,
  door: FrontDoor,
  sinks: WebhookSinks,
): Promise<void> {
  const show = (state: SubscriptionState) => describeSubscription(state, door.node, sinks);
  const nameOf = ({ params, query }: { params: Static<typeof Name>; query: Static<typeof MadeOn> }) => {
    const madeOn = madeOnOf(query);
    return madeOn === undefined ? params.name : door.nameHere(params.name, madeOn);
  };

  const put = {
    operationId: 'putSubscription',
    summary: 'Make or replace a durable subscription',
    description:
      'Answers when it is on disk and its interest is announced. Replacing keeps the queue. With `madeOn` no second one is made where another mesher has it.',
    tags,
    params: Name,
    querystring: MadeOn,
    body: SubscriptionSchema,
    response: {
      200: json('Replaced', SubscriptionStateSchema),
      201: json('Made', SubscriptionStateSchema),
      ...problems(
        'invalid-subscription',
        'invalid-filter',
        'invalid-topic',
        'invalid-request',
        'unsupported-media-type',
        'batch-too-large',
        'too-many-subscriptions',
        'subscription-elsewhere',
        'not-ready',
        'storage-failed',
        'disk-full',
      ),
    },
  };
  // The schema is for people: parseSubscription says where, and what was meant.
  app.put<Sought>(
    '/v1/subscriptions/:name',
    { schema: put, validatorCompiler: () => () => true },
    async (request, reply) => {
      const name = nameOf(request);
      const { created } = await door.putSubscription(parseSubscription(name, request.body, options.limits));
      void sinks.askAgain(name);
      if (created) void reply.header('location', `/v1/subscriptions/${name}`);
      return reply.status(created ? 201 : 200).send(show(stateOf(door, name)));
    },
  );

  const get = {
    operationId: 'getSubscription',
    summary: 'A subscription, its queue, and its webhook',
    tags,
    params: Name,
    querystring: MadeOn,
    response: {
      200: json('The subscription', SubscriptionStateSchema),
      ...problems('subscription-not-found', 'subscription-elsewhere', 'invalid-request', 'not-ready'),
    },
  };
  app.get<Sought>(
    '/v1/subscriptions/:name',
    { schema: get, validatorCompiler: () => () => true },
    async (request) => show(stateOf(door, nameOf(request))),
  );

  const list = {
    operationId: 'listSubscriptions',
    summary: 'All durable subscriptions of this mesher',
    tags,
    response: { 200: json('In order of name', SubscriptionListSchema), ...problems() },
  };
  app.get('/v1/subscriptions', { schema: list }, async () => {
    const states = door.subscriptions().sort((a, b) => (a.subscription.name < b.subscription.name ? -1 : 1));
    return { subscriptions: states.map(show) };
  });

  const remove = {
    operationId: 'deleteSubscription',
    summary: 'Delete a subscription and its queue',
    description: 'Not `$dead-letters`, which is always there: pull and settle empty it.',
    tags,
    params: Name,
    response: {
      204: { description: 'Deleted', type: 'null' },
      ...problems('subscription-not-found', 'method-not-allowed', 'storage-failed'),
    },
  };
  app.delete<ByName>('/v1/subscriptions/:name', { schema: remove }, async ({ params }, reply) => {
    // For the refusal that the door has for it (RFC 9110 §15.5.6).
    if (params.name === DEAD_LETTERS) void reply.header('allow', 'GET, HEAD');
    await door.deleteSubscription(params.name);
    return reply.status(204).send();
  });

  pullRoute(app, options, door);
  settleRoute(app, door);
}

function pullRoute(app: FastifyInstance, options: HttpBridgeOptions, door: FrontDoor): void {
  const stopping = new AbortController();
  app.addHook('preClose', (done) => {
    stopping.abort();
    done();
  });
  const schema = {
    operationId: 'pullEvents',
    summary: 'Get events; each must be settled within the ack timeout',
    description:
      'Answers as soon as there are any, or empty after `waitMs`. May answer with fewer than `max` where events are large.',
    tags,
    params: Name,
    body: PullSchema,
    response: {
      200: json('In queue order', PulledSchema),
      ...problems('subscription-not-found', 'invalid-request', 'unsupported-media-type', 'overloaded'),
    },
  };
  app.post<ByName & { Body: Static<typeof PullSchema> }>(
    '/v1/subscriptions/:name/pull',
    { schema, preValidation: defaultBody },
    async ({ params, body }, reply) => {
      const leaving = abortOnClose(reply);
      const signal = AbortSignal.any([stopping.signal, leaving]);
      const { max = 100, waitMs = 0 } = body;
      const deliveries: DecodedDelivery[] = [];
      let text = '';
      // One string, so that JSON data goes out as it came in; the door is asked in steps, so that it stays bounded.
      while (deliveries.length < max && text.length < options.limits.batchBytesMax && !signal.aborted) {
        const first = deliveries.length === 0;
        const more = await door.pull(params.name, {
          max: Math.min(PULL_STEP, max - deliveries.length),
          waitMs: first ? waitMs : 0,
          signal,
        });
        if (more.length === 0) break;
        for (const delivery of more) text += `${text === '' ? '' : ','}${formatDelivery(delivery)}`;
        deliveries.push(...more);
      }
      if (leaving.aborted) await giveBack(door, params.name, deliveries);
      return reply.type('application/json; charset=utf-8').send(`{"events":[${text}]}`);
    },
  );
}

/** A pull without a body asks for what is there now. */
async function defaultBody(request: FastifyRequest): Promise<void> {
  request.body ??= {};
}

/** Nobody is there to get them: sooner back in the queue than after the ack timeout. */
async function giveBack(
  door: FrontDoor,
  name: string,
  deliveries: readonly DecodedDelivery[],
): Promise<void> {
  if (deliveries.length > 0)
    await door.settle(
      name,
      deliveries.map(({ token }) => ({ kind: 'retry', token, delayMs: 0 })),
    );
}

function abortOnClose(reply: FastifyReply): AbortSignal {
  const leaving = new AbortController();
  reply.raw.once('close', () => {
    if (!reply.raw.writableFinished) leaving.abort();
  });
  return leaving.signal;
}

function settleRoute(app: FastifyInstance, door: FrontDoor): void {
  const schema = {
    operationId: 'settleEvents',
    summary: 'Say what became of delivered events',
    description:
      'Answers when it is on disk. Tokens that are unknown or stale are listed; the others are settled all the same.',
    tags,
    params: Name,
    body: SettleSchema,
    response: {
      200: json('Settled', SettledSchema),
      ...problems(
        'subscription-not-found',
        'invalid-request',
        'unsupported-media-type',
        'batch-too-large',
        'storage-failed',
        'disk-full',
      ),
    },
  };
  app.post<ByName & { Body: Static<typeof SettleSchema> }>(
    '/v1/subscriptions/:name/settle',
    { schema },
    async ({ params, body }) => {
      const { settlements, unknown } = settlementsOf(body);
      const { settled, stale } = await door.settle(params.name, settlements);
      return { settled, stale: [...unknown, ...stale.map(({ token }) => formatToken(token))] };
    },
  );
}

/** `unknown`: texts that are no tokens. */
function settlementsOf({ ack = [], retry = [], reject = [] }: Static<typeof SettleSchema>): {
  readonly settlements: readonly Settlement[];
  readonly unknown: readonly string[];
} {
  const count = ack.length + retry.length + reject.length;
  if (count > SETTLEMENTS_MAX) {
    throw new MeshError(
      'invalid-request',
      `body: ${count} tokens, the limit of one request is ${SETTLEMENTS_MAX}`,
      { details: { limit: SETTLEMENTS_MAX } },
    );
  }
  const settlements: Settlement[] = [];
  const unknown: string[] = [];
  const seen = new Set<string>();
  const add = (text: string, settle: (token: DeliveryToken) => Settlement): void => {
    if (seen.has(text))
      throw new MeshError(
        'invalid-request',
        `body: the token ${JSON.stringify(text.slice(0, 80))} is given twice`,
        { details: { token: text.slice(0, 80) } },
      );
    seen.add(text);
    const token = parseToken(text);
    if (token) settlements.push(settle(token));
    else unknown.push(text);
  };
  for (const text of ack) add(text, (token) => ({ kind: 'ack', token }));
  for (const { token: text, delayMs } of retry) add(text, (token) => ({ kind: 'retry', token, delayMs }));
  for (const { token: text, reason = 'rejected by the subscriber' } of reject)
    add(text, (token) => ({ kind: 'reject', token, reason }));
  return { settlements, unknown };
}

/** Throws `subscription-not-found`. */
export function stateOf(door: FrontDoor, name: string): SubscriptionState {
  const state = door.subscription(name);
  if (state) return state;
  throw new MeshError(
    'subscription-not-found',
    `there is no subscription ${JSON.stringify(name.slice(0, 130))} on this mesher; PUT /v1/subscriptions/{name} makes one`,
    {
      details: { name: name.slice(0, 130) },
    },
  );
}

function describeSubscription(
  { subscription, depth, inFlight, sessions, oldestAcceptedAt }: SubscriptionState,
  node: NodeId,
  sinks: WebhookSinks,
) {
  const webhook = sinks.stateOf(subscription.name);
  return {
    ...subscription,
    madeOn: subscription.adoptedFrom ?? node,
    state: {
      depth,
      inFlight,
      sessions,
      oldestAcceptedAt: oldestAcceptedAt === 0 ? null : new Date(oldestAcceptedAt).toISOString(),
    },
    ...(webhook && { webhook }),
  };
}
