// Who runs a mesher, and since when: meshers join in the middle of a run, are stopped for good, lose their disk (and with it
// their key: another comes in their place), or get an older disk back. What that loses by definition is told to the history.

import type { NodeId } from '../../node/core/event.ts';
import type { CopyHead } from '../../node/core/ports.ts';
import type { Limits } from '../../node/core/limits.ts';
import type { Timing } from '../../node/core/timing.ts';
import type { Chance } from './chance.ts';
import { isAtRest } from './checkers.ts';
import { dutiesOn } from './duties.ts';
import type { KeyRing } from './fake-keys.ts';
import { homeOf, type History } from './history.ts';
import { HostileMember } from './hostile.ts';
import { type Backup, SimMesher } from './mesher.ts';
import type { Host, SimNetwork } from './network.ts';
import type { SimRegistry } from './registry.ts';
import type { Schedule } from './schedule.ts';
import type { Subscriber } from './workload.ts';

export interface PopulationOptions {
  readonly federation: string;
  readonly limits: Limits;
  readonly timing: Timing;
  /** For those that join: as many of them as their cluster has meshers. */
  readonly replicas: number;
  readonly verifyJournal: boolean;
}

export interface PopulationPorts {
  readonly schedule: Schedule;
  readonly network: () => SimNetwork;
  readonly registry: SimRegistry;
  readonly history: History;
  readonly ring: KeyRing;
  /** Everybody who ever lived, by node: filled here. */
  readonly byNode: Map<NodeId, SimMesher>;
  /** The same, and those who are no meshers: filled here. */
  readonly hosts: Map<NodeId, Host>;
  readonly subscribers: readonly Subscriber[];
  readonly chance: Chance;
  /** A mesher has joined in the middle of the run. */
  settled(mesher: SimMesher): void;
}

/** More are slow to simulate and show nothing new. */
const MESHERS_MAX = 12;
const NEW_CLUSTERS = ['e', 'f', 'g'] as const;
/** Names of those that join are not those of a seed's first meshers. */
const FIRST_JOINER = 10;
const HOSTILE_MAX = 2;
const LOOK_EVERY_MS = 50;
/** With so many disks for each event a cluster loses two at a time, and nothing else. */
const REPLICAS_FOR_TWO = 3;
/** Effects that a mesher carries out of what it takes over, before it is lost itself. */
const EFFECTS_MAX = 60;

export class Population {
  readonly #hostile: HostileMember[] = [];
  /** Those that are there, for a while or for good; who left is taken out. Shared with all who pick one. */
  readonly meshers: SimMesher[] = [];
  readonly #options: PopulationOptions;
  readonly #ports: PopulationPorts;
  #joined = FIRST_JOINER;
  /** Disks lost of each cluster: as many as it keeps copies are too many. */
  readonly #lost = new Map<string, number>();
  /** Of whom a copy was damaged. */
  readonly #damaged = new Set<NodeId>();
  /** Of whom a copy was put back to an older one, and in which life of the owner. */
  readonly #putBack = new Map<NodeId, number>();
  /** Of whoever was lost while it took over; virtual ms. It may come after all other faults. */
  lostAt = 0;

  constructor(options: PopulationOptions, ports: PopulationPorts) {
    this.#options = options;
    this.#ports = ports;
  }

  /** `chance`: for its own use. */
  add(node: NodeId, cluster: string, replicas: number, secret: string, chance: Chance): SimMesher {
    const { federation, limits, timing, verifyJournal } = this.#options;
    const { schedule, network, registry, history, ring, byNode, hosts } = this.#ports;
    const mesher = new SimMesher(
      { federation, cluster, keys: ring.make(node, secret), limits, timing, replicas, verifyJournal },
      {
        schedule,
        chance,
        network,
        registry,
        observer: history,
        comeBack: (old, its, head) => this.#comeBack(old, its, head),
      },
    );
    this.meshers.push(mesher);
    byNode.set(node, mesher);
    hosts.set(node, mesher);
    return mesher;
  }

