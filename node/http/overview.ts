// GET /v1/overview, its stream and its history: the whole federation, as this mesher has gathered it from all members.

import type { ServerResponse } from 'node:http';
import type { FastifyPluginAsync } from 'fastify';
import Type from 'typebox';
import { MeshError } from '../core/errors.ts';
import type { HistoryView, Overview } from '../core/overview.ts';
import { HistorySchema, OverviewSchema } from './overview-schemas.ts';

export interface OverviewSource {
  /** Rejects with `not-ready`. */
  overview(): Promise<Overview>;
  /** Calls `shown` with the JSON of an overview every two seconds or so, until what it returns is called. Throws `not-ready`. */
  watch(shown: (json: string) => void): () => void;
  /** `name` of a subscription: `<mesher>/<name>`. Rejects with `not-found`, `mesher-unreachable`, `not-ready`. */
  history(of: HistoryView['of'], name: string): Promise<HistoryView>;
}

/** Streams at the same time. Each costs a copy of the same text every two seconds. Above: `overloaded`. */
export const WATCHERS_MAX = 64;
/** What a client is asked to wait before it connects again, ms. */
const RECONNECT_MS = 2_000;

const problem = (description: string) => ({
  description,
  content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
});

/** `source`: called with each request; throws `not-ready` until there is one. */
export function overviewRoutes(source: () => OverviewSource): FastifyPluginAsync {
  return async (app) => {
    const streams = new Set<ServerResponse>();
    app.addHook('preClose', (done) => {
      for (const stream of streams) stream.end();
      done();
    });

    app.get(
      '/v1/overview',
      {
        schema: {
          operationId: 'getOverview',
          summary:
            'Clusters, meshers, links, subscriptions, topics and what is wrong, of the whole federation',
          tags: ['federation'],
          response: {
            200: {
              description:
                'As gathered from all members within the last seconds; who did not answer says why',
              content: { 'application/json': { schema: OverviewSchema } },
            },
            503: problem('not-ready'),
          },
        },
      },
      async () => source().overview(),
    );

    app.get(
      '/v1/overview/stream',
      {
        exposeHeadRoute: false, // it would be a stream that nobody reads, and that keeps the place of one that somebody does
        schema: {
          operationId: 'streamOverview',
          summary: 'The same, again every two seconds',
          tags: ['federation'],
          response: {
            200: {
              description:
                'Server-sent events named `overview`, each with the body of GET /v1/overview. Who does not read fast enough misses some.',
              content: { 'text/event-stream': { schema: Type.String() } },
            },
            503: problem('not-ready, overloaded'),
          },
        },
      },
      (_request, reply) => {
        if (streams.size >= WATCHERS_MAX)
          throw new MeshError(
            'overloaded',
            `${WATCHERS_MAX} watch already; close a dashboard, or ask another mesher`,
          );
        const response = reply.raw;
        const stop = source().watch((json) => {
          // what it has not read yet is enough: it gets the next one that comes when it has
          if (!response.writableNeedDrain) response.write(`event: overview\ndata: ${json}\n\n`);
        });
        reply.hijack();
        streams.add(response);
        response.on('error', () => response.destroy());
        response.on('close', () => {
          stop();
          streams.delete(response);
        });
        response.writeHead(200, {
          'content-type': 'text/event-stream; charset=utf-8',
          'cache-control': 'no-store',
          'x-accel-buffering': 'no',
        });
        response.write(`retry: ${RECONNECT_MS}\n\n`);
      },
    );

    app.get<{ Querystring: { of: HistoryView['of']; name: string } }>(
      '/v1/overview/history',
      {
        schema: {
          operationId: 'getHistory',
          summary: 'The last hour of a cluster, mesher, topic or subscription, in steps of ten seconds',
          tags: ['federation'],
          querystring: Type.Object(
            {
              of: Type.Union([
                Type.Literal('cluster'),
                Type.Literal('mesher'),
                Type.Literal('topic'),
                Type.Literal('subscription'),
              ]),
              name: Type.String({
                minLength: 1,
                maxLength: 4_096,
                description: 'A cluster, a node id, a topic, or `<node id>/<subscription>`',
              }),
            },
            { additionalProperties: false },
          ),
          response: {
            200: {
              description: 'Its series',
              content: { 'application/json': { schema: HistorySchema } },
            },
            400: problem('invalid-request'),
            404: problem('not-found'),
            503: problem('mesher-unreachable, not-ready'),
          },
        },
      },
      async ({ query }) => source().history(query.of, query.name),
    );
  };
}
