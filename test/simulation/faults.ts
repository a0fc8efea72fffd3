// What goes wrong, when and for how long: drawn from the seed, injected from outside. `healAll` ends all of it.

import { WIRE_VERSION } from '../../node/core/wire-version.ts';
import { MemoryCopies } from '../../node/journal/memory-copies.ts';
import { MemoryDisk } from '../../node/journal/memory-journal.ts';
import type { Chance } from './chance.ts';
import type { SimMesher } from './mesher.ts';
import type { SimNetwork } from './network.ts';
import type { Population } from './population.ts';
import type { SimRegistry } from './registry.ts';
import type { Schedule } from './schedule.ts';
import type { Subscriber } from './workload.ts';

/**
 * Kinds that came later, in sets that a seed has or has not: one that has none of them lives as it did before they were there.
 */
export type Era = 'machines' | 'members' | 'versions';

export interface FaultPorts {
  readonly schedule: Schedule;
  readonly network: SimNetwork;
  readonly registry: SimRegistry;
  readonly population: Population;
  readonly subscribers: readonly Subscriber[];
  readonly meshers: readonly SimMesher[];
}

type Fault = (faults: Faults) => void;

interface Kind {
  readonly weight: number;
  readonly inject: Fault;
  readonly era?: Era;
}

const KINDS: Readonly<Record<string, Kind>> = {
  kill: { weight: 3, inject: (on) => on.kill(false) },
  'power-cut': { weight: 3, inject: (on) => on.kill(true) },
  'die-between-effects': { weight: 3, inject: (on) => on.plan('effects') },
  'die-after-ack': { weight: 3, inject: (on) => on.plan('ack') },
  freeze: { weight: 2, inject: (on) => on.freeze() },
  'link-loss': { weight: 6, inject: (on) => on.loseLink() },
  partition: { weight: 3, inject: (on) => on.partition('full') },
  'one-way-partition': { weight: 2, inject: (on) => on.partition('one-way') },
  flapping: { weight: 2, inject: (on) => on.flap() },
  'slow-network': { weight: 1, inject: (on) => on.slowNetwork() },
  'gossip-loss': { weight: 2, inject: (on) => on.loseGossip() },
  'registry-down': { weight: 2, inject: (on) => on.registry('down') },
  'registry-slow': { weight: 1, inject: (on) => on.registry('slow') },
  'registry-stale': { weight: 2, inject: (on) => on.registry('stale') },
  'registry-cut-off': { weight: 2, inject: (on) => on.cutFromRegistry() },
  'forged-gossip': { weight: 2, inject: (on) => on.forgeGossip() },
  'forged-member': { weight: 1, inject: (on) => on.forgeMember() },
  'lease-expired': { weight: 2, inject: (on) => on.expireLease() },
  'key-lost': { weight: 1, inject: (on) => on.loseKey() },
  'disk-full': { weight: 2, inject: (on) => on.fillDisk() },
  'disk-slow': { weight: 2, inject: (on) => on.slowDisk() },
  pause: { era: 'machines', weight: 2, inject: (on) => on.pause() },
  'clock-jump': { era: 'machines', weight: 2, inject: (on) => on.setClock() },
  'restored-backup': { era: 'machines', weight: 3, inject: (on) => on.restoreBackup() },
  'subscriber-stalls': { era: 'machines', weight: 3, inject: (on) => on.stallSubscriber() },
  'other-version': { era: 'versions', weight: 4, inject: (on) => on.changeVersion() },
  'wiped-disk': { era: 'members', weight: 2, inject: (on) => on.wipeDisk() },
  'member-joins': { era: 'members', weight: 4, inject: (on) => on.join() },
  'hostile-member': { era: 'members', weight: 2, inject: (on) => on.joinHostile() },
  'member-leaves-empty': { era: 'members', weight: 2, inject: (on) => on.leaveEmpty() },
  'member-leaves-at-once': { era: 'members', weight: 2, inject: (on) => on.leaveAtOnce() },
};

/** What comes beside all others, in some runs: each draws by a chance of its own, so that the others come as they come without it. */
export interface Beside {
  /** Copies are damaged. */
  readonly damages: Chance | undefined;
  /** Somebody joins while an heir is away. */
  readonly absences: Chance | undefined;
}

const DAMAGE_PAUSE_MAX_MS = 10_000;
const ABSENCE_PAUSE_MAX_MS = 10_000;
/** Of damaged copies, those whose owners are lost before they are whole again. */
const LOST_AFTER_DAMAGE = 0.3;

