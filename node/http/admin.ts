// What a mesher tells of itself and the federation, and its probes. Reads only: all state is the view's.

import type { FastifyPluginAsync } from 'fastify';
import Type from 'typebox';
import { MeshError } from '../core/errors.ts';
import type { Limits } from '../core/limits.ts';
import { checkTopic } from '../core/topic.ts';
import type { MesherView } from '../core/views.ts';
import {
  FederationSchema,
  LedgerSchema,
  LinksSchema,
  QueuesSchema,
  RoutesSchema,
  TraceSchema,
} from './schemas.ts';

/** Characters of a source or an id: longer ones fit into no line of a request. */
const NAME_MAX = 8_192;

interface AdminOptions {
  readonly view: MesherView;
  readonly limits: Pick<Limits, 'topicBytesMax' | 'topicLevelsMax'>;
}

const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
});
const json = (description: string, schema: unknown) => ({
  description,
  content: { 'application/json': { schema } },
});

export const adminRoutes: FastifyPluginAsync<AdminOptions> = async (app, { view, limits }) => {
  const describe = (operationId: string, summary: string, schema: unknown) => ({
    schema: { operationId, summary, tags: ['federation'], response: { 200: json(summary, schema) } },
  });
  app.get(
    '/v1/federation',
    describe('getFederation', 'Members, registry and readiness as this mesher knows them', FederationSchema),
    async () => view.federation(),
  );
  app.get(
    '/v1/links',
    describe('getLinks', 'Links to other meshers, and the lanes over them', LinksSchema),
    async () => view.links(),
  );
  app.get(
    '/v1/queues',
    describe('getQueues', 'Queues of subscriptions and lanes', QueuesSchema),
    async () => ({ queues: view.queues() }),
  );

  app.get(
    '/v1/ledger',
    describe(
      'verifyLedger',
      'What both ends of each link count, compared now: whether anything was lost, and exactly what',
      LedgerSchema,
    ),
    async () => view.ledger(),
  );

  const routes = {
    operationId: 'getRoutes',
    summary: 'Who would get an event on a topic, over which links, and why not the others',
    tags: ['federation'],
    querystring: Type.Object(
      { topic: Type.String({ description: 'A topic, without wildcards', examples: ['orders/eu/created'] }) },
      { additionalProperties: false },
    ),
    response: {
      200: json('A dry run: nothing is published', RoutesSchema),
      400: problem('invalid-topic, invalid-request'),
    },
  };
  app.get<{ Querystring: { topic: string } }>('/v1/routes', { schema: routes }, async ({ query }) =>
    view.routes(checkTopic(query.topic, limits)),
  );

  const trace = {
    operationId: 'getTrace',
    summary: 'What became of an event, hop by hop, as all meshers that can be asked know it',
    tags: ['federation'],
    querystring: Type.Object(
      {
        source: Type.String({ maxLength: NAME_MAX, description: "The event's source", examples: ['/shop'] }),
        id: Type.String({ maxLength: NAME_MAX, description: "The event's id", examples: ['1'] }),
      },
      { additionalProperties: false },
    ),
    response: {
      200: json('Its hops, none where nobody remembers it; `verdict` says it in one sentence', TraceSchema),
      400: problem('invalid-request'),
      404: problem('not-found: this mesher is set to remember nothing'),
    },
  };
  app.get<{ Querystring: { source: string; id: string } }>(
    '/v1/trace',
    { schema: trace },
    async ({ query }) => view.trace(query),
  );

  const health = {
    operationId: 'getHealth',
    summary: 'Whether the process lives',
    tags: ['health'],
    response: { 200: json('It does', Type.Object({ status: Type.Literal('ok') })) },
  };
  app.get('/healthz', { schema: health }, async () => ({ status: 'ok' }));

  const ready = {
    operationId: 'getReadiness',
    summary: 'Whether it has joined, has the routes of every live peer, and can write its disk',
    tags: ['health'],
    response: {
      200: json('Ready', Type.Object({ ready: Type.Literal(true), why: Type.Array(Type.String()) })),
      503: problem('not-ready: `why` lists the reasons'),
    },
  };
  app.get('/readyz', { schema: ready }, async () => {
    const why = view.notReady();
    if (why.length > 0) throw new MeshError('not-ready', why.join(' '), { details: { ready: false, why } });
    return { ready: true, why };
  });
};
