// The mesh under faults: three members of etcd and some clusters of meshers, every one of them a real process on a host of
// its own with, where the machine allows it, a disk of its own. Nemeses claim a mesher before they touch its process or
// disk, so that two of them never work on the same. Nobody stops the mesh: it ends with the namespaces that it runs in.

import { mkdirSync, writeFileSync } from 'node:fs';
import { access, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FederationView, LinksView } from '../../node/core/views.ts';
import { startEtcd, type TestEtcd } from '../support/etcd.ts';
import { Program, RunningMesher } from '../support/federation.ts';
import { until } from '../support/until.ts';
import type { History } from './load/history.ts';
import { TOPIC } from './load/events.ts';
import { Disk } from './machine/disk.ts';
import { type Host, Network } from './machine/network.ts';

const CLOCK_PRELOAD = join(import.meta.dirname, 'clock-preload.ts');
const REGISTRY_SUBNET = 9;
const HTTP_PORT = 7400;
const LINK_PORT = 7401;
const ANSWER_MS = 2_000;
/** What a nemesis waits for a cluster to be able to lose a disk; where another fault hinders that, it is passed over. */
const WHOLE_WITHIN_MS = 30_000;
const LOOK_EVERY_MS = 250;
/** What a mesher printed last, where a run tells of one that ended. */
const LAST_WORDS_CHARACTERS = 1500;
/** What a mesher prints of the name that it loses, each time that it comes upon it until it has another. */
const LOST = {
  damage: /"node":"([^"]+)","aside":.*the journal is damaged: it is put aside/,
  away: /has taken (\S+) over, which was away for too long/,
} as const;
/** How a mesher ends that others have taken over from; whoever runs it starts it again, as it asks for. */
const ENDS_TAKEN_OVER = /^causeway: taken-over:/;

export interface MeshOptions {
  /** Its data, disks and clocks. */
  readonly folder: string;
  /** Cluster → meshers. */
  readonly clusters: Readonly<Record<string, number>>;
  readonly hasDisks: boolean;
  readonly replicas: number;
  /** Further flags of `causeway node`. */
  readonly flags: readonly string[];
}

export class FaultyMesher {
  readonly name: string;
  readonly host: Host;
  readonly disk: Disk | undefined;
  readonly running: RunningMesher;
  readonly #clockFile: string;
  readonly #history: History;
  /** Somebody has stopped it on purpose, or expects it to end. */
  #mayBeDown = false;
  #claimed = false;
  /** As it is not what it was: others have taken over from it. */
  #mayStartAgain = false;
  /** Names that it had. */
  readonly #lost = new Set<string>();
  /** Those of them that others have not yet taken over, as far as is known. */
  readonly heirless = new Set<string>();