  /** Who was taken over while it was away comes back under another name, with what it still has. */
  #comeBack(old: SimMesher, chance: Chance, head: CopyHead): void {
    const node = `${old.node}'`;
    const { cluster, options, disk } = old;
    const mesher = this.add(node, cluster, options.replicas, `secret-${node}`, chance.fork(node));
    mesher.copies = old.copies.copy();
    mesher.copies.put(old.node, disk, head);
    old.leaving = old.gone = true;
    this.meshers.splice(this.meshers.indexOf(old), 1);
    this.#ports.schedule.after(chance.between(10, 1_000), () => mesher.start());
    this.#ports.settled(mesher);
  }

  /**
   * Gone for good with its disk, where others have copies of all that it acked, and are enough to take more: somebody is its heir, and
   * nothing may be lost.
   */
  lose(mesher: SimMesher): boolean {
    const { cluster, options } = mesher;
    if (this.#putBack.get(mesher.node) === mesher.incarnation) return false; // what that copy lacks is on no other disk
    const isReplaced = options.replicas >= REPLICAS_FOR_TWO;
    if (isReplaced ? mesher.leaving || this.#isNeeded(mesher) : !this.#mayGo(mesher)) return false;
    const isBeingMended = isReplaced && this.#isBeingMended(mesher) && this.#isOnAnother(mesher);
    if (!isBeingMended && !this.#isCopied(mesher)) return false;
    // the second is to be whoever takes over
    if (isReplaced && this.#lost.has(cluster)) return false;
    if (!this.#countLost(mesher)) return false;
    if (isBeingMended) {
      this.#countLost(mesher); // the disk with the damaged copy
      this.lostAt = this.#ports.schedule.now;
      this.#ports.history.meet('lost while a copy was made anew', mesher.node);
    }
    this.#destroy(mesher);
    if (!isReplaced) return true;
    this.#joinAs(cluster, this.#ports.chance);
    this.#loseTaker(mesher);
    return true;
  }

  /** It has acked nothing that this other, which it counts on, does not have; whatever becomes of the damaged one. */
  #isOnAnother({ node, core }: SimMesher): boolean {
    const whole = core?.replication.whole().complete ?? [];
    return this.meshers.some((one) => whole.includes(one.node) && !one.leaving && one.holdsWhole(node));
  }

  /** Others have all that it has: nobody who had it has left just before. */
  #isCopied({ node, incarnation, options }: SimMesher): boolean {
    const whole = this.meshers.filter((one) => !one.leaving && one.holdsWhole(node, incarnation));
    return whole.length >= options.replicas - 1;
  }

  #isHeldByAny({ node }: SimMesher): boolean {
    return this.meshers.some(
      (one) => !one.leaving && one.copies.recover().some(({ owner }) => owner === node),
    );
  }

  #countLost({ cluster, options }: SimMesher): boolean {
    const lost = this.#lost.get(cluster) ?? 0;
    if (lost >= options.replicas - 1) return false;
    this.#lost.set(cluster, lost + 1);
    return true;
  }

  #destroy(mesher: SimMesher): void {
    mesher.leaving = mesher.gone = true;
    mesher.crash(true, 'lost for good');
    mesher.copies.clear();
    const at = this.meshers.indexOf(mesher);
    if (at >= 0) this.meshers.splice(at, 1);
  }

  /** Whoever takes it over is lost as well, in the middle of that. */
  #loseTaker(lost: SimMesher): void {
    const { schedule, chance } = this.#ports;
    const look = (): void => {
      const taker = this.meshers.find(({ core }) => core?.takeovers.moving().includes(lost.node));
      if (
        !taker ||
        taker.leaving ||
        taker.options.replicas < REPLICAS_FOR_TWO ||
        // what it claimed stays so where nobody has a copy of it: a known limit (ARCHITECTURE.md), not looked for here
        !this.#isHeldByAny(taker) ||
        this.#isBeingMended(taker)
      ) {
        schedule.after(1, look);
        return;
      }
      if (!this.#countLost(lost)) return;
      this.#ports.history.meet('whoever takes over is lost as well', taker.node);
      taker.leaving = true;
      this.lostAt = schedule.now;
      taker.planCrash({ kind: 'effects', left: chance.below(EFFECTS_MAX) });
      schedule.after(chance.skewed(1, 500), () => {
        this.#destroy(taker);
        this.#joinAs(taker.cluster, chance);
        this.lostAt = schedule.now;
      });
    };
    look();
  }

  /** A running mesher that is in the place of a lost one. */
  anyHeir(chance: Chance): SimMesher | undefined {
    const heirs = this.meshers.filter(
      ({ leaving, running, core }) =>
        running && !leaving && core !== undefined && core.takeovers.guests().length > 0,
    );
    return heirs.length > 0 ? chance.pick(heirs) : undefined;
  }

  /** Somewhere a copy of a running mesher is found to be damaged. False: nowhere for now. */
  damageCopy(chance: Chance): boolean {
    const found = this.meshers.flatMap((holder) =>
      holder.copies.recover().flatMap(({ owner }) => {
        const isThere = this.meshers.some(
          ({ node, running, leaving }) => node === owner && running && !leaving,
        );
        return isThere ? [{ holder, owner }] : [];
      }),
    );
    if (found.length === 0) return false;
    const { holder, owner } = chance.pick(found);
    if (!holder.damageCopy(owner)) return false;
    this.#damaged.add(owner);
    return true;
  }

  /** The same, and soon after it that mesher is lost, where a third disk has what was acked. False: nobody can be. */
  damageAndLose(chance: Chance): boolean {
    const found = this.meshers.filter(
      (one) => one.options.replicas >= REPLICAS_FOR_TWO && one.running && !one.leaving && this.#isCopied(one),
    );
    if (found.length === 0) return false;
    const { node } = chance.pick(found);
    const holders = this.meshers.filter((one) => one.holdsWhole(node));
    if (!chance.pick(holders).damageCopy(node)) return false;
    this.#damaged.add(node);
    this.#ports.schedule.after(chance.skewed(1, 1_000), () => {
      const mesher = this.meshers.find((one) => one.node === node);
      if (mesher) this.lose(mesher);
    });
    return true;
  }

  /** One of its copies was damaged, and is not whole again: the other must not be lost as well. */
  #isBeingMended(mesher: SimMesher): boolean {
    return this.#damaged.has(mesher.node) && !this.#isCopied(mesher);
  }

  stopHostile(): void {
    for (const member of this.#hostile) member.stop();
  }

  /** A new mesher, in a cluster that is there or in one of its own. */
  join(chance: Chance): void {
    const cluster = chance.is(0.7) ? chance.pick(this.meshers).cluster : chance.pick(NEW_CLUSTERS);
    this.joinCluster(cluster, chance);
  }

  joinCluster(cluster: string, chance: Chance): void {
    if (this.meshers.length < MESHERS_MAX) this.#joinAs(cluster, chance);
  }

  #joinAs(cluster: string, chance: Chance): void {
    const node = `${cluster}${this.#joined++}`;
    const replicas = Math.min(this.#options.replicas, this.#staying(cluster).length + 1);
    const mesher = this.add(node, cluster, replicas, `secret-${chance.next()}`, chance.fork(node));
    mesher.start();
    this.#ports.settled(mesher);
  }

  /** A member that means harm, of a cluster of its own. */
  joinHostile(chance: Chance): void {
    if (this.#hostile.length >= HOSTILE_MAX) return;
    const { schedule, network, registry, ring, hosts } = this.#ports;
    const node = `h${this.#hostile.length}`;
    const keys = ring.make(node, `secret-${chance.next()}`);
    const victims = (): readonly SimMesher[] => this.meshers;
    const member = new HostileMember(keys, this.#options.federation, node, {
      schedule,
      chance: chance.fork(node),
      network: network(),
      registry,
      victims,
      makeKeys: (ghost) => ring.make(ghost, `secret of ${ghost}`),
    });
    this.#hostile.push(member);
    hosts.set(node, member);
    member.start();
  }

  /** Deletes its subscriptions, lets it hand everything on, then stops it for good: nothing is lost. */
  leaveEmpty(mesher: SimMesher): void {
    if (!this.#mayGo(mesher)) return;
    mesher.leaving = true;
    const look = (): void => {
      if (mesher.gone) return;
      mesher.start();
      const own = this.#subscribersOf(mesher);
      for (const subscriber of own) subscriber.delete();
      if (own.every((subscriber) => subscriber.isDeleted) && isAtRest([mesher], this.meshers)) {
        const left = [...dutiesOn(mesher.disk)];
        if (left.length > 0)
          this.#ports.history.broken(
            'an emptied mesher holds nothing',
            `${mesher.node} still has ${left.length} events, ${left[0]?.[0]} for ${[...(left[0]?.[1] ?? [])].join()}`,
          );
        this.#stop(mesher, 'emptied');
        return;
      }
      this.#ports.schedule.after(LOOK_EVERY_MS, look);
    };
    look();
  }

  /** Stopped for good with whatever it holds; its subscriptions are deleted just before, or stay where they were. */
  leaveAtOnce(mesher: SimMesher, deletes: boolean): void {
    if (mesher.options.replicas > 1) {
      this.lose(mesher);
      return;
    }
    if (!this.#mayGo(mesher)) return;
    mesher.leaving = true;
    if (deletes) for (const subscriber of this.#subscribersOf(mesher)) subscriber.delete();
    this.#ports.schedule.after(deletes ? 1_000 : 0, () => this.#stop(mesher, 'at once'));
  }

  #stop(mesher: SimMesher, why: string): void {
    this.#ports.registry.deregister(mesher.node);
    this.#bury(mesher, false, `stopped for good, ${why}`);
  }

  /** Disk and key are gone. False: it must stay. */
  wipe(mesher: SimMesher): boolean {
    if (mesher.options.replicas > 1) return this.lose(mesher);
    if (!this.#mayGo(mesher)) return false;
    this.#bury(mesher, true, 'its disk is wiped');
    return true;
  }

  #bury(mesher: SimMesher, power: boolean, why: string): void {
    mesher.leaving = mesher.gone = true;
    mesher.crash(power, why);
    this.#ports.history.diskLost(mesher);
    this.meshers.splice(this.meshers.indexOf(mesher), 1);
    for (const subscriber of this.#subscribersOf(mesher)) subscriber.giveUp();
  }

  /**
   * Its disk becomes that of the backup; whoever puts one back starts it where the registry can be reached, which alone knows
   * how high its incarnation had come.
   */
  restore(mesher: SimMesher, backup: Backup, power: boolean): void {
    // with copies: what it claimed or took over, and then forgets, nobody else does. A known limit (ARCHITECTURE.md), not looked for here
    if (mesher.gone || mesher.options.replicas > 1) return;
    // with a copy that the backup has not, two disks would be lost at a time
    if (mesher.copies.recover().some(({ owner }) => this.#isGone(owner))) return;
    for (const { owner } of mesher.copies.recover())
      this.#putBack.set(owner, this.#ports.byNode.get(owner)?.incarnation ?? 0);
    mesher.crash(power, 'its disk is put back to a backup');
    this.#ports.history.diskPutBack(mesher, backup.disk);
    mesher.putBack(backup);
    for (const subscriber of this.#subscribersOf(mesher)) {
      const { name, acked, ended } = subscriber.subscribed;
      if (backup.disk.subscriptions.has(name)) {
        if (ended) subscriber.deleteAgain();
      } else if (acked && !ended) subscriber.giveUp();
    }
  }

  /** Somebody must stay; and of its cluster as many as the others want copies on, also those that hand on what they have yet. */
  #mayGo(mesher: SimMesher): boolean {
    if (mesher.leaving || this.meshers.filter(({ leaving }) => !leaving).length <= 2) return false;
    // what it holds of one that is gone, and nobody has taken over yet, may be the only copy
    const copies = mesher.copies.recover();
    if (copies.some(({ owner }) => this.#isGone(owner))) return false;
    const staying = this.#staying(mesher.cluster).filter((other) => other !== mesher);
    const others = this.meshers.filter(({ cluster }) => cluster === mesher.cluster);
    return others.every(
      (other) =>
        other === mesher || staying.filter((one) => one !== other).length >= other.options.replicas - 1,
    );
  }

  #isGone(owner: NodeId): boolean {
    return !this.meshers.some(({ node }) => node === owner);
  }

  /** Of one that is gone, and was on fewer disks. */
  #isNeeded({ copies }: SimMesher): boolean {
    const { byNode } = this.#ports;
    return copies
      .recover()
      .some(
        ({ owner }) => this.#isGone(owner) && (byNode.get(owner)?.options.replicas ?? 1) < REPLICAS_FOR_TWO,
      );
  }

  #staying(cluster: string): SimMesher[] {
    return this.meshers.filter((mesher) => mesher.cluster === cluster && !mesher.leaving);
  }

  #subscribersOf({ node }: SimMesher): Subscriber[] {
    return this.#ports.subscribers.filter(({ subscribed }) => homeOf(subscribed) === node);
  }
}
