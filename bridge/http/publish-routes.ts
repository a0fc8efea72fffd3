// POST /v1/events: an HTTP message in one of three modes → the front door. The body is taken as bytes whatever its
// content type, since in binary mode that is the event's own.

import type { FastifyInstance, FastifyRequest } from 'fastify';
import Type from 'typebox';
import { invalidEvent } from '../../node/core/cloud-event-check.ts';
import { MeshError } from '../../node/core/errors.ts';
import { REPLICAS_MAX } from '../../node/core/limits.ts';
import type { FrontDoor, TraceCarrier, TraceHeaders } from '../../node/core/ports.ts';
import { BATCH, chooseMode, parseHttpMessage, STRUCTURED } from './binding.ts';
import type { HttpBridgeOptions } from './config.ts';
import { CloudEventSchema, json, problems, PublishedSchema } from './schemas.ts';

const JSON_TYPE = 'application/json; charset=utf-8';
const NO_BODY = new Uint8Array(0);
/** What a body whose length nobody has told counts for while it is read. */
const UNKNOWN_BYTES = 1024 * 1024;
/** After so long, a body that has come at less than this on average is not worth the room that another one lacks. */
const LAG_MS = 2_000;
const LAG_BYTES_PER_S = 32 * 1024;

const publishSchema = {
  operationId: 'publishEvents',
  summary: 'Publish CloudEvents: binary, structured, or batched mode',
  description:
    'Durable events are on disk when this answers. A batch is taken whole or not at all. In binary mode the attributes are `ce-` headers and the body is the data, of any type.',
  tags: ['events'],
  querystring: Type.Object(
    {
      topic: Type.Optional(
        Type.String({
          description: "Topic of all events; else each one's type with . as /",
          examples: ['orders/eu/created'],
        }),
      ),
    },
    { additionalProperties: false },
  ),
  headers: Type.Object({
    'causeway-qos': Type.Optional(
      Type.Unsafe<string>({
        type: 'string',
        enum: ['durable', 'best-effort'],
        default: 'durable',
        description: 'best-effort: accepted in memory, never on disk',
      }),
    ),
    'causeway-replicas': Type.Optional(
      Type.Unsafe<string>({
        type: 'integer',
        minimum: 1,
        maximum: REPLICAS_MAX,
        description:
          'Meshers of the cluster that are to have durable events on disk before this answers; at most, and by default, as many as the mesher is set to',
      }),
    ),
    traceparent: Type.Optional(
      Type.Unsafe<string>({
        type: 'string',
        description:
          "W3C Trace Context, with `tracestate`; or SkyWalking's `sw8`: where the mesher traces they become attributes of events that have none",
      }),
    ),
  }),
  body: {
    content: {
      [STRUCTURED]: { schema: CloudEventSchema },
      [BATCH]: { schema: Type.Array(CloudEventSchema) },
      '*/*': { schema: Type.Unknown({ description: 'Binary mode: the data' }) },
    },
  },
  response: {
    202: json('Taken: where each event goes from here, in the order given', PublishedSchema),
    ...problems(
      'invalid-event',
      'invalid-topic',
      'invalid-request',
      'request-timeout',
      'event-too-large',
      'batch-too-large',
      'unsupported-media-type',
      'overloaded',
      'not-enough-replicas',
      'not-ready',
      'storage-failed',
      'disk-full',
    ),
  },
};

export async function publishRoutes(
  app: FastifyInstance,
  options: HttpBridgeOptions,
  door: FrontDoor,
  trace: TraceCarrier | undefined,
): Promise<void> {
  const { limits } = options;
  app.removeAllContentTypeParsers();
  // The usual ones by name as well: Fastify remembers which parser a content type has, but not that it is the one for all.
  app.addContentTypeParser(
    [STRUCTURED, BATCH, 'application/json', '*'],
    { parseAs: 'buffer', bodyLimit: limits.batchBytesMax },
    (_request, body, done) => done(null, body),
  );
  // Validation is the binding's and the front door's: a JSON schema cannot say which attribute is wrong, and why.
  app.setValidatorCompiler(() => () => true);
  app.setErrorHandler((error, request) => {
    throw refineError(error, request, limits);
  });
  const claim = bodyBudget(limits.stagedBytesMax);
  // With a callback: a promise for each hook of each request costs as much as parsing a small event.
  app.addHook('onRequest', (request, reply, done) => {
    claim(request, reply);
    refuseLargeEvent(request, limits.eventBytesMax);
    done();
  });

  app.post<{ Querystring: Readonly<Record<string, unknown>> }>(
    '/v1/events',
    { schema: publishSchema },
    async (request, reply) => {
      const topic = topicOf(request.query);
      const qos = qosOf(request.headers['causeway-qos']);
      const replicas = replicasOf(request.headers['causeway-replicas']);
      const body = request.body instanceof Uint8Array ? request.body : NO_BODY;
      const parsed = parseHttpMessage(request.raw.rawHeaders, body, limits);
      const events = trace ? trace.adopt(parsed.events, traceHeadersOf(request)) : parsed.events;
      const results = events.length === 0 ? [] : await door.publish(events, { qos, topic, ...replicas });
      // As text, which passes Fastify's serialisation by.
      return reply
        .status(202)
        .type(JSON_TYPE)
        .send(JSON.stringify({ events: results }));
    },
  );
}