export class Faults {
  /** How often each kind was injected. */
  readonly injected = new Map<string, number>();
  readonly #chance: Chance;
  readonly #ports: FaultPorts;
  readonly #note: (what: string) => void;
  readonly #kinds: readonly string[];
  readonly #eras: ReadonlySet<Era>;
  readonly #pauseMs: number;
  readonly #beside: Beside;
  #ended = false;

  constructor(
    chance: Chance,
    eras: ReadonlySet<Era>,
    beside: Beside,
    ports: FaultPorts,
    note: (what: string) => void,
  ) {
    this.#chance = chance;
    this.#beside = beside;
    this.#ports = ports;
    this.#eras = eras;
    this.#note = note;
    this.#pauseMs = chance.skewed(150, 6_000);
    // each run has its own mixture, so that some see much of little
    const known = Object.entries(KINDS).filter(([, { era }]) => era === undefined || eras.has(era));
    const all = known.flatMap(([kind, { weight }]) => Array<string>(weight).fill(kind));
    this.#kinds = chance.is(0.5) ? all : all.filter(() => chance.is(0.3));
  }

  start(): void {
    if (this.#eras.has('versions')) this.#startMixed();
    if (this.#kinds.length > 0) this.#later(this.#pauseMs, () => this.#next());
    const { damages, absences } = this.#beside;
    if (damages) this.#damageNext(damages);
    if (absences) this.#leaveHeirsOut(absences);
  }

  #damageNext(chance: Chance): void {
    this.#later(chance.skewed(200, DAMAGE_PAUSE_MAX_MS), () => {
      const { population } = this.#ports;
      const isLost =
        this.#eras.has('members') && chance.is(LOST_AFTER_DAMAGE) && population.damageAndLose(chance);
      const isDamaged = isLost || population.damageCopy(chance);
      if (isDamaged) {
        this.#count('copy-damaged');
        this.#note(`fault: copy-damaged${isLost ? ', and its owner is lost' : ''}`);
      }
      this.#damageNext(chance);
    });
  }

  /** An heir goes away for a while, and whoever joins meanwhile can hear of it only from those who knew it. */
  #leaveHeirsOut(chance: Chance): void {
    this.#later(chance.skewed(500, ABSENCE_PAUSE_MAX_MS), () => {
      const { population, registry } = this.#ports;
      const heir = population.anyHeir(chance);
      if (heir) {
        this.#count('heir-away');
        this.#note(`fault: heir-away ${heir.node}`);
        heir.crash(chance.is(0.5), 'away');
        registry.expire(heir.node);
        this.#later(chance.skewed(10, 2_000), () => population.join(chance));
        this.#later(chance.between(3_000, 30_000), () => heir.start());
      } else if (population.lose(chance.pick(this.#ports.meshers))) {
        this.#count('mesher-lost');
        this.#note('fault: mesher-lost, so that there is an heir');
      }
      this.#leaveHeirsOut(chance);
    });
  }

  #next(): void {
    const kind = this.#chance.pick(this.#kinds);
    this.#count(kind);
    this.#note(`fault: ${kind}`);
    KINDS[kind]?.inject(this);
    this.#later(this.#pauseMs * this.#chance.between(0.1, 1.9), () => this.#next());
  }

  #count(kind: string): void {
    this.injected.set(kind, (this.injected.get(kind) ?? 0) + 1);
  }

  #later(ms: number, then: () => void): void {
    this.#ports.schedule.after(ms, () => {
      if (!this.#ended) then();
    });
  }

  /** Everything heals, and whoever is down comes back. */
  healAll(): void {
    this.#ended = true;
    const { network, registry, population, meshers } = this.#ports;
    network.healAll();
    registry.heal();
    population.stopHostile();
    for (const mesher of meshers) {
      mesher.thaw();
      mesher.setClock(0, 1);
      mesher.diskSlowness = 1;
      mesher.input({ kind: 'disk', state: 'ok' });
      mesher.start();
    }
    if (this.#eras.has('versions')) this.#upgradeAll();
  }

  #mesher(): SimMesher {
    return this.#chance.pick(this.#ports.meshers);
  }

  #pair(): readonly [SimMesher, SimMesher] | undefined {
    const a = this.#mesher();
    const b = this.#mesher();
    return a === b ? undefined : [a, b];
  }

  #restart(mesher: SimMesher): void {
    this.#later(this.#chance.is(0.3) ? this.#chance.between(0, 300) : this.#chance.skewed(300, 40_000), () =>
      mesher.start(),
    );
  }

  // ─────────────────────────────────────────────────────────── kinds

  kill(power: boolean): void {
    const mesher = this.#mesher();
    mesher.crash(power, 'killed');
    this.#restart(mesher);
  }

  /** It dies within a step that it does soon, so look after it until it did. */
  plan(kind: 'effects' | 'ack'): void {
    const mesher = this.#mesher();
    mesher.planCrash(kind === 'ack' ? { kind } : { kind, left: this.#chance.below(60) });
    const { life } = mesher;
    const look = (): void => {
      if (mesher.life === life) this.#later(100, look);
      else this.#restart(mesher);
    };
    look();
  }

  freeze(): void {
    this.#mesher().freeze(this.#chance.skewed(100, 25_000));
  }

  loseLink(): void {
    const pairs = this.#ports.network.pairs();
    if (pairs.length === 0) return;
    const times = this.#chance.is(0.2) ? pairs.length : 1;
    for (let i = 0; i < times; i++) this.#ports.network.kill(...this.#chance.pick(pairs), 'lost');
  }

  partition(kind: 'full' | 'one-way'): void {
    const { meshers, network } = this.#ports;
    const by = this.#chance.is(0.6) ? ('cluster' as const) : ('node' as const);
    const apart = this.#mesher()[by];
    const ways: (readonly [string, string])[] = [];
    for (const a of meshers) {
      for (const b of meshers) {
        if (a[by] !== apart || b[by] === apart) continue;
        ways.push([a.node, b.node]);
        if (kind === 'full') ways.push([b.node, a.node]);
      }
    }
    if (kind === 'one-way' && this.#chance.is(0.5)) ways.forEach(([a, b], i) => (ways[i] = [b, a]));
    for (const [a, b] of ways) network.cut(a, b);
    this.#later(this.#chance.skewed(500, 40_000), () => {
      for (const [a, b] of ways) network.heal(a, b);
    });
  }

  flap(): void {
    const pair = this.#pair();
    if (!pair) return;
    const [a, b] = pair;
    const times = 2 + this.#chance.below(8);
    for (let i = 0; i < times; i++) {
      this.#later(i * this.#chance.between(200, 2_500), () =>
        this.#ports.network.kill(a.node, b.node, 'flapping'),
      );
    }
  }

  slowNetwork(): void {
    this.#ports.network.slowness = this.#chance.between(3, 20);
    this.#later(this.#chance.between(1_000, 10_000), () => (this.#ports.network.slowness = 1));
  }

  loseGossip(): void {
    this.#ports.network.gossipLoss = this.#chance.between(0.3, 1);
    this.#later(this.#chance.between(2_000, 30_000), () => (this.#ports.network.gossipLoss = 0.02));
  }

  /** One bit of a true delta is turned: everybody must refuse it. */
  forgeGossip(): void {
    const { lastGossip } = this.#ports.network;
    if (!lastGossip) return;
    const forged = Buffer.from(lastGossip);
    const at = this.#chance.below(forged.length);
    forged.writeUInt8(forged.readUInt8(at) ^ (1 << this.#chance.below(8)), at);
    for (const mesher of this.#ports.meshers) mesher.input({ kind: 'gossip', bytes: forged });
  }

  /** Somebody who may write to the registry puts a record for another mesher, with a cluster of his own. */
  forgeMember(): void {
    this.#ports.registry.forge(this.#mesher().node, 'forged');
  }

  registry(kind: 'down' | 'slow' | 'stale'): void {
    const { registry } = this.#ports;
    const ms = this.#chance.skewed(1_000, 40_000);
    if (kind === 'down') {
      registry.down = true;
      this.#later(ms, () => (registry.down = false));
    } else if (kind === 'slow') {
      registry.slowness = this.#chance.between(10, 150);
      this.#later(ms, () => (registry.slowness = 1));
    } else {
      registry.staleness = this.#chance.between(0.2, 0.9);
      registry.hintLoss = 0.8;
      this.#later(ms, () => {
        registry.staleness = 0;
        registry.hintLoss = 0.05;
      });
    }
  }

  cutFromRegistry(): void {
    const { node } = this.#mesher();
    this.#ports.registry.cutOff.add(node);
    this.#later(this.#chance.skewed(1_000, 40_000), () => this.#ports.registry.cutOff.delete(node));
  }

  expireLease(): void {
    this.#ports.registry.expire(this.#mesher().node);
  }

  loseKey(): void {
    this.#ports.registry.loseKey(this.#mesher().node);
  }

  fillDisk(): void {
    const mesher = this.#mesher();
    mesher.input({ kind: 'disk', state: 'full' });
    this.#later(this.#chance.between(500, 15_000), () => mesher.input({ kind: 'disk', state: 'ok' }));
  }

  slowDisk(): void {
    const mesher = this.#mesher();
    mesher.diskSlowness = this.#chance.between(5, 100);
    this.#later(this.#chance.between(1_000, 15_000), () => (mesher.diskSlowness = 1));
  }

  // ─────────────────────────────────────────────────────────── machines

  /** As a virtual machine that is moved: the monotonic clock goes on. */
  pause(): void {
    this.#mesher().freeze(this.#chance.skewed(1_000, 120_000));
  }

  /** By up to an hour, and from then on somewhat too fast or too slow. */
  setClock(): void {
    const mesher = this.#mesher();
    const offByMs = this.#chance.pick([-1, 1]) * this.#chance.skewed(1_000, 3_600_000);
    mesher.setClock(offByMs, this.#chance.is(0.5) ? 1 : this.#chance.between(0.9, 1.1));
    if (this.#chance.is(0.5)) this.#later(this.#chance.between(500, 20_000), () => mesher.setClock(0, 1));
  }

  /** What was written since the copy was made is gone; sometimes all of it, save the key. */
  restoreBackup(): void {
    const mesher = this.#mesher();
    const backup = this.#chance.is(0.1)
      ? { disk: new MemoryDisk(), copies: new MemoryCopies() }
      : mesher.backup();
    const power = this.#chance.is(0.5);
    this.#later(this.#chance.skewed(200, 30_000), () => {
      this.#ports.population.restore(mesher, backup, power);
      this.#restart(mesher);
    });
  }

  /** Its queue grows past its window, to the disk and back. */
  stallSubscriber(): void {
    const { subscribers } = this.#ports;
    if (subscribers.length > 0) this.#chance.pick(subscribers).stall(this.#chance.skewed(2_000, 60_000));
  }

  // ─────────────────────────────────────────────────────────── versions

  /** Half of the meshers are of the version before; nobody runs yet. */
  #startMixed(): void {
    for (const mesher of this.#ports.meshers) {
      if (this.#chance.is(0.5)) continue;
      mesher.wireVersion = WIRE_VERSION - 1;
      this.#count('older-version');
    }
  }

  /** Upgraded, or put back to the version before. */
  changeVersion(): void {
    const mesher = this.#mesher();
    mesher.crash(false, 'another version is installed');
    mesher.wireVersion = mesher.wireVersion === WIRE_VERSION ? WIRE_VERSION - 1 : WIRE_VERSION;
    this.#restart(mesher);
  }

  /** Without copies a mixed federation may stay as it is for ever; those that are to have some, or have one, must know of copies. */
  #upgradeAll(): void {
    const { meshers } = this.#ports;
    for (const mesher of meshers) {
      const mates = meshers.filter(({ cluster }) => cluster === mesher.cluster);
      const isAlone = ({ options, copies }: SimMesher): boolean =>
        options.replicas === 1 && copies.recover().length === 0;
      if (mesher.wireVersion === WIRE_VERSION || mates.every(isAlone)) continue;
      mesher.crash(false, 'a newer version is installed');
      mesher.wireVersion = WIRE_VERSION;
      mesher.start();
    }
  }

  // ─────────────────────────────────────────────────────────── members

  wipeDisk(): void {
    const mesher = this.#mesher();
    if (!this.#ports.population.wipe(mesher)) return;
    this.#later(this.#chance.skewed(100, 20_000), () =>
      this.#ports.population.joinCluster(mesher.cluster, this.#chance),
    );
  }

  join(): void {
    this.#ports.population.join(this.#chance);
  }

  joinHostile(): void {
    this.#ports.population.joinHostile(this.#chance);
  }

  leaveEmpty(): void {
    this.#ports.population.leaveEmpty(this.#mesher());
  }

  leaveAtOnce(): void {
    this.#ports.population.leaveAtOnce(this.#mesher(), this.#chance.is(0.5));
  }
}
