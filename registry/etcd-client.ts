// The only file that knows the package etcd3. It carries single calls to one of several endpoints, each bounded in time,
// and turns that package's errors into MeshErrors. etcd3's own retries, lease loop and watcher are left unused: its
// circuit breaker would keep a healthy endpoint out for five seconds, its lease loop does not put keys again
// (microsoft/etcd3#110), and it opens watches with a token that may have ended.

import {
  castGrpcError,
  ClientClosedError,
  Etcd3,
  EtcdAuthenticationFailedError,
  EtcdInvalidAuthTokenError,
  EtcdLeaseInvalidError,
  EtcdPermissionDeniedError,
  GRPCInvalidArgumentError,
  GRPCUnauthenticatedError,
} from 'etcd3';
import type { IOptions } from 'etcd3';
import { MeshError } from '../node/core/errors.ts';
import { EndpointPicker } from './failover.ts';
import type { RegistryAddress } from './address.ts';
import { REGISTRY_LIMITS } from './limits.ts';
import type { Scheduler } from './scheduler.ts';

export interface EtcdOptions {
  readonly address: RegistryAddress;
  readonly timeoutMs: number;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer } | undefined;
}

export type { Etcd3 } from 'etcd3';

/** What a call may set: etcd3 passes it on to gRPC. */
export interface CallLimit {
  readonly deadline: number;
}

type Policy = NonNullable<NonNullable<IOptions['faultHandling']>['global']>;

/** Stands where etcd3 would retry or break the circuit: does neither. */
const once: Policy = {
  // Exists in the type only, to carry a type.
  _altReturn: undefined as never,
  onSuccess: () => ({ dispose: () => undefined }),
  onFailure: () => ({ dispose: () => undefined }),
  execute: async (run, signal = new AbortController().signal) => run({ signal }),
};

class EtcdEndpoint {
  readonly #options: IOptions;
  client: Etcd3;

  constructor(options: IOptions) {
    this.#options = options;
    this.client = new Etcd3(options);
  }

  /** A client that has to ask for a token anew. */
  renew(): void {
    this.client.close();
    this.client = new Etcd3(this.#options);
  }
}

export class EtcdClient {
  readonly #closing = new AbortController();
  readonly #endpoints: readonly EtcdEndpoint[];
  readonly #picker: EndpointPicker<EtcdEndpoint>;
  readonly #options: EtcdOptions;

  constructor(options: EtcdOptions, scheduler: Scheduler) {
    this.#options = options;
    const { secure, endpoints } = options.address;
    const scheme = secure ? 'https' : 'http';
    this.#endpoints = endpoints.map(
      (endpoint) => new EtcdEndpoint(endpointOptions(options, `${scheme}://${endpoint}`)),
    );
    this.#picker = new EndpointPicker({
      endpoints: this.#endpoints,
      timeoutMs: options.timeoutMs,
      scheduler,
      signal: this.#closing.signal,
    });
  }

  get closed(): AbortSignal {
    return this.#closing.signal;
  }

  /** `run` may be called several times: what it does must bear that. Rejects with MeshErrors only. */
  async call<Result>(run: (client: Etcd3, limit: CallLimit) => Promise<Result>): Promise<Result> {
    if (this.#closing.signal.aborted) throw new MeshError('shutting-down', 'The registry client is closed.');
    try {
      return await this.#picker.call(
        (endpoint, ms) => this.#attempt(endpoint, Date.now() + ms, run),
        (error) => codeOf(error) === 'registry-unavailable' && !isLeaseGone(error),
      );
    } catch (error) {
      throw this.#translate(error);
    }
  }

  close(): void {
    this.#closing.abort();
    for (const { client } of this.#endpoints) client.close();
  }

  async #attempt<Result>(
    endpoint: EtcdEndpoint,
    deadline: number,
    run: (client: Etcd3, limit: CallLimit) => Promise<Result>,
  ): Promise<Result> {
    try {
      return await run(endpoint.client, { deadline });
    } catch (error) {
      // A token ends when its etcd restarts or its users change, and etcd says so in several ways: ask for one once more.
      const mayBeToken = this.#options.user !== undefined && codeOf(error) === 'registry-refused';
      if (!mayBeToken || this.#closing.signal.aborted) throw error;
      endpoint.renew();
      return run(endpoint.client, { deadline });
    }
  }

  #translate(error: unknown): unknown {
    if (error instanceof MeshError || isLeaseGone(error)) return error;
    const { address, timeoutMs } = this.#options;
    const reason = error instanceof Error ? error.message : String(error);
    const code = this.#closing.signal.aborted ? 'shutting-down' : codeOf(error);
    const text = {
      'registry-refused': `etcd at ${address.text} refused this client (${reason}). Check the registry's user, password and the rights of its role on /causeway/.`,
      'shutting-down': 'The registry client is closed.',
      'registry-unavailable': `etcd at ${address.text} did not answer within ${String(timeoutMs)} ms (${reason}).`,
    }[code];
    return new MeshError(code, text, { cause: error });
  }
}

/** The lease is not known to etcd (any more). */
export function isLeaseGone(error: unknown): boolean {
  return error instanceof EtcdLeaseInvalidError;
}

/** What an event of a gRPC stream says, as etcd3's calls say it. */
export function streamError(error: Error): Error {
  return castGrpcError(error);
}

function codeOf(error: unknown): 'registry-refused' | 'registry-unavailable' | 'shutting-down' {
  if (error instanceof ClientClosedError) return 'shutting-down';
  const isRefusal =
    error instanceof EtcdAuthenticationFailedError ||
    error instanceof EtcdInvalidAuthTokenError ||
    error instanceof EtcdPermissionDeniedError ||
    error instanceof GRPCUnauthenticatedError ||
    error instanceof GRPCInvalidArgumentError;
  // Not GRPCFailedPreconditionError: an etcd that restarts says 'authentication is not enabled' until it has read its log.
  return isRefusal ? 'registry-refused' : 'registry-unavailable';
}

function endpointOptions(options: EtcdOptions, host: string): IOptions {
  const { address, timeoutMs, user, password, tls } = options;
  return {
    hosts: host,
    faultHandling: { host: () => once, global: once },
    grpcOptions: {
      // A dead TCP connection under an open watch is found in 15 s. etcd refuses pings more often than every 5 s.
      'grpc.keepalive_time_ms': 10_000,
      'grpc.keepalive_timeout_ms': 5000,
      // gRPC's own back-off goes up to two minutes; ours, above it, is the one that counts.
      'grpc.initial_reconnect_backoff_ms': 100,
      'grpc.max_reconnect_backoff_ms': 1000,
      'grpc.max_receive_message_length': REGISTRY_LIMITS.answerBytesMax,
    },
    ...(address.secure && tls !== undefined ? { credentials: credentials(tls) } : {}),
    ...(user === undefined
      ? {}
      : {
          auth: {
            username: user,
            password: password ?? '',
            callOptions: () => ({ deadline: Date.now() + timeoutMs }),
          },
        }),
  };
}

function credentials(tls: NonNullable<EtcdOptions['tls']>): NonNullable<IOptions['credentials']> {
  const { ca, cert, key } = tls;
  return {
    // gRPC takes the system's authorities where none are given; etcd3's type does not say so.
    ...(ca === undefined ? {} : { rootCertificate: Buffer.from(ca) }),
    ...(key === undefined ? {} : { privateKey: Buffer.from(key) }),
    ...(cert === undefined ? {} : { certChain: Buffer.from(cert) }),
  } as NonNullable<IOptions['credentials']>;
}
