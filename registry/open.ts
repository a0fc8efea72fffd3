// Opens a registry by its address. Opening dials nobody, so a mesher starts while its registry is down.

import { MeshError } from '../node/core/errors.ts';
import { isLoopback } from '../node/core/loopback.ts';
import type { Registry } from '../node/core/ports.ts';
import { parseRegistryAddress } from './address.ts';
import { RegistryClient } from './client.ts';
import { connectStore } from './connect.ts';
import type { ConnectOptions } from './connect.ts';
import { LeaseThread } from './lease-thread.ts';
import { federationPattern, REGISTRY_LIMITS } from './limits.ts';
import { realScheduler } from './scheduler.ts';
import type { Log, RegistryStore } from './store.ts';

export interface StoreOptions {
  /** How long any call may take. */
  readonly timeoutMs?: number | undefined;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  /** PEM. `ca`: whom to trust instead of the system's authorities. `cert` and `key`: who we are, both or neither. */
  readonly tls?: { readonly ca?: Buffer; readonly cert?: Buffer; readonly key?: Buffer } | undefined;
  readonly random?: (() => number) | undefined;
  readonly log?: Log | undefined;
}

export interface RegistryOptions extends StoreOptions {
  readonly federation: string;
  readonly node: string;
  /** How long a mesher that died stays listed. */
  readonly ttlMs?: number | undefined;
}

const defaultTtlMs = 20_000;
const defaultTimeoutMs = 5000;
/** Three endpoints at half a second each: a new TLS connection and etcd's slow password hash fit in. */
const patienceMsMin = 1500;

/** A mesher's client. Warns where a password would travel in clear. Rejects with `invalid-config` for an address or option that can never work, and for nothing else. */
export async function openRegistry(address: string, options: RegistryOptions): Promise<Registry> {
  const connect = readOptions(address, options);
  const { federation, node, ttlMs = defaultTtlMs } = options;
  checkFederation(federation);
  checkTtl(ttlMs);
  const ports = portsOf(options);
  warnOfClearPassword(connect, ports.log);
  const store = await connectStore(connect, ports);
  // A renewal that hangs on one endpoint must leave time for another before the lease is over.
  const patienceMs = Math.min(connect.timeoutMs, Math.max(patienceMsMin, ttlMs / 2));
  const keeper = new LeaseThread(
    { federation, node, ttlMs, connect: { ...connect, timeoutMs: patienceMs } },
    ports,
  );
  return new RegistryClient(
    { address: connect.address.text, federation, node, timeoutMs: connect.timeoutMs },
    { store, keeper, scheduler: ports.scheduler },
  );
}

/** A store for a gateway: `startRegistryServer({ listen, store: await openStore('etcd://…', {…}) })`. */
export async function openStore(address: string, options: StoreOptions): Promise<RegistryStore> {
  const connect = readOptions(address, options);
  const ports = portsOf(options);
  warnOfClearPassword(connect, ports.log);
  return connectStore(connect, ports);
}

function warnOfClearPassword({ address, user }: ConnectOptions, log: Log): void {
  if (user === undefined || address.secure) return;
  const exposed = address.endpoints.filter((endpoint) => !isLoopback(hostOf(endpoint)));
  if (exposed.length === 0) return;
  const safer = `${address.kind}s://${address.endpoints.join(',')}`;
  log({
    level: 'warn',
    message: `The registry's user and password travel in clear; serve it with TLS and write ${safer}.`,
    details: { registry: address.text, exposed },
  });
}

/** `[::1]:2379` → `::1` */
function hostOf(endpoint: string): string {
  return endpoint.slice(0, endpoint.lastIndexOf(':')).replace(/^\[|\]$/g, '');
}

function portsOf({ random = Math.random, log = () => undefined }: StoreOptions) {
  return { scheduler: realScheduler, random, log };
}

function readOptions(
  text: string,
  { timeoutMs = defaultTimeoutMs, user, password, tls }: StoreOptions,
): ConnectOptions {
  const address = parseRegistryAddress(text);
  if (user === undefined && password !== undefined) {
    throw new MeshError(
      'invalid-config',
      'The registry has a password without a user. Name the user as well.',
    );
  }
  if (tls !== undefined && !address.secure) {
    const secure = address.kind === 'etcd' ? 'etcds://' : 'https://';
    throw new MeshError(
      'invalid-config',
      `The registry has TLS options, but its address is not ${secure}. Write ${secure} or leave them away.`,
    );
  }
  if ((tls?.cert === undefined) !== (tls?.key === undefined)) {
    throw new MeshError(
      'invalid-config',
      'The registry needs both a client certificate and its key, or neither.',
    );
  }
  return { address, timeoutMs, user, password, tls };
}

function checkFederation(federation: string): void {
  if (new RegExp(federationPattern).test(federation)) return;
  throw new MeshError(
    'invalid-config',
    `The federation cannot be called ${JSON.stringify(federation.slice(0, 80))}. Use up to 63 letters, digits, ".", "_" and "-", a letter or digit first.`,
  );
}

function checkTtl(ttlMs: number): void {
  const { ttlMsMin, ttlMsMax } = REGISTRY_LIMITS;
  if (Number.isInteger(ttlMs) && ttlMs >= ttlMsMin && ttlMs <= ttlMsMax) return;
  throw new MeshError(
    'invalid-config',
    `The registry's lease cannot last ${String(ttlMs)} ms. Choose a whole number from ${String(ttlMsMin)} to ${String(ttlMsMax)}.`,
  );
}
