// The mesher's one HTTP server: builds Fastify with what all routes share (errors as problem details, time-outs, limits,
// OpenAPI), takes the bridges' routes as plugins, and closes in order. It knows no event and no bridge.

import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { FastifyInstance, FastifyPluginAsync, FastifyReply, FastifyRequest } from 'fastify';
import Fastify from 'fastify';
import type { Limits } from '../core/limits.ts';
import { type ErrorCode, ERRORS, MeshError } from '../core/errors.ts';
import type { MesherView } from '../core/views.ts';
import { adminRoutes } from './admin.ts';
import { acceptJsonOnly } from './json-body.ts';
import { metricsRoutes, type Refusals } from './metrics.ts';
import type { LoopDelay } from './loop-delay.ts';
import type { ProcessFigures } from './process-metrics.ts';
import { describeApi } from './openapi.ts';
import { meshErrorOf, PROBLEM_TYPE, problemOf, rawProblem, retryAfterOf } from './problem.ts';

export interface HttpServerOptions {
  readonly host: string;
  /** 0: a free one of the system's choice. */
  readonly port: number;
  readonly version: string;
  readonly limits: Pick<Limits, 'batchBytesMax' | 'topicBytesMax' | 'topicLevelsMax'>;
  readonly timing?: Partial<HttpTiming>;
}

export interface HttpTiming {
  /** From a connection's first byte to the end of its headers: a slow-loris gets 408. */
  readonly headersTimeoutMs: number;
  /** To the end of the body: 16 MiB at 300 KiB/s. */
  readonly requestTimeoutMs: number;
  /** Without a byte either way: longer than the longest pull (60 s) and than the keep-alive of streams (15 s). */
  readonly idleTimeoutMs: number;
  /** How long `close` waits for requests under way before it cuts them off. */
  readonly closeTimeoutMs: number;
}

const HTTP_TIMING: HttpTiming = Object.freeze({
  headersTimeoutMs: 10_000,
  requestTimeoutMs: 60_000,
  idleTimeoutMs: 90_000,
  closeTimeoutMs: 10_000,
});

/** Bytes of a request's headers: a binary-mode event with some forty extensions. Above: 431. */
const HEADER_BYTES_MAX = 32 * 1024;
/** Above Limits.sessionsMax, so that streams at their bound leave room for the rest. Above: the connection is dropped. */
const CONNECTIONS_MAX = 24_000;
/** A subscription's name has up to 128 characters, each of which may come percent-encoded. */
const PARAM_LENGTH_MAX = 512;
/** Bytes of a refused body that are read all the same. Above, or where nobody told: the connection is closed. */
const DISCARDED_BYTES_MAX = 64 * 1024 * 1024;
/** For how long: 16 MiB at 8 MiB/s. */
const DISCARDING_MS = 2_000;
/** How often the server looks for connections over their time. */
const TIMEOUT_CHECK_MS = 1_000;

export interface HttpServerPorts {
  readonly view: MesherView;
  /** Registered in order, after the server's own routes. They may rely on the schema `Problem#` for descriptions. */
  readonly plugins: readonly FastifyPluginAsync[];
  readonly log: HttpLog;
  /** Left out: no request becomes anything else than an HTTP answer. */
  readonly upgrade?: Upgrade;
  /** The process's own figures for /metrics; left out where a thousand meshers share a process. */
  readonly process?: ProcessFigures;
  /** How late the event loop is, where somebody else shows it, too; started and stopped by them. */
  readonly loopDelay?: LoopDelay;
}

/** Who takes the sockets of requests that ask for another protocol. All others are answered as if they had not asked. */
export interface Upgrade {
  wants(request: IncomingMessage): boolean;
  /** `head`: what came after the request. The socket is then no concern of the server's, but for closing: it waits for it. */
  take(request: IncomingMessage, socket: Socket, head: Buffer): void;
}

/** The part of pino's shape that is used. */
export interface HttpLog {
  error(fields: object, message: string): void;
}

export interface HttpServer {
  /** `http://host:port`, with the port that it really has. */
  readonly url: string;
  /** Takes nothing new, lets what is under way end (streams are told), and cuts off what is left at the deadline. */
  close(): Promise<void>;
}