  constructor(
    name: string,
    host: Host,
    disk: Disk | undefined,
    running: RunningMesher,
    clockFile: string,
    history: History,
  ) {
    this.name = name;
    this.host = host;
    this.disk = disk;
    this.running = running;
    this.#clockFile = clockFile;
    this.#history = history;
    running.program.watch((line) => this.#hear(line));
  }

  get cluster(): string {
    return this.running.cluster;
  }

  get url(): string {
    return this.running.http;
  }

  /** Another after each loss: what comes back is another mesher. */
  get life(): string {
    return `${this.name}-${this.#lost.size}`;
  }

  get isClaimed(): boolean {
    return this.#claimed;
  }

  claim(): void {
    this.#claimed = true;
  }

  release(): void {
    this.#claimed = false;
  }

  start(): void {
    this.#mayBeDown = false;
    this.#mayStartAgain = false;
    this.running.start();
    this.#history.write({ op: 'started', mesher: this.name, how: '' });
    const { pid } = this.running.program;
    void this.running.program.ended().then(() => {
      if (this.running.program.pid === pid && !this.#mayBeDown) this.#endedByItself();
    });
  }

  #endedByItself(): void {
    const words = this.#lastWords();
    this.#history.write({ op: 'ended', mesher: this.name, how: `by itself: ${words}` });
    if (this.#mayStartAgain) {
      this.start();
      return;
    }
    const facts = `${this.name} ended though nobody had stopped it; it printed last: ${words}`;
    this.#history.write({ op: 'broken', promise: 'a mesher lives until it is stopped', facts });
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#mayBeDown = true;
    await this.running.program.end(signal);
    this.#history.write({ op: 'ended', mesher: this.name, how: signal });
  }

  /** From now on it may end by itself: its disk was touched. */
  allowEnd(): void {
    this.#mayBeDown = true;
  }

  /** It has ended by itself, as it may: what it printed last must say why. */
  mustHaveNamed(cause: RegExp): void {
    const words = this.#lastWords();
    this.#history.write({ op: 'ended', mesher: this.name, how: `by itself: ${words}` });
    if (!cause.test(words))
      this.#history.write({
        op: 'broken',
        promise: 'who ends by itself says why',
        facts: `${this.name} ended with: ${words}`,
      });
  }

  #lastWords(): string {
    return this.running.program.output.slice(-LAST_WORDS_CHARACTERS);
  }

  #hear(line: string): void {
    if (ENDS_TAKEN_OVER.test(line)) this.#mayStartAgain = true;
    for (const how of ['damage', 'away'] as const) {
      const node = LOST[how].exec(line)?.[1];
      if (node !== undefined) this.#lose(node, how);
    }
  }

  #lose(node: string, how: 'disk' | 'damage' | 'away'): void {
    if (this.#lost.has(node)) return;
    this.#lost.add(node);
    this.heirless.add(node);
    this.#history.write({ op: 'lost', mesher: this.name, node, how });
  }

  /** After its end: nothing of it is left, and what is started here next is another mesher than `node`. */
  async loseDisk(node: string): Promise<void> {
    const { data } = this.running;
    for (const name of await readdir(data)) await rm(join(data, name), { recursive: true });
    this.#lose(node, 'disk');
  }

  /** Nothing of what `node` had is left to move. */
  takenOver(node: string): void {
    this.heirless.delete(node);
    this.#history.write({ op: 'taken-over', mesher: this.name, node });
  }

  /** Whether it holds a copy of the mesher with this id, or of what is left of one. */
  async hasCopyOf(node: string): Promise<boolean> {
    return access(join(this.running.data, 'copies', node)).then(
      () => true,
      () => false,
    );
  }

  /** Its name, as it says; undefined: it does not say. */
  async node(): Promise<string | undefined> {
    return (await this.#ask<FederationView>('/v1/federation'))?.self.node;
  }

  async links(): Promise<LinksView | undefined> {
    return this.#ask<LinksView>('/v1/links');
  }

  /** Undefined: it is down, paused or cut off, or serves nobody yet. */
  async #ask<T>(path: string): Promise<T | undefined> {
    try {
      const response = await fetch(this.url + path, { signal: AbortSignal.timeout(ANSWER_MS) });
      return response.ok ? ((await response.json()) as T) : undefined;
    } catch {
      return undefined; // that is what the run is about
    }
  }

  get isRunning(): boolean {
    return this.running.program.running;
  }

  async restart(): Promise<void> {
    this.start();
    await this.running.whenReady();
  }

  /** After `allowEnd`, when what might have ended it is over: it is started if it did end, and has to live from now on. */
  async comeBack(): Promise<void> {
    const isReady = async (): Promise<boolean> => (await fetch(`${this.url}/readyz`)).ok;
    await until(`${this.name} is ready or has ended`, async () => !this.isRunning || (await isReady()));
    if (this.isRunning) this.#mayBeDown = false;
    else await this.restart();
  }

  signal(signal: NodeJS.Signals): void {
    this.running.program.signal(signal);
  }

  /** Its wall clock is off by so much from now on, over restarts. */
  setClock(offsetMs: number): void {
    writeFileSync(this.#clockFile, String(offsetMs));
    if (this.isRunning) this.signal('SIGUSR2');
  }

  /** Takes down its counters; of one that does not answer nothing new is known. */
  async count(): Promise<void> {
    try {
      const response = await fetch(`${this.url}/metrics`, { signal: AbortSignal.timeout(ANSWER_MS) });
      const text = await response.text();
      const moves: Record<string, number> = {};
      for (const [labels, value] of samples(text, 'causeway_lane_moves_total')) {
        const cluster = /cluster="([^"]*)"/.exec(labels)?.[1] ?? '';
        moves[cluster] = (moves[cluster] ?? 0) + value;
      }
      const doubtful = samples(text, 'causeway_events_doubtful_total').reduce(
        (sum, [, value]) => sum + value,
        0,
      );
      const drops: Record<string, number> = {};
      for (const name of ['events_dropped_total', 'events_unwanted_total', 'events_dead_lettered_total']) {
        for (const [labels, value] of samples(text, `causeway_${name}`))
          if (value > 0) drops[`${name}{${labels}}`] = value;
      }
      const links = await this.links();
      const seen = links && { landings: landingsOf(links), copied: copiesOf(links) > 0 };
      this.#history.write({ op: 'counted', mesher: this.name, doubtful, moves, drops, ...seen });
    } catch {
      // it is down, paused or cut off: that is what the run is about
    }
  }
}

