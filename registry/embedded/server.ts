// Serves a registry store over HTTP as protocol.ts says: over LevelDB it is the embedded registry, over etcd a gateway.
// It checks and translates, and decides nothing. Watches of one federation share one watch on the store.

import { createHash, timingSafeEqual } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import Fastify from 'fastify';
import type { FastifyError, FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { invariant, MeshError } from '../../node/core/errors.ts';
import { REGISTRY_LIMITS } from '../limits.ts';
import { checkExpected, checkSetting, checkSettingKey, checkSettingPrefix } from '../record.ts';
import { realScheduler } from '../scheduler.ts';
import type { Scheduler } from '../scheduler.ts';
import type { Log, RegistryStore } from '../store.ts';
import { LevelStore } from './level-store.ts';
import * as protocol from './protocol.ts';

export type RegistryServerOptions = {
  /** `host:port`, IPv6 hosts in brackets; port 0 takes a free one. */
  readonly listen: string;
  /** Serves HTTPS. With `ca`, clients must show a certificate of that authority. */
  readonly tls?: { readonly cert: Buffer; readonly key: Buffer; readonly ca?: Buffer } | undefined;
  /** Asked of every request, both or neither. */
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly log?: Log | undefined;
  readonly scheduler?: Scheduler | undefined;
} & (
  | { /** Folder of its LevelDB; made if missing. */ readonly dataDir: string; readonly store?: undefined }
  | {
      /** Served instead, and closed with the server. */ readonly store: RegistryStore;
      readonly dataDir?: undefined;
    }
);

/** From a connection's first byte to the end of its headers. */
const HEADERS_TIMEOUT_MS = 10_000;
/** Without a byte either way: longer than clients keep a connection for its next request, and than the beat of watches. */
const IDLE_TIMEOUT_MS = 90_000;
/** How often the server looks for connections over their time. */
const TIMEOUT_CHECK_MS = 1_000;
/** Room for the rest beside watches at their bound. Above: the connection is dropped. */
const CONNECTIONS_MAX = REGISTRY_LIMITS.watchesMax + 4_096;

export interface RegistryServer {
  /** `http(s)://host:port`, as a client on this machine may use it. */
  readonly address: string;
  close(): Promise<void>;
}

/** Rejects with `invalid-config` for a bad or occupied address, `storage-failed` for an unusable folder. */
export async function startRegistryServer(options: RegistryServerOptions): Promise<RegistryServer> {
  const { host, port } = parseListen(options.listen);
  const scheduler = options.scheduler ?? realScheduler;
  const store = options.store ?? (await LevelStore.open(options.dataDir, scheduler));
  const server = buildRegistryServer(options, store, scheduler);
  try {
    await server.listen({ host, port });
  } catch (error) {
    await Promise.all([server.close(), store.close()]);
    throw new MeshError(
      'invalid-config',
      `The registry cannot listen on ${options.listen}. Is the address taken?`,
      {
        cause: error,
      },
    );
  }
  const bound = server.server.address();
  invariant(bound !== null && typeof bound === 'object', 'a server that listens on TCP has a port');
  const boundHost = host.includes(':') ? `[${host}]` : host;
  return {
    address: `${options.tls === undefined ? 'http' : 'https'}://${boundHost}:${String(bound.port)}`,
    async close() {
      await server.close();
      await store.close();
    },
  };
}

/** The server without a socket, for `inject`. Closing it ends the watches, and leaves the store open. */
export function buildRegistryServer(
  options: Pick<RegistryServerOptions, 'tls' | 'user' | 'password' | 'log'>,
  store: RegistryStore,
  scheduler: Scheduler,
): FastifyInstance {
  const watches = new Watches(store, scheduler);
  const base = {
    bodyLimit: REGISTRY_LIMITS.requestBytesMax,
    requestTimeout: 15_000,
    connectionTimeout: IDLE_TIMEOUT_MS,
    forceCloseConnections: true,
    routerOptions: { maxParamLength: 512 },
    ajv: { customOptions: { coerceTypes: false, removeAdditional: false } },
    // Of paths that cannot be decoded.
    frameworkErrors: (error: FastifyError, _request: FastifyRequest, reply: FastifyReply) =>
      sendProblem(reply, meshError(error, options.log)),
  } as const;
  const slowness = { headersTimeout: HEADERS_TIMEOUT_MS, connectionsCheckingInterval: TIMEOUT_CHECK_MS };
  const { tls } = options;
  const server: FastifyInstance =
    tls === undefined
      ? Fastify({ ...base, http: slowness })
      : Fastify({
          ...base,
          https: {
            ...slowness,
            cert: tls.cert,
            key: tls.key,
            ...(tls.ca === undefined ? {} : { ca: tls.ca, requestCert: true }),
          },
        });
  server.server.maxConnections = CONNECTIONS_MAX;
  server.addHook('preClose', (done) => {
    watches.close();
    done();
  });
  server.removeContentTypeParser('text/plain');
  server.setErrorHandler((error: FastifyError | MeshError, _request, reply) => {
    sendProblem(reply, meshError(error, options.log));
  });
  server.setNotFoundHandler((request, reply) => {
    sendProblem(
      reply,
      new MeshError('not-found', `There is no ${request.method} ${request.url.slice(0, 200)} here.`),
    );
  });
  addPasswordCheck(server, options);
  server.get('/v1/health', () => ({ status: 'ok' }));
  addMemberRoutes(server, store, watches);
  addSettingRoutes(server, store);
  return server;
}

const root = '/v1/federations/:federation';

function addMemberRoutes(untyped: FastifyInstance, store: RegistryStore, watches: Watches): void {
  const server = untyped.withTypeProvider<TypeBoxTypeProvider>();
  const { federationParams, memberParams } = protocol;

  server.post(`${root}/revision`, { schema: { params: federationParams } }, async ({ params }) => ({
    revision: await store.nextRevision(params.federation),
  }));

  server.get(`${root}/members`, { schema: { params: federationParams } }, ({ params }) =>
    store.members(params.federation),
  );

  server.put(
    `${root}/members/:node`,
    { schema: { params: memberParams, body: protocol.putMemberBody } },
    async ({ params, body }) => {
      const { record, ttlMs, overwrite } = body;
      if (record.federation !== params.federation || record.node !== params.node) {
        throw new MeshError('invalid-request', "The record's federation and node are not those of the path.");
      }
      return { lease: (await store.putMember(record, ttlMs, overwrite)) ?? null };
    },
  );

  server.post(
    `${root}/members/:node/keep-alive`,
    { schema: { params: memberParams, body: protocol.keepAliveBody } },
    async ({ params, body }) => ({ kept: await store.keepAlive(params.federation, params.node, body.lease) }),
  );

  server.delete(
    `${root}/members/:node`,
    { schema: { params: memberParams, querystring: protocol.removeMemberQuery } },
    async ({ params, query }, reply) => {
      await store.removeMember(params.federation, params.node, query.lease);
      return reply.code(204).send();
    },
  );

  server.get(`${root}/watch`, { schema: { params: federationParams } }, ({ params }, reply) => {
    watches.checkRoom();
    reply.hijack();
    watches.add(params.federation, reply.raw);
  });
}

function addSettingRoutes(untyped: FastifyInstance, store: RegistryStore): void {
  const server = untyped.withTypeProvider<TypeBoxTypeProvider>();
  const params = protocol.federationParams;

  server.get(
    `${root}/settings`,
    { schema: { params, querystring: protocol.listSettingsQuery } },
    async ({ params: { federation }, query: { prefix = '' } }) => {
      checkSettingPrefix(prefix);
      return { settings: await store.listSettings(federation, prefix) };
    },
  );

  server.get(
    `${root}/setting`,
    { schema: { params, querystring: protocol.getSettingQuery } },
    async ({ params: { federation }, query: { key } }) => {
      checkSettingKey(key);
      return { setting: (await store.getSetting(federation, key)) ?? null };
    },
  );

  server.put(
    `${root}/setting`,
    { schema: { params, body: protocol.putSettingBody } },
    async ({ params: { federation }, body: { key, value, expected } }) => {
      checkSetting(key, value, expected);
      return { setting: (await store.putSetting(federation, key, value, expected)) ?? null };
    },
  );

  server.delete(
    `${root}/setting`,
    { schema: { params, querystring: protocol.deleteSettingQuery } },
    async ({ params: { federation }, query: { key, expected } }) => {
      checkSettingKey(key);
      checkExpected(Number(expected));
      return { deleted: await store.deleteSetting(federation, key, Number(expected)) };
    },
  );
}

/** Streams of hints. A watcher that reads too slowly loses hints, never memory: one that waits stands for all. */
class Watches {
  readonly #store: RegistryStore;
  readonly #scheduler: Scheduler;
  readonly #federations = new Map<
    string,
    { readonly streams: Set<ServerResponse>; readonly stop: AbortController }
  >();
  #count = 0;
  #cancelBeat: (() => void) | undefined;

  constructor(store: RegistryStore, scheduler: Scheduler) {
    this.#store = store;
    this.#scheduler = scheduler;
  }

  checkRoom(): void {
    if (this.#count < REGISTRY_LIMITS.watchesMax) return;
    throw new MeshError(
      'overloaded',
      `The registry has ${String(this.#count)} watches open, as many as it may.`,
    );
  }

  add(federation: string, stream: ServerResponse): void {
    const { streams } = this.#watched(federation);
    streams.add(stream);
    this.#count += 1;
    this.#cancelBeat ??= this.#beatLater();
    stream.on('close', () => {
      this.#remove(federation, stream);
    });
    // The connection may break at any time; `close` follows.
    stream.on('error', () => undefined);
    stream.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-store' });
    stream.write(changedEvent);
  }

  close(): void {
    this.#cancelBeat?.();
    this.#cancelBeat = undefined;
    for (const { streams, stop } of this.#federations.values()) {
      stop.abort();
      for (const stream of streams) stream.end();
    }
    this.#federations.clear();
  }

  #watched(federation: string): { readonly streams: Set<ServerResponse> } {
    const known = this.#federations.get(federation);
    if (known !== undefined) return known;
    const watched = { streams: new Set<ServerResponse>(), stop: new AbortController() };
    this.#federations.set(federation, watched);
    const changed = () => {
      for (const stream of watched.streams) send(stream, changedEvent);
    };
    this.#store.watchMembers(federation, changed, watched.stop.signal);
    return watched;
  }

  #remove(federation: string, stream: ServerResponse): void {
    this.#count -= 1;
    const watched = this.#federations.get(federation);
    if (watched?.streams.delete(stream) !== true || watched.streams.size > 0) return;
    watched.stop.abort();
    this.#federations.delete(federation);
    if (this.#federations.size > 0) return;
    this.#cancelBeat?.();
    this.#cancelBeat = undefined;
  }

  #beatLater(): () => void {
    return this.#scheduler.after(protocol.watchBeatMs, () => {
      this.#cancelBeat = this.#beatLater();
      for (const { streams } of this.#federations.values()) {
        for (const stream of streams) send(stream, ': beat\n\n');
      }
    });
  }
}