export async function startHttpServer(
  options: HttpServerOptions,
  ports: HttpServerPorts,
): Promise<HttpServer> {
  const app = await buildHttpServer(options, ports);
  try {
    await app.listen({ host: options.host, port: options.port });
  } catch (cause) {
    await app.close();
    const address = `${options.host}:${options.port}`;
    throw new MeshError(
      'invalid-config',
      `http: cannot listen on ${address} (${describeCause(cause)}); choose another address with --http`,
      {
        cause,
        details: { address },
      },
    );
  }
  const { closeTimeoutMs } = { ...HTTP_TIMING, ...options.timing };
  return { url: urlOf(app, options.host), close: () => closeGracefully(app, closeTimeoutMs) };
}

/** The server without a socket, for `inject`. */
export async function buildHttpServer(
  options: HttpServerOptions,
  ports: HttpServerPorts,
): Promise<FastifyInstance> {
  const timing = { ...HTTP_TIMING, ...options.timing };
  const refusals: Refusals = new Map();
  const send = sendErrors(options, ports.log, refusals);
  let closing = false;
  const upgradeFor = (request: IncomingMessage): Upgrade | undefined =>
    !closing && ports.upgrade?.wants(request) === true ? ports.upgrade : undefined;
  const app = Fastify({
    logger: false,
    bodyLimit: options.limits.batchBytesMax,
    connectionTimeout: timing.idleTimeoutMs,
    requestTimeout: timing.requestTimeoutMs,
    keepAliveTimeout: Math.min(72_000, timing.idleTimeoutMs),
    forceCloseConnections: 'idle',
    return503OnClosing: false, // the hook below says it as a problem
    routerOptions: { maxParamLength: PARAM_LENGTH_MAX },
    http: {
      maxHeaderSize: HEADER_BYTES_MAX,
      headersTimeout: timing.headersTimeoutMs,
      connectionsCheckingInterval: TIMEOUT_CHECK_MS,
      shouldUpgradeCallback: (request) => upgradeFor(request) !== undefined,
    },
    // Nothing a client wrote may vanish or change its type in silence.
    ajv: { customOptions: { removeAdditional: false, coerceTypes: false, verbose: true, strict: false } },
    frameworkErrors: send, // a URL that cannot be decoded
    clientErrorHandler: (error, socket) => {
      if (error.code === 'ECONNRESET' || !socket.writable) socket.destroy();
      else {
        const code = error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 'request-timeout' : 'invalid-request';
        // A client that went away within its request was not refused.
        if (error.code !== 'HPE_INVALID_EOF_STATE') count(refusals, code);
        endUnheard(socket, rawProblem(error));
      }
    },
  });
  // Node leaves out headers beyond 2,000 without a word; their bytes are bounded already.
  app.server.maxHeadersCount = 0;
  app.server.maxConnections = CONNECTIONS_MAX;
  // Schemas describe answers; they must not drop what they do not know of.
  app.setSerializerCompiler(() => (data) => JSON.stringify(data));
  app.addHook('preClose', (done) => {
    closing = true;
    done();
  });
  app.server.on('upgrade', (request: IncomingMessage, socket: Socket, head: Buffer) => {
    const upgrade = upgradeFor(request);
    if (upgrade) upgrade.take(request, socket, head);
    else refuseUpgrade(socket);
  });
  endSilentSocketsOnClose(app);
  acceptJsonOnly(app);
  handleErrors(app, send, () => closing);
  await describeApi(app, options.version);
  await app.register(adminRoutes, { view: ports.view, limits: options.limits });
  await app.register(metricsRoutes, {
    view: ports.view,
    refusals,
    ...(ports.process && { process: ports.process }),
    ...(ports.loopDelay && { loopDelay: ports.loopDelay }),
  });
  for (const plugin of ports.plugins) await app.register(plugin);
  await app.ready();
  return app;
}

/** One that does not end its own side would keep the socket for as long as it goes on sending. */
function endUnheard(socket: Socket, answer: string): void {
  const timer = setTimeout(() => socket.destroy(), DISCARDING_MS);
  socket.once('close', () => clearTimeout(timer));
  socket.end(answer);
}

/** It was wanted when the parser asked, or nobody did: to a request that is out of the parser's hands no route can answer. */
function refuseUpgrade(socket: Socket): void {
  socket.on('error', () => socket.destroy());
  socket.resume();
  socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n', () =>
    socket.destroy(),
  );
}

type SendError = (error: unknown, request: FastifyRequest, reply: FastifyReply) => void;

function count(refusals: Refusals, code: ErrorCode): void {
  refusals.set(code, (refusals.get(code) ?? 0) + 1);
}

