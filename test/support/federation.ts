// A federation of real processes for end-to-end tests: a registry and meshers, each `node/main.ts` in a child process,
// on loopback with ports of the system's choice; each can be killed, stopped and started again with its data; whole
// clusters can be cut off (links and registry) where `partitions` is asked for.
//
//   const federation = await Federation.start(t, { clusters: { a: 1, b: 1 } });
//   const [a] = federation.meshers('a');
//   await a.kill(); await a.start(); await a.whenReady();

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { FederationView, LinksView, QueueView, RoutesView } from '../../node/core/views.ts';
import { freePort } from './free-port.ts';
import { LOOPBACK, type ProgramHost } from './program-host.ts';
import { Relay } from './relay.ts';
import { until } from './until.ts';

const MAIN = join(import.meta.dirname, '../../node/main.ts');

export interface FederationOptions {
  /** Cluster name → number of meshers. */
  readonly clusters: Readonly<Record<string, number>>;
  /** Registry address; left out: an embedded one of its own. */
  readonly registry?: string;
  /** Puts a relay before every mesher and before the registry for each cluster, so that `cut` works. */
  readonly partitions?: boolean;
  /** Further flags of `causeway node`. */
  readonly flags?: readonly string[];
  /** Flags of Node for every mesher. */
  readonly nodeFlags?: readonly string[];
  /** A command that runs what follows it, and starts every mesher; it must leave the mesher its process id. */
  readonly wrapper?: readonly string[];
  /** Where each mesher runs, by cluster and its number there, from 0, not with `partitions`; left out: on loopback, all. */
  readonly hosts?: (cluster: string, index: number) => ProgramHost;
  /** Folder in which the federation makes its own; left out: the system's for what is temporary. */
  readonly parent?: string;
  /** Told of each mesher's data folder before the mesher starts for the first time: what it is to find there. */
  readonly prepare?: (cluster: string, data: string) => Promise<void>;
  /** Told before the first process starts, for who must be able to end them all whatever happens. */
  readonly started?: (federation: Federation) => void;
}

/** Who says when all is over: a `TestContext` is one. */
export interface Ending {
  after(end: () => Promise<void>): void;
}

/** A child process of the command line, with what it printed. */
export class Program {
  readonly #args: readonly string[];
  readonly #nodeFlags: readonly string[];
  readonly #wrapper: readonly string[];
  readonly #watchers: ((line: string) => void)[] = [];
  #child: ChildProcess | undefined;
  #output = '';

  /** `nodeFlags` are for Node itself; `wrapper` is a command that runs it. */
  constructor(args: readonly string[], nodeFlags: readonly string[] = [], wrapper: readonly string[] = []) {
    this.#args = args;
    this.#nodeFlags = nodeFlags;
    this.#wrapper = wrapper;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** The last 200,000 characters, over all its starts: to look at when a test fails. `watch` misses nothing. */
  get output(): string {
    return this.#output;
  }

  /** From now on each line that it prints, over all its starts, goes to `watcher`. */
  watch(watcher: (line: string) => void): void {
    this.#watchers.push(watcher);
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  start(): void {
    const node = [process.execPath, ...this.#nodeFlags, MAIN, ...this.#args];
    const [command = process.execPath, ...args] = [...this.#wrapper, ...node];
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-200_000);
      });
      createInterface({ input: stream }).on('line', (line) => {
        for (const watcher of this.#watchers) watcher(line);
      });
    }
    this.#child = child;
  }

  signal(signal: NodeJS.Signals): void {
    this.#child?.kill(signal);
  }

  /** Resolves when the process that runs now is gone, whoever ends it, and all that it printed has been seen. */
  async ended(): Promise<void> {
    if (this.#child && this.running) await once(this.#child, 'close');
  }

  /** Resolves when the process is gone. */
  async end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (!child || !this.running) return;
    const gone = once(child, 'exit');
    child.kill(signal);
    await gone;
  }
}

export class RunningMesher {
  readonly cluster: string;
  readonly http: string;
  readonly program: Program;
  readonly data: string;

  constructor(cluster: string, http: string, data: string, program: Program) {
    this.cluster = cluster;
    this.http = http;
    this.data = data;
    this.program = program;
  }

  start(): void {
    this.program.start();
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.program.end('SIGKILL');
  }

  async stop(): Promise<void> {
    await this.program.end('SIGTERM');
  }

  async whenReady(): Promise<void> {
    try {
      await until(`${this.cluster} ready`, async () => (await fetch(`${this.http}/readyz`)).ok);
    } catch (cause) {
      throw new Error(
        `${this.cluster} at ${this.http} is not ready; it printed:\n${this.program.output.slice(-4000)}`,
        { cause },
      );
    }
  }