const changedEvent = 'event: changed\ndata: {}\n\n';

function send(stream: ServerResponse, text: string): void {
  if (stream.writableNeedDrain || stream.writableEnded) return;
  stream.write(text);
}

function addPasswordCheck(
  server: FastifyInstance,
  { user, password }: Pick<RegistryServerOptions, 'user' | 'password'>,
): void {
  if (user === undefined && password === undefined) return;
  const wanted = digest(`Basic ${Buffer.from(`${user ?? ''}:${password ?? ''}`).toString('base64')}`);
  const refusal = new MeshError(
    'registry-refused',
    'The registry asks for a user and password, and these are not they.',
  );
  server.addHook('onRequest', (request: FastifyRequest, reply, done) => {
    const given = digest(request.headers.authorization ?? '');
    const isOpen = request.routeOptions.url === '/v1/health';
    if (isOpen || timingSafeEqual(given, wanted)) done();
    else sendProblem(reply, refusal);
  });
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/** The one place where a framework's error becomes one of ours. */
function meshError(error: FastifyError | MeshError, log: Log | undefined): MeshError {
  if (error instanceof MeshError && error.code === 'registry-refused') {
    // By the store: it is this gateway that is refused, and its callers can mend nothing.
    log?.({ level: 'warn', message: 'The store refuses this gateway.', details: { reason: error.message } });
    return new MeshError(
      'registry-unavailable',
      'The store behind this gateway refuses it. Its log says how.',
      {
        cause: error,
      },
    );
  }
  if (error instanceof MeshError) return error;
  if (error.code === 'FST_ERR_CTP_INVALID_MEDIA_TYPE') {
    return new MeshError('unsupported-media-type', 'Send application/json.', { cause: error });
  }
  if (error.statusCode !== undefined && error.statusCode >= 400 && error.statusCode < 500) {
    return new MeshError('invalid-request', `${error.message}.`, { cause: error });
  }
  log?.({
    level: 'warn',
    message: 'A registry request failed.',
    details: { reason: error.message, stack: error.stack },
  });
  return new MeshError('internal', 'The registry failed. Its log says how.', { cause: error });
}

function sendProblem(reply: FastifyReply, error: MeshError): void {
  const { status, title, retryable } = error.facts;
  reply
    .code(status)
    .type('application/problem+json')
    .send(
      JSON.stringify({
        ...error.details,
        type: 'about:blank',
        title,
        status,
        detail: error.message,
        code: error.code,
        retryable,
      }),
    );
}

function parseListen(listen: string): { host: string; port: number } {
  const match = /^(?:\[([0-9A-Fa-f:.]+)\]|([^:[\]/\s]+)):(\d{1,5})$/.exec(listen);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host !== undefined && port <= 65_535) return { host, port };
  throw new MeshError(
    'invalid-config',
    `The registry cannot listen on "${listen}". Write host:port, as 127.0.0.1:7420.`,
  );
}