/** All at once. They are counted once more before that: their counters end with them. */
export async function endTogether(
  meshers: readonly FaultyMesher[],
  signal: 'SIGKILL' | 'SIGTERM',
): Promise<void> {
  await Promise.all(meshers.map((mesher) => mesher.count()));
  await Promise.all(meshers.map((mesher) => mesher.end(signal)));
}

/** By cluster, the landing mesher of each lane, by its number; '' where it has not begun. */
function landingsOf({ lanes }: LinksView): Record<string, string[]> {
  const landings: Record<string, string[]> = {};
  for (const { destination, scope, lane, landing = '' } of lanes) {
    if (scope !== 'cluster') continue;
    const known = (landings[destination] ??= []);
    while (known.length <= lane) known.push('');
    known[lane] = landing;
  }
  return landings;
}

/** Others that have all that it had, and go on getting what comes. */
function copiesOf({ copies }: LinksView): number {
  return copies.filter(({ complete, state }) => complete && state === 'streaming').length;
}

function samples(text: string, name: string): [string, number][] {
  return text.split('\n').flatMap((line): [string, number][] => {
    const match = /^([a-z_]+)(?:\{(.*)\})? (\S+)/.exec(line);
    return match?.[1] === name ? [[match[2] ?? '', Number(match[3])]] : [];
  });
}

export class Mesh {
  readonly network: Network;
  readonly etcd: TestEtcd;
  readonly etcdHosts: readonly Host[];
  readonly meshers: readonly FaultyMesher[];
  readonly #replicas: number;

  private constructor(
    network: Network,
    etcd: TestEtcd,
    etcdHosts: readonly Host[],
    meshers: readonly FaultyMesher[],
    replicas: number,
  ) {
    this.network = network;
    this.etcd = etcd;
    this.etcdHosts = etcdHosts;
    this.meshers = meshers;
    this.#replicas = replicas;
  }

  static async start(options: MeshOptions, history: History): Promise<Mesh> {
    const network = await Network.start();
    const etcdHosts: Host[] = [];
    for (const at of [1, 2, 3]) etcdHosts.push(await network.addHost(`etcd${at}`, REGISTRY_SUBNET));
    const etcd = await startEtcd({ members: 3, hosts: etcdHosts, parent: options.folder });
    const meshers: FaultyMesher[] = [];
    for (const [at, [cluster, count]] of Object.entries(options.clusters).entries()) {
      for (let i = 1; i <= count; i++)
        meshers.push(
          await makeMesher(
            options,
            cluster,
            i,
            await network.addHost(`${cluster}${i}`, at + 1),
            etcd,
            history,
          ),
        );
    }
    const mesh = new Mesh(network, etcd, etcdHosts, meshers, options.replicas);
    for (const mesher of meshers) mesher.start();
    await Promise.all(meshers.map(({ running }) => running.whenReady()));
    await mesh.whenLinked();
    return mesh;
  }

  get clusters(): readonly string[] {
    return [...new Set(this.meshers.map(({ cluster }) => cluster))];
  }

  meshersOf(cluster: string): readonly FaultyMesher[] {
    return this.meshers.filter((mesher) => mesher.cluster === cluster);
  }

  hostsOf(cluster: string): readonly Host[] {
    return this.meshersOf(cluster).map(({ host }) => host);
  }

  /** Every mesher has a link to every other, and knows all its routes. */
  async whenLinked(): Promise<void> {
    for (const { name, running } of this.meshers) {
      await until(`${name} is linked with all`, async () => {
        const [{ links }, { members }] = [await running.links(), await running.federation()];
        const up = links.filter(({ state }) => state === 'up').length;
        return (
          up === this.meshers.length - 1 &&
          members.length === this.meshers.length &&
          members.every(({ routes }) => routes.complete && !routes.gapped)
        );
      });
    }
  }

