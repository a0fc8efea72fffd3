// One seed, one run, one verdict: a federation is drawn, lives through its faults, heals, comes to rest, and is judged.

import { hash32 } from '../../node/core/event.ts';
import { LIMITS, type Limits } from '../../node/core/limits.ts';
import { TIMING, type Timing } from '../../node/core/timing.ts';
import { Absences } from './absences.ts';
import { Chance } from './chance.ts';
import {
  checkCopies,
  checkCrossings,
  checkDeadLetters,
  checkDuplicates,
  checkJournalsEmpty,
  checkLetters,
  checkListeners,
  checkMemory,
  checkNothingLost,
  checkOrder,
  checkReasons,
  isAtRest,
  routeDifferences,
  unrest,
} from './checkers.ts';
import { Operator, Undertaker } from './dead-letters.ts';
import { KeyRing } from './fake-keys.ts';
import { type Era, Faults } from './faults.ts';
import { type Breach, History, type Stepped } from './history.ts';
import { compareLedgers } from './ledgers.ts';
import type { SimMesher } from './mesher.ts';
import { type Host, SimNetwork } from './network.ts';
import { Population } from './population.ts';
import { SimRegistry } from './registry.ts';
import { Schedule } from './schedule.ts';
import { Listener, planSubscriber, Publisher, Subscriber, type WorkloadPorts } from './workload.ts';

export interface RunOptions {
  readonly seed: number;
  readonly trace?: (line: string) => void;
  /** Shown each step, as a driver's observers are. */
  readonly stepped?: Stepped;
  /** Undefined: the seed says. */
  readonly quiet?: boolean;
  /** Copies that clusters keep of each journal, this one included; undefined: the seed says. */
  readonly replicas?: number;
  /** Somebody redrives and drops dead letters; undefined: the seed says. */
  readonly redrives?: boolean;
  /** In a run with faults copies are damaged, where there are some; undefined: the seed says. */
  readonly damages?: boolean;
  /** In a run with faults and copies meshers join while an heir is away, once there is one; undefined: the seed says. */
  readonly absences?: boolean;
}

export interface Verdict {
  readonly seed: number;
  readonly quiet: boolean;
  readonly breaches: readonly Breach[];
  readonly virtualMs: number;
  readonly meshers: number;
  readonly events: number;
  readonly deliveries: number;
  /** Copies of lost meshers, or of ones that were away for too long, that were taken over. */
  readonly takeovers: number;
  readonly faults: ReadonlyMap<string, number>;
  /** Situations that the run came into, by name: what faults are for. */
  readonly met: ReadonlyMap<string, number>;
  /** What checkers let pass, by reason. */
  readonly excused: ReadonlyMap<string, number>;
  /** Sum of what was seen: the same for the same seed and code. */
  readonly digest: number;
}

const FEDERATION = 'sim';
/** Runs with an operator of dead letters; and there, what subscribers reject, so that there are some. */
const OPERATED = 0.25;
const REJECTS = 0.05;
/** Runs in which copies are damaged, where meshers keep some. */
const DAMAGED = 0.25;
/** Runs in which meshers join while an heir is away, where members come and go, and keep copies. */
const LEFT_OUT = 0.5;
/** Each 5 s: of what is not compared before a mesher dies nobody hears. */
const LEDGERS_EVERY_LOOKS = 20;
/** After the faults have stopped, tables agree within this: what somebody forged in the registry stands until its owner lists it again, a minute later at most. */
const ROUTES_AGREE_MS = 75_000;
/** Within this who has a link knows who is away. */
const AWAY_KNOWN_MS = 10_000;
/** Who is dead is taken over within this and the patience that copies have with each other (takeovers.ts). */
const TAKEOVER_MS = 90_000;
/** After the faults have stopped, everything is delivered within this. */
const REST_MS = 240_000;