function sendErrors(options: HttpServerOptions, log: HttpLog, refusals: Refusals): SendError {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): void => {
    const mesh = meshErrorOf(error, options.limits.batchBytesMax);
    count(refusals, mesh.code);
    const { status } = ERRORS[mesh.code];
    if (status >= 500 && !(error instanceof MeshError)) {
      log.error({ err: error, method: request.method, route: request.routeOptions.url }, 'request failed');
    }
    const retryAfter = retryAfterOf(mesh);
    if (retryAfter !== undefined) void reply.header('retry-after', String(retryAfter));
    if (status === 413) discardRest(request, reply);
    // As bytes: to a string Fastify would add a charset, which the media type does not have.
    void reply
      .status(status)
      .type(PROBLEM_TYPE)
      .send(Buffer.from(JSON.stringify(problemOf(mesh))));
  };
}

/**
 * The rest of a body that was refused may still be coming. A socket that is closed before it was read resets the
 * connection, and the answer is often lost with it; so a rest that is not too long is read for a while, and forgotten.
 */
function discardRest({ raw, headers }: FastifyRequest, reply: FastifyReply): void {
  if (raw.complete) return;
  if (Number(headers['content-length'] ?? Infinity) > DISCARDED_BYTES_MAX) {
    void reply.header('connection', 'close');
    return;
  }
  void reply.removeHeader('connection'); // Fastify would close at once
  const timer = setTimeout(() => raw.destroy(), DISCARDING_MS);
  raw.once('close', () => clearTimeout(timer));
  raw.resume();
}

function handleErrors(app: FastifyInstance, send: SendError, isClosing: () => boolean): void {
  app.setErrorHandler(send);
  // With callbacks: a promise for each hook of each request costs as much as parsing a small event.
  app.addHook('onRequest', (_request, _reply, done) => {
    done(
      isClosing() ? new MeshError('shutting-down', 'this mesher is stopping; use another one') : undefined,
    );
  });
  // Else a connection would stay open for its next request, and closing wait for it until the deadline.
  app.addHook('onSend', (_request, reply, _payload, done) => {
    if (isClosing()) void reply.header('connection', 'close');
    done();
  });
  const routes = new Map<string, { pattern: RegExp; methods: Set<string> }>();
  app.addHook('onRoute', ({ url, method }) => {
    const route = routes.get(url) ?? { pattern: patternOf(url), methods: new Set() };
    for (const each of [method].flat()) route.methods.add(each);
    routes.set(url, route);
  });
  app.setNotFoundHandler((request, reply) => {
    const path = request.url.split('?', 1)[0] ?? '';
    const allowed = [...routes.values()]
      .filter(({ pattern }) => pattern.test(path))
      .flatMap(({ methods }) => [...methods]);
    if (allowed.length === 0) {
      return send(
        new MeshError('not-found', `there is nothing at ${path.slice(0, 200)}; /docs lists what there is`),
        request,
        reply,
      );
    }
    void reply.header('allow', [...new Set(allowed)].join(', '));
    send(
      new MeshError(
        'method-not-allowed',
        `${path.slice(0, 200)} takes ${allowed.join(', ')}, not ${request.method}`,
        { details: { allowed } },
      ),
      request,
      reply,
    );
  });
}

function patternOf(route: string): RegExp {
  const escaped = route
    .replace(/[.+?^${}()|[\]\\]/g, '\\$&')
    .replace(/:[A-Za-z]+/g, '[^/]+')
    .replaceAll('*', '.*');
  return new RegExp(`^${escaped}/?$`);
}

function urlOf(app: FastifyInstance, host: string): string {
  const address = app.server.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** Sockets on which no request has come yet (a browser's spare ones): Node counts them as busy, and would wait for them. */
function endSilentSocketsOnClose(app: FastifyInstance): void {
  const silent = new Set<Socket>();
  app.server.on('connection', (socket: Socket) => {
    silent.add(socket);
    socket.once('close', () => silent.delete(socket));
  });
  app.server.on('request', ({ socket }: IncomingMessage) => silent.delete(socket));
  app.server.on('upgrade', ({ socket }: IncomingMessage) => silent.delete(socket));
  app.addHook('preClose', (done) => {
    for (const socket of silent) socket.destroy();
    done();
  });
}

async function closeGracefully(app: FastifyInstance, closeTimeoutMs: number): Promise<void> {
  const cutOff = setTimeout(() => app.server.closeAllConnections(), closeTimeoutMs);
  try {
    await app.close();
  } finally {
    clearTimeout(cutOff);
  }
}

function describeCause(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