  /**
   * Waits until all that the cluster had lost is taken over, and every journal has its copies: from now on it may lose one less than it has
   * replicas. False: that did not come in time.
   */
  async becomesWhole(cluster: string): Promise<boolean> {
    const meshers = this.meshersOf(cluster);
    if (this.#replicas === 1) return true;
    if (meshers.length < this.#replicas) return false;
    const deadline = performance.now() + WHOLE_WITHIN_MS;
    while (performance.now() < deadline) {
      const each = await Promise.all(meshers.map((mesher) => this.#isCopied(mesher)));
      if (!each.includes(false)) return true;
      await sleep(LOOK_EVERY_MS);
    }
    return false;
  }

  async #isCopied(mesher: FaultyMesher): Promise<boolean> {
    const links = await mesher.links();
    return mesher.heirless.size === 0 && links !== undefined && copiesOf(links) >= this.#replicas - 1;
  }

  /** Looks which of the lost are taken over by now: nobody has a copy of them, and who was lost is there under another name. */
  async noteTakeovers(): Promise<void> {
    for (const mesher of this.meshers) {
      for (const node of mesher.heirless) {
        const now = await mesher.node();
        if (now === undefined || now === node) continue; // what it hands over itself may be to come
        const holding = await Promise.all(
          this.meshersOf(mesher.cluster).map((other) => other.hasCopyOf(node)),
        );
        if (!holding.includes(true)) mesher.takenOver(node);
      }
    }
  }

  /** Two durable subscriptions on each mesher, one of its own and one of a group, known to all others. */
  async subscribe(): Promise<void> {
    // many attempts: nothing may end in the dead letters because its consumer was away
    const delivery = { ackTimeoutMs: 10_000, retries: 1000, backoffMs: 200 };
    for (const { name, running } of this.meshers) {
      await running.putSubscription(subscriptionOf(name), { topic: 'faults/#', delivery });
      await running.putSubscription(shareOf(name), { topic: 'faults/#', group: 'share', delivery });
    }
    for (const { name, running } of this.meshers) {
      await until(`${name} knows every subscription`, async () => {
        const { members } = await running.federation();
        return members.every(({ routes }) => routes.interests >= 2 && routes.complete && !routes.gapped);
      });
      const { destinations } = await running.routes(TOPIC);
      if (destinations.length === 0) throw new Error(`${name} routes ${TOPIC} nowhere`);
    }
  }

  /** Events that each mesher still holds in a queue, by name. */
  async queued(): Promise<Record<string, number>> {
    const held: Record<string, number> = {};
    for (const { name, running } of this.meshers)
      for (const { name: queue, depth } of await running.queues())
        if (depth > 0) held[`${name}: ${queue}`] = depth;
    return held;
  }
}

export function subscriptionOf(mesher: string): string {
  return `all-${mesher}`;
}

/** A member of the group. */
export function shareOf(mesher: string): string {
  return `share-${mesher}`;
}

async function makeMesher(
  options: MeshOptions,
  cluster: string,
  at: number,
  host: Host,
  etcd: TestEtcd,
  history: History,
): Promise<FaultyMesher> {
  const { folder, hasDisks, flags } = options;
  const { name, address } = host;
  const disk = hasDisks ? await Disk.make(folder, `disk-${name}`) : undefined;
  const data = disk ? join(disk.path, 'data') : join(folder, `data-${name}`);
  mkdirSync(data);
  const clockFile = join(folder, `clock-${name}`);
  writeFileSync(clockFile, '0');
  const args = [
    ['node', '--federation', 'faults', '--cluster', cluster, '--label', `at=${at}`],
    ['--registry', etcd.address, '--data', data, '--insecure'],
    ['--http', `${address}:${HTTP_PORT}`, '--listen', `/ip4/${address}/tcp/${LINK_PORT}`],
    flags,
  ].flat();
  const wrapper = [...host.wrapper, 'env', `FAULTS_CLOCK=${clockFile}`];
  const program = new Program(args, ['--import', CLOCK_PRELOAD], wrapper);
  const running = new RunningMesher(cluster, `http://${address}:${HTTP_PORT}`, data, program);
  return new FaultyMesher(name, host, disk, running, clockFile, history);
}
