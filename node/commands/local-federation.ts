// A federation on this machine: an embedded registry and one mesher per cluster, each a process of its own. Started
// in order, stopped in reverse. Restarts nothing: an end that nobody asked for is told.

import { createServer } from 'node:net';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { MeshError } from '../core/errors.ts';
import { Api } from './api.ts';
import { Child } from './child.ts';
import type { DataFolder } from './data-folder.ts';
import { fetchFederation } from './views.ts';
import { pause } from './waiting.ts';

export interface LocalMesher {
  readonly cluster: string;
  readonly node: string;
  readonly http: string;
  readonly pid: number;
}

export interface LocalFederationOptions {
  readonly federation: string;
  readonly clusters: readonly string[];
  /** Address of a registry that is there already; undefined: one is started. */
  readonly registry: string | undefined;
  readonly data: DataFolder;
  readonly signal: AbortSignal;
  /** A process ended without being asked to. */
  readonly ended: (why: MeshError) => void;
}

const firstHttpPort = 7400;
const registryPort = 7420;
// Installing nothing, a mesher is up in a second or two; a slow machine that starts many takes longer.
const readyDeadlineMs = 120_000;
const pollMs = 50;

export class LocalFederation {
  readonly meshers: readonly LocalMesher[];
  readonly registry: string;
  readonly #children: readonly Child[];

  private constructor(meshers: readonly LocalMesher[], registry: string, children: readonly Child[]) {
    this.meshers = meshers;
    this.registry = registry;
    this.#children = children;
  }

  /** Resolves when every mesher is ready and knows all others. Leaves nothing running where it rejects. */
  static async start(options: LocalFederationOptions): Promise<LocalFederation> {
    const children: Child[] = [];
    try {
      const registry = options.registry ?? (await startRegistry(options, children));
      const meshers = await startMeshers(options, registry, children);
      await allReady(meshers, children, options.signal);
      for (const child of children) {
        void child.ended.then(() => {
          if (child.endedUnasked) options.ended(child.failure());
        });
      }
      return new LocalFederation(meshers, registry, children);
    } catch (error) {
      await stopAll(children);
      throw error;
    }
  }

  /** True while any of its processes runs. */
  get running(): boolean {
    return this.#children.some((child) => child.running);
  }

  /** Resolves when all have ended. Throws when one had to be killed. */
  async stop(): Promise<void> {
    await stopAll(this.#children);
  }

  /** Resolves when all have ended, whoever stopped them. */
  async ended(): Promise<void> {
    await Promise.all(this.#children.map((child) => child.ended));
  }
}

async function startRegistry({ data }: LocalFederationOptions, children: Child[]): Promise<string> {
  const folder = join(data.path, 'registry');
  const listen = `127.0.0.1:${await freePort(registryPort)}`;
  const child = new Child(
    'the registry',
    ['registry', '--data', folder, '--listen', listen],
    logFile(data, 'registry'),
  );
  remember(child, children, data);
  const { address } = await child.told;
  return String(address);
}

async function startMeshers(
  options: LocalFederationOptions,
  registry: string,
  children: Child[],
): Promise<LocalMesher[]> {
  const { clusters, data, federation } = options;
  const started: Child[] = [];
  for (const [index, cluster] of clusters.entries()) {
    const [http, link] = [
      await freePort(firstHttpPort + 2 * index),
      await freePort(firstHttpPort + 2 * index + 1),
    ];
    const nth = clusters.slice(0, index).filter((other) => other === cluster).length + 1;
    const name = nth === 1 ? cluster : `${cluster}.${nth}`;
    const args = ['node', '--federation', federation, '--cluster', cluster, '--registry', registry];
    args.push(
      '--data',
      join(data.path, name),
      '--http',
      `127.0.0.1:${http}`,
      '--listen',
      `/ip4/127.0.0.1/tcp/${link}`,
      '--dashboard-operators',
      'federation', // all of it belongs to whoever started it
    );
    const child = new Child(`the mesher of ${name}`, args, logFile(data, name));
    remember(child, children, data);
    started.push(child);
  }
  return Promise.all(
    started.map(async (child, index) => {
      const { node, http } = await child.told;
      return { cluster: clusters[index] ?? '', node: String(node), http: String(http), pid: child.pid };
    }),
  );
}

function remember(child: Child, children: Child[], data: DataFolder): void {
  children.push(child);
  data.note(children.map(({ pid }) => pid));
}

function logFile(data: DataFolder, name: string): string {
  const folder = join(data.path, 'log');
  mkdirSync(folder, { recursive: true });
  return join(folder, `${name}.log`);
}

/** The wanted port, or 0 where it is taken or cannot be had. */
async function freePort(wanted: number): Promise<number> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once('error', () => resolve(0)); // why does not matter: the system then chooses
    probe.listen({ port: wanted, host: '127.0.0.1' }, () => probe.close(() => resolve(wanted)));
  });
}

async function allReady(
  meshers: readonly LocalMesher[],
  children: readonly Child[],
  signal: AbortSignal,
): Promise<void> {
  const deadline = performance.now() + readyDeadlineMs;
  const nodes = new Set(meshers.map(({ node }) => node));
  for (const mesher of meshers) {
    const api = new Api(mesher.http);
    for (let why = ''; ; await pause(pollMs, signal)) {
      if (signal.aborted) return;
      const dead = children.find((child) => !child.running);
      if (dead !== undefined) throw dead.failure();
      if (performance.now() > deadline) {
        throw new MeshError(
          'not-ready',
          `the mesher of ${mesher.cluster} is not ready after ${readyDeadlineMs / 1_000} s (${why}); see the logs`,
        );
      }
      try {
        await api.get('/readyz', { signal });
        const { members } = await fetchFederation(api, signal);
        const known = members.filter(({ node, status }) => nodes.has(node) && status === 'alive');
        if (known.length === nodes.size) break;
        why = `it knows ${known.length} of ${nodes.size} meshers`;
      } catch (error) {
        if (!(error instanceof MeshError) || !error.facts.retryable) throw error;
        why = error.message;
      }
    }
  }
}

/** Meshers first, together; then the registry, so that they can take their leave of it. */
async function stopAll(children: readonly Child[]): Promise<void> {
  const [first, ...rest] = children;
  const hasRegistry = first?.title === 'the registry';
  await Promise.all((hasRegistry ? rest : children).map((child) => child.stop()));
  if (hasRegistry) await first.stop();
}
