// The API's description: /openapi.json (OpenAPI 3.1, made from the schemas that the routes validate with) and /docs,
// which shows it and takes all it needs from this server. Must be set up before any route.

import swagger from '@fastify/swagger';
import swaggerUi from '@fastify/swagger-ui';
import type { FastifyInstance } from 'fastify';
import Type from 'typebox';
import type { ErrorCode } from '../core/errors.ts';
import { ERRORS, MeshError } from '../core/errors.ts';
import { typeOf } from './problem.ts';

const DESCRIPTION = `A federated event mesh. Publish CloudEvents here; subscribers in any cluster get them.

Errors are RFC 9457 problem details (\`application/problem+json\`) with a \`code\` from one catalogue: see \`/errors/{code}\`.
Where \`Retry-After\` is given, the same request may succeed later.`;

const ProblemSchema = Type.Object(
  {
    type: Type.String({ description: 'Path at which the code is explained' }),
    title: Type.String(),
    status: Type.Integer(),
    detail: Type.String({ description: 'What is wrong, where, and how to mend it' }),
    code: Type.Unsafe<ErrorCode>({ type: 'string', enum: Object.keys(ERRORS) }),
  },
  {
    $id: 'Problem',
    additionalProperties: true,
    description: 'RFC 9457 problem details; further members depend on the code',
    examples: [
      {
        type: '/errors/invalid-event',
        title: 'The CloudEvent is malformed',
        status: 400,
        detail: 'attribute "time": "lunchtime" is not an RFC 3339 time; write it as 2026-01-31T17:30:00Z',
        code: 'invalid-event',
        attribute: 'time',
      },
    ],
  },
);

export async function describeApi(app: FastifyInstance, version: string): Promise<void> {
  app.addSchema(ProblemSchema);
  await app.register(swagger, {
    openapi: {
      openapi: '3.1.0',
      info: {
        title: 'Causeway',
        version,
        description: DESCRIPTION,
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      servers: [{ url: '/', description: 'This mesher' }],
      tags: [
        { name: 'events', description: 'Publish (CloudEvents HTTP protocol binding 1.0.2)' },
        { name: 'subscriptions', description: 'Durable subscriptions: stream, pull, or webhook' },
        { name: 'streams', description: 'Ephemeral subscriptions' },
        { name: 'dead letters', description: 'Events that subscriptions gave up, of all meshers' },
        { name: 'federation', description: 'What this mesher knows of the federation' },
        { name: 'health', description: 'Probes and metrics' },
      ],
    },
    refResolver: {
      buildLocalReference: (json, _base, _fragment, index) =>
        typeof json['$id'] === 'string' ? json['$id'] : `schema-${index}`,
    },
  });
  await app.register(swaggerUi, {
    routePrefix: '/docs',
    staticCSP: true,
    uiConfig: { docExpansion: 'list', validatorUrl: null },
  });
  const described = {
    summary: 'This description',
    tags: ['health'],
    operationId: 'getOpenApi',
    response: {
      200: {
        description: 'OpenAPI 3.1',
        content: { 'application/json': { schema: Type.Object({}, { additionalProperties: true }) } },
      },
    },
  };
  app.get('/openapi.json', { schema: described }, async () => app.swagger());
  errorRoutes(app);
}

/** The pages that `type` in a problem points to. */
function errorRoutes(app: FastifyInstance): void {
  const body = Type.Object({
    type: Type.String(),
    code: Type.String(),
    title: Type.String(),
    status: Type.Integer(),
    retryable: Type.Boolean({ description: 'Whether the same request may succeed later' }),
  });
  const schema = {
    summary: 'What an error code means',
    tags: ['health'],
    operationId: 'getError',
    params: Type.Object({ code: Type.String({ examples: ['invalid-event'] }) }),
    response: {
      200: { description: 'The code', content: { 'application/json': { schema: body } } },
      404: {
        description: 'not-found',
        content: { 'application/problem+json': { schema: { $ref: 'Problem#' } } },
      },
    },
  };
  app.get<{ Params: { code: string } }>('/errors/:code', { schema }, async ({ params }) => {
    const code = (Object.keys(ERRORS) as ErrorCode[]).find((each) => each === params.code);
    if (code === undefined)
      throw new MeshError('not-found', `there is no error code ${params.code.slice(0, 100)}`);
    const { title, status, retryable } = ERRORS[code];
    return { type: typeOf(code), code, title, status, retryable };
  });
}
