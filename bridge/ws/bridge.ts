// The streaming bridge: a WebSocket at GET /v1/ws (docs/streaming.md), beside the routes of the mesher's HTTP server. Holds
// connections, nothing durable. Closing the server ends them: streams are told, what was published is answered, deliveries go back.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyPluginAsync } from 'fastify';
import Type from 'typebox';
import { MeshError } from '../../node/core/errors.ts';
import type { MetricFamily } from '../../node/core/views.ts';
import type { WsBridgeOptions } from './config.ts';
import type { WsBridgePorts } from './connections.ts';
import { Connections, SUBPROTOCOL } from './connections.ts';

const PATH = '/v1/ws';

export interface WsBridge {
  /** Describes the path, answers requests to it that are no WebSocket of ours, and ends all connections with the server. */
  readonly plugin: FastifyPluginAsync;
  /** Whether this request is to become a WebSocket. */
  wants(request: IncomingMessage): boolean;
  take(request: IncomingMessage, socket: Socket, head: Buffer): void;
  metrics(): MetricFamily[];
}

export function wsBridge(options: WsBridgeOptions, ports: WsBridgePorts): WsBridge {
  const connections = new Connections(options, ports);
  return {
    plugin: async (app) => {
      app.addHook('preClose', () => connections.stop());
      describeRoute(app);
    },
    wants: ({ method, url = '', headers }) =>
      method === 'GET' &&
      url.split('?', 1)[0] === PATH &&
      headers.upgrade?.toLowerCase() === 'websocket' &&
      offers(headers['sec-websocket-protocol']),
    take: (request, socket, head) => connections.take(request, socket, head),
    metrics: () => connections.metrics(),
  };
}

function offers(protocols: string | undefined): boolean {
  return protocols?.split(',').some((each) => each.trim() === SUBPROTOCOL) ?? false;
}

function describeRoute(app: FastifyInstance): void {
  const problem = (description: string) => ({
    description,
    content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
  });
  const schema = {
    operationId: 'openStreaming',
    summary: 'Stream events in and out in batches, over a WebSocket',
    description: `The fast way: batches of events in binary frames, with acks and credit. docs/streaming.md defines the protocol; the TypeScript client (\`causeway/client\`) speaks it. The subprotocol \`${SUBPROTOCOL}\` must be offered.`,
    tags: ['events', 'subscriptions', 'streams'],
    headers: Type.Object({
      'sec-websocket-protocol': Type.Optional(Type.String({ examples: [SUBPROTOCOL] })),
    }),
    response: {
      101: { description: 'A WebSocket that speaks the protocol', type: 'null' },
      400: problem('invalid-request'),
      503: problem('shutting-down'),
    },
  };
  app.get(PATH, { schema }, async () => {
    throw new MeshError(
      'invalid-request',
      `${PATH} takes WebSockets only: ask for an upgrade and offer the subprotocol ${SUBPROTOCOL}`,
    );
  });
}
