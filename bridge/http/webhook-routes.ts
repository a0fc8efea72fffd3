// The address that a sink is given to grant deliveries later (webhook spec §4.1.3): GET for people, POST for programs.

import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import { MeshError } from '../../node/core/errors.ts';
import { json, problems } from './schemas.ts';
import type { WebhookSinks } from './webhook.ts';

const Key = Type.Object({ key: Type.String({ description: 'The secret from WebHook-Request-Callback' }) });
const Granted = Type.Object({ granted: Type.Literal(true) });

export async function webhookRoutes(app: FastifyInstance, sinks: WebhookSinks): Promise<void> {
  // What a sink puts into the body of its consent means nothing (§4.1.3), and neither does its type.
  app.removeAllContentTypeParsers();
  app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, _body, done) => done(null));
  for (const method of ['GET', 'POST'] as const) {
    const schema = {
      operationId: method === 'GET' ? 'grantSinkByHand' : 'grantSink',
      summary: 'Allow deliveries to a webhook sink',
      tags: ['subscriptions'],
      params: Key,
      headers: Type.Object({
        'webhook-allowed-rate': Type.Optional(Type.String({ description: 'Deliveries a minute, or *' })),
      }),
      response: { 200: json('Deliveries begin', Granted), ...problems('not-found') },
    };
    app.route<{ Params: { key: string } }>({
      method,
      url: '/v1/webhooks/:key',
      schema,
      exposeHeadRoute: false,
      handler: async ({ params, headers }) => {
        const rate = headers['webhook-allowed-rate'];
        const granted = sinks.grant(
          params.key,
          typeof rate === 'string' ? { 'webhook-allowed-rate': rate } : {},
        );
        if (!granted)
          throw new MeshError('not-found', 'no sink waits for this key; it changes when the mesher restarts');
        return { granted };
      },
    });
  }
}