export function run(options: RunOptions): Verdict {
  const chance = new Chance(options.seed);
  const world = new World(chance, options);
  try {
    world.live();
  } catch (error) {
    world.history.broken(
      'the core throws only for bugs',
      error instanceof Error ? (error.stack ?? error.message) : String(error),
    );
  }
  return world.verdict();
}

class World {
  readonly schedule = new Schedule();
  readonly history: History;
  readonly #options: RunOptions;
  readonly #chance: Chance;
  readonly #quiet: boolean;
  readonly #registry: SimRegistry;
  readonly #network: SimNetwork;
  readonly #population: Population;
  /** Those of the population: they come and go. */
  readonly #meshers: readonly SimMesher[];
  readonly #faults: Faults;
  readonly #absences: Absences;
  readonly #publishers: Publisher[] = [];
  readonly #subscribers: Subscriber[] = [];
  readonly #listeners: Listener[] = [];
  readonly #undertakers: Undertaker[] = [];
  readonly #operator: Operator | undefined;
  /** Of all who have to do with dead letters, where there is an operator. */
  readonly #letters: Chance | undefined;
  readonly #excused = new Map<string, number>();
  #looks = 0;
  #isHealed = false;
  readonly #busyMs: number;
  readonly #restMs: number;

  constructor(chance: Chance, options: RunOptions) {
    this.#options = options;
    this.#chance = chance;
    this.#quiet = options.quiet ?? options.seed % 4 === 0;
    const byNode = new Map<string, SimMesher>();
    const hosts = new Map<string, Host>();
    this.history = new History(this.schedule, byNode, options.trace, options.stepped);
    this.#absences = new Absences(this.history);
    const letters = chance.fork('operator of dead letters');
    this.#letters = (options.redrives ?? letters.is(OPERATED)) ? letters.fork('at work') : undefined;
    this.#registry = new SimRegistry(this.schedule, chance.fork('registry'));
    this.#network = new SimNetwork(this.schedule, chance.fork('network'), FEDERATION, hosts, this.history);
    const busyMs = chance.between(15_000, 60_000);
    const ring = new KeyRing();
    const limits = drawLimits(chance);
    const drawn = drawTiming(chance);
    const verifyJournal = chance.is(0.2);
    const drawnReplicas = drawReplicas(chance);
    const replicas = options.replicas ?? drawnReplicas;
    const later = chance.fork('kinds of faults that came later');
    const absences = chance.fork('heirs that are away');
    const eras = this.#quiet ? new Set<Era>() : drawEras(later, options.absences ?? false);
    const hasAbsences = replicas > 1 && eras.has('members') && (options.absences ?? absences.is(LEFT_OUT));
    const usualMs = eras.has('machines') && later.is(0.2) ? later.between(60_000, 240_000) : busyMs;
    // who is lost must be found to be dead, and have an heir, before that can be away
    this.#busyMs = usualMs + (hasAbsences ? absences.between(60_000, 120_000) : 0);
    // who left for good must be forgotten before the run ends, and nobody else
    // with three disks whoever takes over may be lost as well
    const takeoverMs = (replicas - 1) * (5 * drawn.deadAfterMs + TAKEOVER_MS);
    const forgetAfterMs = Math.max(this.#busyMs + 20_000, takeoverMs);
    const timing = eras.has('members') ? { ...drawn, forgetAfterMs } : drawn;
    this.#restMs = eras.has('members') ? REST_MS + takeoverMs + forgetAfterMs : REST_MS;
    this.#population = new Population(
      { federation: FEDERATION, limits, timing, replicas, verifyJournal },
      {
        schedule: this.schedule,
        network: () => this.#network,
        registry: this.#registry,
        history: this.history,
        ring,
        byNode,
        hosts,
        subscribers: this.#subscribers,
        chance: chance.fork('losses one after the other'),
        settled: (mesher) => this.#settle(mesher),
      },
    );
    this.#meshers = this.#population.meshers;
    const clusters = 1 + chance.below(4);
    for (let c = 0; c < clusters; c++) {
      const size = 1 + chance.below(3);
      for (let m = 0; m < size; m++) {
        const cluster = 'abcd'.charAt(c);
        const node = `${cluster}${m}`;
        this.#population.add(
          node,
          cluster,
          Math.min(replicas, size),
          `secret-${chance.next()}`,
          chance.fork(node),
        );
      }
    }
    const { schedule } = this;
    const damage = chance.fork('damaged copies');
    this.#operator = this.#letters && new Operator(this.#letters.fork('operator'), this.#workload());
    this.#faults = new Faults(
      chance.fork('faults'),
      eras,
      {
        damages: (options.damages ?? damage.is(DAMAGED)) ? damage : undefined,
        absences: hasAbsences ? absences : undefined,
      },
      {
        schedule,
        population: this.#population,
        subscribers: this.#subscribers,
        network: this.#network,
        registry: this.#registry,
        meshers: this.#meshers,
      },
      (what) => this.history.trace('*', () => what),
    );
  }

  live(): void {
    const { schedule, history } = this;
    for (const mesher of this.#meshers) schedule.after(this.#chance.between(0, 2_000), () => mesher.start());
    this.#populate();
    if (!this.#quiet) this.#faults.start();
    this.#watchMemory();
    const failed = (): boolean => history.breaches.length > 0;
    schedule.runUntil(this.#busyMs, failed);
    if (failed()) return;
    history.trace('*', () => 'the faults stop');
    this.#faults.healAll();
    for (const publisher of this.#publishers) publisher.stop();
    this.#operator?.stop();
    this.#isHealed = true;
    this.#calmClients();
    this.#comeToRest(failed);
    if (!failed()) this.#judge();
  }

  /** All that is waiting is to be taken. */
  #calmClients(): void {
    for (const subscriber of this.#subscribers) subscriber.calm();
    for (const undertaker of this.#undertakers) undertaker.hurry();
  }

  #comeToRest(failed: () => boolean): void {
    const { schedule, history } = this;
    const healedAt = schedule.now;
    // who dies of the last fault is taken over a grace later, which changes routes once more
    let changedAt = healedAt;
    let heirs = '';
    for (;;) {
      schedule.runUntil(schedule.now + 500, failed);
      if (failed()) return;
      this.#deleteReturned();
      const after = schedule.now - Math.max(healedAt, this.#population.lostAt);
      const heirsNow = this.#heirs();
      if (heirsNow !== heirs) changedAt = schedule.now;
      heirs = heirsNow;
      changedAt = Math.max(changedAt, this.#population.lostAt);
      const isDue = schedule.now - changedAt > ROUTES_AGREE_MS;
      const untold = after > AWAY_KNOWN_MS ? this.#absences.untold(this.#meshers, AWAY_KNOWN_MS, isDue) : [];
      if (untold.length > 0) {
        history.broken('who joins hears of those who are away', untold.slice(0, 3).join('; '));
        return;
      }
      const isOver = after > 10_000 && this.#publishers.every((one) => one.done) && isAtRest(this.#meshers);
      // every table is read whole, so only when something follows from it
      const apart = isDue || isOver ? routeDifferences(this.#meshers) : [];
      if (isDue && apart.length > 0) {
        history.broken(
          'route tables agree',
          `${(ROUTES_AGREE_MS / 1000).toFixed()} s after the last fault, or takeover: ${apart.slice(0, 3).join('; ')}`,
        );
        return;
      }
      if (isOver && apart.length === 0) return;
      if (after > this.#restMs) {
        history.broken(
          'everything is delivered in the end',
          `${(this.#restMs / 1000).toFixed()} s after the last fault: ${[...unrest(this.#meshers)].slice(0, 5).join('; ')}`,
        );
        return;
      }
    }
  }

  /** Whoever deleted a subscription that is back with an older copy deletes it again. */
  #deleteReturned(): void {
    const why = 'a deleted subscription is back: nobody had a newer copy';
    for (const subscriber of this.history.olderCopies.returned(this.#subscribers)) {
      this.#excused.set(why, (this.#excused.get(why) ?? 0) + 1);
      subscriber.deleteAgain();
    }
  }

  /** Who is whose heir: as one becomes that another may leave, and their number stays what it was. */
  #heirs(): string {
    return this.#meshers
      .flatMap(({ node, core }) => core?.takeovers.guests().map((guest) => `${node} of ${guest}`) ?? [])
      .sort()
      .join();
  }

  #judge(): void {
    const found = {
      history: this.history,
      meshers: this.#meshers,
      listeners: this.#listeners,
      quiet: this.#quiet,
      excused: this.#excused,
    };
    // what nobody waits for is written with the next tick, and dropped blocks with the one after
    this.schedule.runUntil(this.schedule.now + 1_000);
    // somebody who left may be taken for dead only now, and a copy that it had is begun anew elsewhere
    const until = this.schedule.now + REST_MS;
    while (!isAtRest(this.#meshers) && this.schedule.now < until)
      this.schedule.runUntil(this.schedule.now + 1_000);
    compareLedgers(this.#meshers);
    checkNothingLost(found);
    checkReasons(found);
    checkDuplicates(found);
    checkOrder(found);
    checkCrossings(found);
    checkDeadLetters(found);
    checkLetters(found);
    checkJournalsEmpty(found);
    checkCopies(found);
    checkListeners(found, 12_000);
  }

  // ─────────────────────────────────────────────────────────── who lives here

  #populate(): void {
    const { schedule } = this;
    const chance = this.#chance.fork('workload');
    const ports = this.#workload();
    const publishers = 1 + chance.below(4);
    for (let i = 0; i < publishers; i++)
      this.#publishers.push(new Publisher(`p${i}`, chance.fork(`p${i}`), ports));
    const group = { name: 'workers', topic: chance.pick(['orders/#', '#']) };
    const subscriptions = 2 + chance.below(7);
    for (let i = 0; i < subscriptions; i++) {
      const plan = planSubscriber(`s${i}`, chance, this.#meshers, chance.is(0.35) ? group : undefined);
      const start = chance.is(0.6) ? chance.between(0, 3_000) : chance.between(0, this.#busyMs);
      schedule.after(start, () => {
        const subscriber = new Subscriber(plan, chance.fork(plan.name), ports);
        this.#subscribers.push(subscriber);
        if (chance.is(0.15)) this.#whileBusy(chance.between(0, this.#busyMs), () => subscriber.replace());
        if (chance.is(0.12)) this.#whileBusy(chance.between(0, this.#busyMs), () => subscriber.delete());
      });
    }
    const listeners = chance.below(4);
    for (let i = 0; i < listeners; i++) {
      const home = chance.pick(this.#meshers);
      const topic = Listener.topicOf(chance);
      const one = chance.fork(`listener${i}`);
      schedule.after(chance.between(2_500, 6_000), () =>
        this.#listeners.push(new Listener(home, topic, one.is(0.2) ? 'ears' : '', one, ports)),
      );
    }
    for (const mesher of this.#meshers) this.#bury(mesher, ports);
  }

  #workload(): WorkloadPorts {
    const { schedule, history } = this;
    return { schedule, history, meshers: this.#meshers, rejects: this.#letters ? REJECTS : 0 };
  }

  #bury(mesher: SimMesher, ports: WorkloadPorts): void {
    const slow = this.#letters?.fork(`undertaker of ${mesher.node}`);
    this.#undertakers.push(new Undertaker(mesher, ports, slow));
  }

  /** Clients of a mesher that joined. */
  #settle(mesher: SimMesher): void {
    const ports = this.#workload();
    const chance = this.#chance.fork(`clients of ${mesher.node}`);
    this.#bury(mesher, ports);
    for (let i = chance.below(3); i > 0; i--) {
      const plan = planSubscriber(`s${this.#subscribers.length}-${mesher.node}`, chance, [mesher], undefined);
      this.#subscribers.push(new Subscriber(plan, chance.fork(plan.name), ports));
    }
    if (this.#isHealed) this.#calmClients(); // of whoever comes back under another name once the faults are over
  }

  #whileBusy(ms: number, then: () => void): void {
    this.schedule.after(ms, () => {
      if (this.schedule.now < this.#busyMs) then();
    });
  }

  #watchMemory(): void {
    checkMemory(this.history, this.#meshers);
    this.#absences.look(this.#meshers);
    if (this.#looks++ % LEDGERS_EVERY_LOOKS === 0) compareLedgers(this.#meshers);
    this.schedule.after(250, () => this.#watchMemory());
  }

  verdict(): Verdict {
    this.history.meetCounted();
    let deliveries = 0;
    let text = '';
    for (const { received, name } of this.history.subscriptions.values()) {
      deliveries += received.length;
      text += `${name}:${received.map(({ id, at }) => `${id}@${at}`).join()};`;
    }
    return {
      seed: this.#options.seed,
      quiet: this.#quiet,
      breaches: this.history.breaches,
      virtualMs: this.schedule.now,
      meshers: this.#meshers.length,
      events: this.history.events.size,
      deliveries,
      faults: this.#faults.injected,
      met: this.history.met,
      takeovers: ['heir', 'helper'].reduce((sum, as) => sum + this.history.total('takeovers_total', as), 0),
      excused: this.#excused,
      digest: hash32(text, this.schedule.count),
    };
  }
}

/** Half of the runs keep events on one disk only, as meshers do unless they are told otherwise. */
function drawReplicas(chance: Chance): number {
  return chance.is(0.5) ? 1 : 2 + chance.below(2);
}

/** Half of the seeds have none of the later kinds; where members come and go for good, a run takes longer. */
function drawEras(chance: Chance, withMembers: boolean): ReadonlySet<Era> {
  const eras = new Set<Era>();
  if (chance.is(0.35)) eras.add('machines');
  if (chance.is(0.25) || withMembers) eras.add('members');
  if (chance.is(0.15)) eras.add('versions');
  return eras;
}

/** Small bounds, so that a small run meets them. */
function drawLimits(chance: Chance): Limits {
  return {
    ...LIMITS,
    lanesPerCluster: 1 + chance.below(4),
    blockEventsMax: chance.pick([4, 16, 1024]),
    blockBytesMax: chance.pick([2_000, 64 * 1024]),
    queueWindowEvents: chance.pick([8, 32, 4096]),
    queueWindowBytes: chance.pick([4_000, 1024 * 1024]),
    frameEventsMax: chance.pick([4, 32, 512]),
    frameBytesMax: chance.pick([1_000, 8_000]),
    laneInFlightBytes: chance.pick([8_000, 256 * 1024]),
    stagedBytesMax: chance.pick([20_000, 1024 * 1024]),
    deltaRingMax: chance.pick([2, 1024]),
    deltaOpsMax: chance.pick([2, 512]),
    routeCacheMax: chance.pick([4, 1024]),
  };
}

/** Half of the runs live faster, so that a short run sees meshers die and silence noticed. */
function drawTiming(chance: Chance): Timing {
  const tickMs = chance.pick([50, 100]);
  if (chance.is(0.5)) return { ...TIMING, tickMs };
  return {
    ...TIMING,
    tickMs,
    removalDelayMs: 1_000,
    exchangeEveryMs: 2_000,
    rememberEveryMs: 1_000,
    pullTimeoutMs: 2_000,
    relistEveryMs: 5_000,
    linkSilenceMs: 4_000,
    linkGraceMs: 1_000,
    laneStallMs: 3_000,
    deadAfterMs: 8_000,
  };
}