/** Fastify's own refusals of a body, in the words of events. All others go on as they are. */
function refineError(error: unknown, request: FastifyRequest, limits: HttpBridgeOptions['limits']): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  const contentType = request.headers['content-type'] ?? '';
  if (code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    const why = `header content-type: ${JSON.stringify(contentType.slice(0, 80))} is not a media type (RFC 2046); write it as application/json`;
    return invalidEvent('datacontenttype', why, undefined, error);
  }
  if (code !== 'FST_ERR_CTP_BODY_TOO_LARGE' || chooseMode(contentType) === 'batch') return error;
  return new MeshError(
    'event-too-large',
    `the event is larger than the limit of ${limits.eventBytesMax} bytes`,
    {
      cause: error,
      details: { limit: limits.eventBytesMax, unit: 'bytes' },
    },
  );
}

/** Before a byte of the body is read: a single event's data is at most the event. */
function refuseLargeEvent(request: FastifyRequest, eventBytesMax: number): void {
  const length = Number(request.headers['content-length'] ?? 0);
  if (length <= eventBytesMax || chooseMode(request.headers['content-type']) !== 'binary') return;
  throw new MeshError(
    'event-too-large',
    `the data has ${length} bytes, the limit of an event is ${eventBytesMax}`,
    {
      details: { limit: eventBytesMax, unit: 'bytes', given: length },
    },
  );
}

/** A body that is being read. */
interface Body {
  readonly bytes: number;
  readonly since: number;
  readonly request: FastifyRequest['raw'];
  /** What its connection had brought before. */
  readonly readBefore: number;
}

/**
 * Bounds the bytes of all bodies being read at once, since the front door counts them only when they are whole. What is announced
 * counts; but a body that was announced and does not come is cut off as soon as another one wants its room.
 */
function bodyBudget(bytesMax: number) {
  let claimed = 0;
  const bodies = new Set<Body>(); // the oldest first
  const release = (body: Body): void => {
    if (bodies.delete(body)) claimed -= body.bytes;
  };
  const cutOffLaggards = (bytes: number): void => {
    const now = performance.now();
    for (const body of bodies) {
      if (claimed + bytes <= bytesMax) return;
      if (!isLagging(body, now)) continue;
      release(body);
      body.request.destroy();
    }
  };
  return (request: FastifyRequest, reply: { readonly raw: NodeJS.EventEmitter }): void => {
    const length = request.headers['content-length'];
    const bytes =
      length === undefined
        ? request.headers['transfer-encoding'] === undefined
          ? 0
          : UNKNOWN_BYTES
        : Number(length);
    // What is larger than any body may be is refused by its length, not for lack of room.
    if (claimed > 0 && claimed + bytes > bytesMax && bytes <= bytesMax) {
      cutOffLaggards(bytes);
      if (claimed > 0 && claimed + bytes > bytesMax)
        throw new MeshError(
          'overloaded',
          `bodies of ${claimed} bytes are being read, the limit is ${bytesMax}; try again soon`,
          {
            details: { limit: bytesMax, unit: 'bytes' },
          },
        );
    }
    const { raw } = request;
    const body: Body = { bytes, since: performance.now(), request: raw, readBefore: raw.socket.bytesRead };
    bodies.add(body);
    claimed += bytes;
    reply.raw.once('close', () => release(body));
  };
}

function isLagging({ since, request, readBefore }: Body, now: number): boolean {
  const ms = now - since;
  return ms >= LAG_MS && request.socket.bytesRead - readBefore < (ms / 1_000) * LAG_BYTES_PER_S;
}

function topicOf(query: Readonly<Record<string, unknown>>): string | undefined {
  for (const key of Object.keys(query)) {
    if (key !== 'topic')
      throw new MeshError(
        'invalid-request',
        `query.${key.slice(0, 80)}: there is no such parameter; known is topic`,
      );
  }
  const topic = query['topic'];
  if (topic === undefined || typeof topic === 'string') return topic;
  throw new MeshError(
    'invalid-request',
    'query.topic: it is given more than once; events of one request share one topic',
  );
}

function replicasOf(header: string | readonly string[] | undefined): { replicas?: number } {
  if (header === undefined) return {};
  const replicas = /^[1-9]$/.test(String(header)) ? Number(header) : 0;
  if (replicas > 0 && replicas <= REPLICAS_MAX) return { replicas };
  throw new MeshError(
    'invalid-request',
    `header causeway-replicas: it must be a whole number from 1 to ${REPLICAS_MAX}, not ${JSON.stringify(String(header).slice(0, 40))}`,
  );
}

/** One that came more than once is joined by Node with commas, as lists are: `tracestate` alone is one. */
function traceHeadersOf({ headers }: FastifyRequest): TraceHeaders {
  const text = (header: string | readonly string[] | undefined): string | undefined =>
    typeof header === 'string' ? header : header?.join(',');
  return {
    traceparent: text(headers['traceparent']),
    tracestate: text(headers['tracestate']),
    sw8: text(headers['sw8']),
  };
}

function qosOf(header: string | readonly string[] | undefined): 'durable' | 'best-effort' {
  if (header === undefined || header === 'durable') return 'durable';
  if (header === 'best-effort') return 'best-effort';
  throw new MeshError(
    'invalid-request',
    `header causeway-qos: it must be durable or best-effort, not ${JSON.stringify(String(header).slice(0, 40))}`,
  );
}