  async get<T>(path: string): Promise<T> {
    const response = await fetch(this.http + path);
    const text = await response.text();
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${text}`);
    return JSON.parse(text) as T;
  }

  federation(): Promise<FederationView> {
    return this.get('/v1/federation');
  }

  links(): Promise<LinksView> {
    return this.get('/v1/links');
  }

  async queues(): Promise<readonly QueueView[]> {
    const body = await this.get<readonly QueueView[] | { queues: readonly QueueView[] }>('/v1/queues');
    return 'queues' in body ? body.queues : body;
  }

  routes(topic: string): Promise<RoutesView> {
    return this.get(`/v1/routes?topic=${encodeURIComponent(topic)}`);
  }

  /** Sum of a metric's samples whose labels hold all of `labels`. */
  async metric(name: string, labels: Readonly<Record<string, string>> = {}): Promise<number> {
    const text = await (await fetch(`${this.http}/metrics`)).text();
    let sum = 0;
    for (const line of text.split('\n')) {
      const match = /^([a-z_]+)(?:\{(.*)\})? (\S+)/.exec(line);
      if (match?.[1] !== name) continue;
      if (Object.entries(labels).every(([label, value]) => (match[2] ?? '').includes(`${label}="${value}"`)))
        sum += Number(match[3]);
    }
    return sum;
  }

  async putSubscription(name: string, body: Readonly<Record<string, unknown>>): Promise<void> {
    const response = await fetch(`${this.http}/v1/subscriptions/${name}`, {
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (!response.ok) throw new Error(`PUT subscription: ${response.status} ${await response.text()}`);
  }
}

export class Federation {
  readonly #meshers: RunningMesher[] = [];
  readonly #relays: Relay[] = [];
  readonly #cut = new Set<string>();
  /** Pairs of clusters, sorted. */
  readonly #cutLinks = new Set<string>();
  #nodeFlags: readonly string[] = [];
  #wrapper: readonly string[] = [];
  #prepare: FederationOptions['prepare'];
  #hosts: NonNullable<FederationOptions['hosts']> = () => LOOPBACK;
  registry: Program | undefined;
  /** As the meshers were told, without any relay. */
  registryAddress = '';
  readonly folder: string;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async start(t: Ending, options: FederationOptions): Promise<Federation> {
    const federation = new Federation(await mkdtemp(join(options.parent ?? tmpdir(), 'causeway-e2e-')));
    t.after(() => federation.stop());
    options.started?.(federation);
    await federation.#start(options);
    return federation;
  }

  async #start(options: FederationOptions): Promise<void> {
    const { clusters, registry, partitions = false, flags = [], nodeFlags = [], wrapper = [] } = options;
    this.#prepare = options.prepare;
    this.#nodeFlags = nodeFlags;
    this.#wrapper = wrapper;
    if (options.hosts) this.#hosts = options.hosts;
    this.registryAddress = registry ?? (await this.#startRegistry());
    for (const [cluster, count] of Object.entries(clusters)) {
      const address = partitions ? await this.#relayed(this.registryAddress, cluster) : this.registryAddress;
      for (let i = 0; i < count; i++) await this.#startMesher(cluster, i, address, partitions, flags);
    }
    await Promise.all(this.#meshers.map((mesher) => mesher.whenReady()));
    await this.whenLinked();
  }

  /** One more mesher, in a federation without partitions. It is not waited for. */
  async join(cluster: string, flags: readonly string[] = []): Promise<RunningMesher> {
    return this.#startMesher(cluster, this.meshers(cluster).length, this.registryAddress, false, flags);
  }

  async #startRegistry(): Promise<string> {
    const port = await freePort();
    this.registry = new Program(['registry', '--data', this.registryData, '--listen', `127.0.0.1:${port}`]);
    this.registry.start();
    await until('registry listens', () => this.registry?.output.includes('listens'));
    return `http://127.0.0.1:${port}`;
  }

  /** Folder of the embedded registry. */
  get registryData(): string {
    return join(this.folder, 'registry');
  }

  /** What the registry lists, asked by HTTP as a client does. */
  async registered(): Promise<readonly { readonly node: string; readonly incarnation: number }[]> {
    const response = await fetch(`${this.registryAddress}/v1/federations/acme/members`);
    if (!response.ok) throw new Error(`list of members: ${response.status} ${await response.text()}`);
    return ((await response.json()) as { members: { node: string; incarnation: number }[] }).members;
  }

