// Role: what Fastify alone can do. One route that takes the same messages as a mesher's, parses them with Fastify's own JSON
// parser, validates body or headers against the schema of a CloudEvent with Ajv, and answers as much, serialised by its
// schema. It keeps nothing but a count.

import Fastify from 'fastify';
import Type from 'typebox';
import { CloudEventSchema, PublishedSchema } from '../../../bridge/http/schemas.ts';
import { playRole } from '../harness/role.ts';
import { PATH } from './requests.ts';

export interface FastifyRole {
  listen(options: { readonly mode: 'structured' | 'binary' }): Promise<{ readonly port: number }>;
  /** Events taken so far. */
  taken(nothing: undefined): number;
}

interface Named {
  readonly id: string;
  readonly source: string;
}

const BinaryHeaders = Type.Object({
  'ce-specversion': Type.Literal('1.0'),
  'ce-id': Type.String({ minLength: 1 }),
  'ce-source': Type.String({ minLength: 1 }),
  'ce-type': Type.String({ minLength: 1 }),
  'ce-time': Type.Optional(Type.String()),
});
const Query = Type.Object({ topic: Type.Optional(Type.String()) }, { additionalProperties: false });

/** As long as a mesher's id. */
const ORIGIN = '12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X';

let taken = 0;

function answer(events: readonly Named[]) {
  return {
    events: events.map(({ id, source }) => ({
      source,
      id,
      origin: ORIGIN,
      sequence: ++taken,
      destinations: { subscriptions: 0, meshers: [], clusters: [] },
    })),
  };
}

const app = Fastify({ logger: false, bodyLimit: 16 * 1024 * 1024 });
const parse = app.getDefaultJsonParser('error', 'error');
app.addContentTypeParser('application/cloudevents+json', { parseAs: 'string' }, parse);

function routeFor(mode: 'structured' | 'binary'): void {
  const response = { 202: PublishedSchema };
  if (mode === 'binary') {
    const schema = { querystring: Query, headers: BinaryHeaders, response };
    app.post(PATH, { schema }, ({ headers }, reply) => {
      const named = { id: String(headers['ce-id']), source: String(headers['ce-source']) };
      void reply.status(202).send(answer([named]));
    });
  } else {
    const schema = { querystring: Query, body: CloudEventSchema, response };
    app.post<{ Body: Named }>(PATH, { schema }, ({ body }, reply) => {
      void reply.status(202).send(answer([body]));
    });
  }
}

playRole<FastifyRole>({
  listen: async ({ mode }) => {
    routeFor(mode);
    await app.listen({ host: '127.0.0.1', port: 0 });
    const address = app.server.address();
    return { port: typeof address === 'object' && address !== null ? address.port : 0 };
  },
  taken: () => taken,
});