  async #startMesher(
    cluster: string,
    index: number,
    registry: string,
    partitions: boolean,
    flags: readonly string[],
  ): Promise<RunningMesher> {
    const data = join(this.folder, `${cluster}-${index}`);
    const [http, link] = [await freePort(), await freePort()];
    const args = [
      'node',
      '--federation',
      'acme',
      '--cluster',
      cluster,
      '--registry',
      registry,
      '--data',
      data,
    ];
    const host = this.#hosts(cluster, index);
    // probes are events, too: only who asks for them has them counted
    const probing = flags.includes('--canary-every-ms') ? [] : ['--canary-every-ms', '0'];
    args.push('--http', `${host.address}:${http}`, '--listen', `/ip4/${host.address}/tcp/${link}`);
    args.push(...probing, ...flags);
    if (host !== LOOPBACK) args.push('--insecure'); // clients are not on its host
    if (partitions) {
      const relay = this.#relay((pid) => {
        const dialler = this.#clusterOf(pid);
        return (
          this.#cut.has(cluster) !== this.#cut.has(dialler) ||
          this.#cutLinks.has(pair(cluster, dialler)) ||
          // who dialled was not found out: it may be the one, and whoever it is dials again
          (dialler === '' && [...this.#cutLinks].some((one) => one.split(' ').includes(cluster)))
        );
      });
      const port = await relay.listen();
      relay.target(link);
      args.push('--advertise', `/ip4/127.0.0.1/tcp/${port}`);
    }
    const program = new Program(args, this.#nodeFlags, [...host.wrapper, ...this.#wrapper]);
    const mesher = new RunningMesher(cluster, `http://${host.address}:${http}`, data, program);
    this.#meshers.push(mesher);
    await this.#prepare?.(cluster, data);
    mesher.start();
    return mesher;
  }

  #clusterOf(pid: number | undefined): string {
    return this.#meshers.find((mesher) => mesher.program.pid === pid)?.cluster ?? '';
  }

  #relay(isCut: (dialler: number | undefined) => boolean): Relay {
    const relay = new Relay(isCut, () => this.#meshers.flatMap((mesher) => mesher.program.pid ?? []));
    this.#relays.push(relay);
    return relay;
  }

  async #relayed(registry: string, cluster: string): Promise<string> {
    const relay = this.#relay(() => this.#cut.has(cluster));
    const port = await relay.listen();
    relay.target(Number(new URL(registry).port));
    return `http://127.0.0.1:${port}`;
  }

  meshers(cluster?: string): readonly RunningMesher[] {
    return this.#meshers.filter((mesher) => cluster === undefined || mesher.cluster === cluster);
  }

  mesher(cluster: string): RunningMesher {
    const [first] = this.meshers(cluster);
    if (!first) throw new Error(`no mesher in ${cluster}`);
    return first;
  }

  /** Every mesher has a link to every other, and knows all its routes. */
  async whenLinked(): Promise<void> {
    for (const mesher of this.#meshers) {
      await until(`${mesher.cluster} linked with all`, async () => {
        const { links } = await mesher.links();
        const { members } = await mesher.federation();
        return (
          links.filter((link) => link.state === 'up').length === this.#meshers.length - 1 &&
          members.every((member) => member.routes.complete)
        );
      });
    }
  }

  /** A subscription made in one cluster is known to `mesher` when its dry run names the cluster. */
  async whenRouted(mesher: RunningMesher, topic: string, clusters: readonly string[]): Promise<void> {
    await until(`${topic} routed to ${clusters.join(', ')}`, async () => {
      const { destinations } = await mesher.routes(topic);
      return clusters.every((cluster) =>
        destinations.some((one) => one.destination === cluster && one.because.length > 0),
      );
    });
  }

  /** Cuts the clusters off from all others and from the registry. */
  cut(...clusters: readonly string[]): void {
    for (const cluster of clusters) this.#cut.add(cluster);
    for (const relay of this.#relays) relay.update();
  }

  /** Cuts two clusters off from each other, and from nobody else. */
  cutLink(a: string, b: string): void {
    this.#cutLinks.add(pair(a, b));
    for (const relay of this.#relays) relay.update();
  }

  heal(): void {
    this.#cut.clear();
    this.#cutLinks.clear();
    for (const relay of this.#relays) relay.update();
  }

  /** Breaks every connection there is, where partitions were asked for; new ones may be made at once. */
  breakConnections(): void {
    for (const relay of this.#relays) relay.breakAll();
  }

  /** SIGKILL to every process, and nothing waited for. */
  endNow(): void {
    for (const mesher of this.#meshers) mesher.program.signal('SIGKILL');
    this.registry?.signal('SIGKILL');
  }

  async stop(): Promise<void> {
    await Promise.all(this.#meshers.map((mesher) => mesher.program.end('SIGKILL')));
    await this.registry?.end('SIGKILL');
    await Promise.all(this.#relays.map((relay) => relay.close()));
    await rm(this.folder, { recursive: true, force: true });
  }
}

function pair(a: string, b: string): string {
  return [a, b].sort().join(' ');
}
