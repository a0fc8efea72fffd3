// One mesher's process: a core, a journal on a disk that outlives it, and a driver that carries effects out in order, as the
// real one does, with virtual latencies. It can be killed at any moment, also between two effects, and stopped for a while.

import type { NodeId } from '../../node/core/event.ts';
import type { Limits } from '../../node/core/limits.ts';
import { type Fate, isFate, type UnreadFate } from '../../node/core/fates.ts';
import { chooseIncarnation, signMember } from '../../node/core/membership.ts';
import { MesherCore } from '../../node/core/mesher-core.ts';
import { COPY_COMPLETE } from '../../node/core/messages.ts';
import type { CopyHead, Delivery, Keys, LoadedEntry, QueuedEntry, Recovered } from '../../node/core/ports.ts';
import type { Effect, Input, Now, Reply, RequestId, SessionId } from '../../node/core/steps.ts';
import type { Timing } from '../../node/core/timing.ts';
import { speaks, WIRE_VERSION } from '../../node/core/wire-version.ts';
import { encodeOps } from '../../node/journal/copy-content.ts';
import type { Difference } from '../../node/observe/ledger/difference.ts';
import { Ledger } from '../../node/observe/ledger/ledger.ts';
import { MemoryCopies } from '../../node/journal/memory-copies.ts';
import { MemoryDisk, MemoryJournal } from '../../node/journal/memory-journal.ts';
import { readRangeNow } from '../../node/journal/memory-range.ts';
import type { Chance } from './chance.ts';
import type { Host, SimNetwork } from './network.ts';
import type { Client, SimRegistry } from './registry.ts';
import type { Schedule } from './schedule.ts';
import { WallClock } from './wall-clock.ts';

/** Told of what happens inside, for the history. */
export interface MesherObserver {
  beforeStep(mesher: SimMesher, core: MesherCore, inputs: readonly Input[]): void;
  afterStep(mesher: SimMesher, core: MesherCore, inputs: readonly Input[], effects: readonly Effect[]): void;
  died(mesher: SimMesher, core: MesherCore, power: boolean): void;
  broken(promise: string, facts: string): void;
  /** Its copy of that journal is damaged: it is as good as lost. */
  copyDamaged(mesher: SimMesher, owner: NodeId): void;
  /** Its ledger does not agree with what it did, or with another's. */
  differs(mesher: SimMesher, difference: Difference): void;
  trace(who: string, what: () => string): void;
}

export interface SimMesherOptions {
  readonly federation: string;
  readonly cluster: string;
  readonly keys: Keys;
  readonly limits: Limits;
  readonly timing: Timing;
  /** Meshers that keep each event before custody of it is acked. */
  readonly replicas: number;
  /** Every journal value goes through its bytes, and batches are checked for sense. */
  readonly verifyJournal: boolean;
}

export interface SimMesherPorts {
  readonly schedule: Schedule;
  readonly chance: Chance;
  readonly network: () => SimNetwork;
  readonly registry: SimRegistry;
  readonly observer: MesherObserver;
  /** Starts another mesher in its place, for which its disk is a copy like any other's. */
  comeBack(mesher: SimMesher, chance: Chance, head: CopyHead): void;
}

export interface SessionListener {
  deliver(deliveries: readonly Delivery[]): void;
  /** Also when the process dies. */
  closed(reason: string): void;
}

/** What its data folder held at some moment. */
export interface Backup {
  readonly disk: MemoryDisk;
  readonly copies: MemoryCopies;
}

type CrashPlan = { readonly kind: 'effects'; left: number } | { readonly kind: 'ack' };

/** Answers that are promises. */
const ACKS: ReadonlySet<Reply['kind']> = new Set(['published', 'settled', 'dead-letters-settled']);

const START_AGAIN_MS = 1_000;

/** Small, so that small batches and journals come in several. */
const COPY_PIECE_BYTES = 2_000;
const COPY_RANGE_BYTES = 3_000;

/** Blocks that a load leaves out at most. */
const LEFT_OUT_MAX = 4;

function recoveredFrom(disk: MemoryDisk): Recovered {
  const journal = new MemoryJournal(disk);
  const recovered = journal.recoverNow();
  journal.closeNow();
  return recovered;
}

function loadedFrom(disk: MemoryDisk, block: number, queues: readonly number[]): QueuedEntry[] {
  const journal = new MemoryJournal(disk);
  const entries = queues.flatMap((queue) =>
    journal.loadNow(queue, [block]).map((entry) => ({ queue, ...entry })),
  );
  journal.closeNow();
  return entries;
}

export class SimMesher implements Host, Client {
  readonly options: SimMesherOptions;
  disk = new MemoryDisk();
  copies = new MemoryCopies();
  readonly #ports: SimMesherPorts;
  readonly #wall: WallClock;
  #monotonicZero = 0;
  #core: MesherCore | undefined;
  #journal: MemoryJournal | undefined;
  #state: 'down' | 'starting' | 'running' = 'down';
  #inbox: Input[] = [];
  #waking = false;
  #frozenUntil = 0;
  #allowed: ReadonlySet<NodeId> = new Set();
  #nextId = 1;
  #appending = false;
  #crashPlan: CrashPlan | undefined;
  #isPutBack = false;
  #ledger: Ledger | undefined;
  /** Owners of copies that are damaged, and are still where they were. */
  readonly #damaged = new Set<NodeId>();
  readonly #requests = new Map<RequestId, (reply: Reply | undefined) => void>();
  readonly #sessions = new Map<SessionId, SessionListener>();
  /** Counts starts: what an earlier life asked for is not answered to a later one. */
  life = 0;
  incarnation = 0;
  /** Of what its program says on links. */
  wireVersion: number = WIRE_VERSION;
  /** Its machine is given up: no more clients are sent to it, and once it is down it never comes back. */
  leaving = false;
  gone = false;
  /** Factor on the time writes take. */
  diskSlowness = 1;

  constructor(options: SimMesherOptions, ports: SimMesherPorts) {
    this.options = options;
    this.#ports = ports;
    this.#wall = new WallClock(Math.round(ports.chance.between(-200, 200)));
  }

  get node(): NodeId {
    return this.options.keys.node;
  }

  get cluster(): string {
    return this.options.cluster;
  }

  get running(): boolean {
    return this.#state === 'running';
  }

  get isDown(): boolean {
    return this.#state === 'down';
  }

  /** It hears of claims on it: another has taken it over while it was away. It comes back as another, with what it still has. */
  takenOver(): void {
    if (this.#state !== 'running') return;
    const { incarnation } = this;
    this.crash(false, 'taken over');
    const { nextBlock } = this.disk;
    const head = { incarnation, batch: 0, cursor: COPY_COMPLETE, pastBlock: 0, startBlock: 0, nextBlock };
    this.#ports.comeBack(this, this.#ports.chance, head);
  }

  get frozen(): boolean {
    return this.#ports.schedule.now < this.#frozenUntil;
  }

  get core(): MesherCore | undefined {
    return this.#core;
  }

  get ledger(): Ledger | undefined {
    return this.#ledger;
  }

  get busy(): boolean {
    return this.#inbox.length > 0 || this.#appending || this.#requests.size > 0;
  }

  allows(peer: NodeId): boolean {
    return this.#allowed.has(peer);
  }

  now(): Now {
    const { now } = this.#ports.schedule;
    return { wall: this.#wall.at(now), monotonic: now - this.#monotonicZero };
  }

  /** Somebody sets the wall clock; `rate`: how fast it goes from now on. The monotonic one goes on as it did. */
  setClock(offByMs: number, rate: number): void {
    this.#wall.set(this.#ports.schedule.now, offByMs, rate);
  }

  // ─────────────────────────────────────────────────────────── life and death

  start(): void {
    if (this.#state !== 'down' || this.gone) return;
    this.#state = 'starting';
    const life = ++this.life;
    this.#ports.registry.open(this, life);
    this.#ports.registry.nextRevision(this.node, life, (revision) => {
      if (this.life !== life || this.#state !== 'starting') return;
      if (revision === undefined && this.#isPutBack) this.#startAgain();
      else this.#run(revision);
    });
  }

  #startAgain(): void {
    this.#state = 'down';
    this.#ports.schedule.after(START_AGAIN_MS, () => this.start());
  }

  /** As it is in this moment. */
  backup(): Backup {
    return { disk: this.disk.copy(), copies: this.copies.copy() };
  }

  /** It gets another disk, while it is down. From then on it starts only where the registry answers. */
  putBack({ disk, copies }: Backup): void {
    this.disk = disk;
    this.copies = copies;
    this.#isPutBack = true;
  }

  #run(revision: number | undefined): void {
    const { schedule, chance, observer } = this.#ports;
    const { federation, cluster, keys, limits, timing, replicas } = this.options;
    this.#monotonicZero = schedule.now - chance.between(0, 100_000);
    const journal = new MemoryJournal(this.disk, { verify: this.options.verifyJournal });
    const recovered = journal.recoverNow();
    const persisted = Number(journal.getMetaNow('incarnation') ?? 0);
    // by the registry alone, as with a clock that was never set: the time of day is but a help
    this.incarnation = chooseIncarnation(persisted, revision, 0);
    journal.putMetaNow('incarnation', String(this.incarnation));
    this.#journal = journal;
    const self = signMember(keys, {
      federation,
      cluster,
      node: this.node,
      incarnation: this.incarnation,
      addresses: [`/memory/${this.node}`],
      http: '',
      labels: {},
      version: 'simulated',
    });
    const random = (): number => chance.next();
    const ledger = this.#newLedger();
    this.#core = new MesherCore(
      { self, limits, timing, keys, random, replicas, rejoining: persisted > 0 },
      { ...recovered, copies: this.copies.recover() },
      this.now(),
    );
    ledger.read(recovered);
    ledger.begin(undefined);
    this.#ledger = ledger;
    this.#state = 'running';
    this.#isPutBack = false;
    observer.trace(this.node, () => `started, incarnation ${this.incarnation}`);
    this.#tick(this.life);
  }

  #newLedger(): Ledger {
    return new Ledger(this.incarnation, {
      clusterOf: (node) => this.#core?.members.clusterOf(node),
      heirOf: (node) => this.#core?.table.heirs.of(node),
      isGuest: (node) => this.#core?.takeovers.isGuest(node) ?? false,
      held: (name) => {
        const queue = this.#core?.forwarder.queueNamed(name);
        return queue && queue.depth + queue.staged;
      },
      differs: (difference) => this.#ports.observer.differs(this, difference),
    });
  }

  /** `power`: what was not synced may be gone, and no peer is told. */
  crash(power: boolean, why: string): void {
    if (this.#state === 'down') return;
    const { network, observer, chance } = this.#ports;
    observer.trace(this.node, () => `dies: ${why}${power ? ', power cut' : ''}`);
    const core = this.#core;
    this.#state = 'down';
    this.life++;
    this.#core = undefined;
    this.#ledger = undefined;
    this.#inbox = [];
    this.#waking = false;
    this.#appending = false;
    this.#crashPlan = undefined;
    this.#frozenUntil = 0;
    this.#allowed = new Set();
    this.#journal?.closeNow();
    this.copies.crash();
    for (const owner of this.#damaged) this.copies.drop(owner); // what cannot be read is put aside at the next start
    this.#damaged.clear();
    this.#copyTurns.clear();
    this.disk.crash(power ? () => chance.next() : () => 0.999999);
    if (core) observer.died(this, core, power);
    network().processDied(this.node, power);
    const requests = [...this.#requests.values()];
    const sessions = [...this.#sessions.values()];
    this.#requests.clear();
    this.#sessions.clear();
    for (const answer of requests) answer(undefined);
    for (const session of sessions) session.closed('the mesher died');
  }

  /** The next chance is the last: after some effects, or right after an ack went out. */
  planCrash(plan: CrashPlan): void {
    this.#crashPlan = plan;
  }

  freeze(ms: number): void {
    this.#frozenUntil = Math.max(this.#frozenUntil, this.#ports.schedule.now + ms);
    this.#wakeSoon();
  }

  thaw(): void {
    this.#frozenUntil = 0;
    this.#crashPlan = undefined;
    this.#waking = false; // it was to wake when the freeze would have ended
    if (this.#inbox.length > 0) this.#wakeSoon();
  }

  // ─────────────────────────────────────────────────────────── inputs

  /** Asks the core; `undefined`: the process died first. */
  request(make: (request: RequestId) => Input, answer: (reply: Reply | undefined) => void): RequestId {
    const id = this.#nextId++;
    this.#requests.set(id, answer);
    this.input(make(id));
    return id;
  }

  /** Somebody finds that the data of a copy is not what was written. False: not now. */
  damageCopy(owner: NodeId): boolean {
    if (this.#state !== 'running' || this.frozen || this.copies.diskOf(owner) === undefined) return false;
    this.#damaged.add(owner);
    this.#ports.observer.copyDamaged(this, owner);
    this.input({ kind: 'copy-damaged', owner });
    return true;
  }

  /** A copy of all that the owner's journal had when it was written last; of this life of the owner, if that is said. */
  holdsWhole(owner: NodeId, incarnation?: number): boolean {
    const head = this.copies.recover().find((one) => one.owner === owner)?.head;
    if (head?.cursor !== COPY_COMPLETE || this.#damaged.has(owner)) return false;
    return incarnation === undefined || head.incarnation === incarnation;
  }

  openSession(listener: SessionListener, make: (session: SessionId) => Input): SessionId {
    const id = this.#nextId++;
    this.#sessions.set(id, listener);
    this.input(make(id));
    return id;
  }

  /** What its journal has of a queue's blocks, for whoever looks on. Empty: it does not run. */
  read(queue: number, blocks: readonly number[]): LoadedEntry[] {
    return this.#state === 'running' ? (this.#journal?.loadNow(queue, blocks) ?? []) : [];
  }

  closeSession(session: SessionId): void {
    if (this.#sessions.delete(session)) this.input({ kind: 'detach', session });
  }

  input(input: Input): void {
    if (this.#state !== 'running') return;
    this.#inbox.push(input);
    this.#wakeSoon();
  }

  #tick(life: number): void {
    if (this.life !== life || this.#state !== 'running') return;
    if (!this.#inbox.some((input) => input.kind === 'tick')) this.input({ kind: 'tick' });
    this.#ports.schedule.after(this.options.timing.tickMs, () => this.#tick(life));
  }

  #wakeSoon(): void {
    if (this.#waking || this.#state !== 'running') return;
    this.#waking = true;
    const { schedule, chance } = this.#ports;
    const { life } = this;
    const wake = (): void => {
      if (this.life !== life || !this.#waking) return;
      if (this.frozen) {
        schedule.at(this.#frozenUntil, wake);
        return;
      }
      this.#waking = false;
      this.#step();
    };
    schedule.at(Math.max(this.#frozenUntil, schedule.now + chance.skewed(0.01, 2)), wake);
  }

  #step(): void {
    const core = this.#core;
    const inputs = this.#inbox;
    if (!core || inputs.length === 0) return;
    this.#inbox = [];
    const { observer } = this.#ports;
    observer.beforeStep(this, core, inputs);
    const effects = core.step(inputs, this.now());
    observer.afterStep(this, core, inputs, effects);
    const { life } = this;
    this.#keepUnlessAside(inputs, effects);
    for (const effect of effects) {
      if (isFate(effect)) continue; // nothing to do: no place to die at
      this.#carryOut(effect);
      if (this.#mustDieAfter(effect)) this.crash(true, `planned, after ${effect.kind}`);
      if (this.life !== life) return;
    }
    this.#ledger?.stepped(inputs, effects);
  }

  /** A damaged copy whose owner is away, or that is being taken over, stays: what can be read of it is all that is left. */
  #keepUnlessAside(inputs: readonly Input[], effects: readonly Effect[]): void {
    for (const input of inputs) {
      if (input.kind !== 'copy-damaged') continue;
      const isAside = effects.some((effect) => effect.kind === 'copy-aside' && effect.owner === input.owner);
      if (!isAside) this.#damaged.delete(input.owner);
    }
  }

  #mustDieAfter(effect: Effect): boolean {
    const plan = this.#crashPlan;
    if (!plan) return false;
    if (plan.kind === 'effects') return plan.left-- <= 0;
    if (effect.kind === 'reply') return ACKS.has(effect.reply.kind);
    return effect.kind === 'control' && effect.message.kind === 'ack';
  }

  // ─────────────────────────────────────────────────────────── effects

  #carryOut(effect: Exclude<Effect, Fate | UnreadFate>): void {
    const { network, registry, observer } = this.#ports;
    switch (effect.kind) {
      case 'append':
        this.append(effect);
        return;
      case 'load':
        this.#load(effect.queue, effect.blocks);
        return;
      case 'reply': {
        const answer = this.#requests.get(effect.request);
        if (!answer)
          observer.broken(
            'each request gets one reply',
            `${this.node}: request ${effect.request} got another ${effect.reply.kind}`,
          );
        this.#requests.delete(effect.request);
        answer?.(effect.reply);
        return;
      }
      case 'deliver':
        this.#sessions.get(effect.session)?.deliver(effect.deliveries);
        return;
      case 'session-closed': {
        const session = this.#sessions.get(effect.session);
        this.#sessions.delete(effect.session);
        session?.closed(effect.reason);
        return;
      }
      case 'sink':
      case 'takeover-cut-short':
        return;
      case 'connect':
        network().connect(this.node, effect.peer);
        return;
      case 'disconnect':
        network().disconnect(this.node, effect.peer);
        return;
      case 'allow':
        this.#allowed = effect.peers;
        return;
      case 'control':
      case 'data':
        network().send(this.node, effect.peer, effect.message);
        return;
      case 'gossip':
        network().gossip(this.node, effect.bytes);
        return;
      case 'copy':
        this.#copy(effect);
        return;
      case 'copy-range':
        this.#copyRange(effect);
        return;
      case 'copy-write':
        this.#copyWrite(effect);
        return;
      case 'copy-drop':
      case 'copy-aside':
        this.#dropCopy(effect.owner);
        return;
      case 'claim':
        // who is put back to a version without copies has forgotten what they are for
        if (speaks(this.wireVersion, 'copy-held')) registry.claim(this, effect);
        return;
      case 'end-claims':
        registry.endClaims(this, effect.owner, effect.ends);
        return;
      case 'read-copy': {
        const { owner } = effect;
        this.#afterCopyWrites(owner, () => {
          const disk = this.copies.diskOf(owner);
          if (disk) this.input({ kind: 'copy-read', owner, recovered: recoveredFrom(disk) });
        });
        return;
      }
      case 'load-copy': {
        const { owner, block, queues } = effect;
        this.#afterCopyWrites(owner, () => {
          const disk = this.copies.diskOf(owner);
          if (disk)
            this.input({ kind: 'copy-loaded', owner, block, entries: loadedFrom(disk, block, queues) });
        });
        return;
      }
      case 'list-members':
        registry.list(this.node, this.life);
        return;
      case 'register':
        registry.register(this.node, this.life, effect.record);
        return;
    }
  }

  /** What is written lies in the system's buffers until the sync at the end; a power cut before may take it. */
  append(effect: Extract<Effect, { kind: 'append' }>): void {
    const { schedule, chance, observer } = this.#ports;
    if (this.#appending)
      observer.broken(
        'one append at a time',
        `${this.node}: batch ${effect.batch} came while another was being written`,
      );
    this.#appending = true;
    this.write(effect, false);
    const { life } = this;
    const takes = (effect.sync ? chance.skewed(0.2, 20) : chance.between(0.05, 0.5)) * this.diskSlowness;
    schedule.after(takes, () => {
      if (this.life !== life) return;
      if (effect.sync) this.disk.sync();
      this.#appending = false;
      this.input({ kind: 'appended', batch: effect.batch });
    });
  }

  write({ ops }: Extract<Effect, { kind: 'append' }>, sync: boolean): void {
    this.#journal?.appendNow(ops, sync);
  }

  #copy({ peer, incarnation, batch, nextBlock, ops }: Extract<Effect, { kind: 'copy' }>): void {
    const pieces = encodeOps(ops, COPY_PIECE_BYTES);
    for (const [part, content] of pieces.entries()) {
      const last = part === pieces.length - 1;
      this.#ports
        .network()
        .send(this.node, peer, { kind: 'copy-batch', incarnation, batch, part, last, nextBlock, content });
    }
  }

  /** What is written lies in the journal at once: all appends before this are in it. */
  #copyRange({ peer, read, from }: Extract<Effect, { kind: 'copy-range' }>): void {
    const { schedule, chance } = this.#ports;
    const { life } = this;
    const { to, content } = readRangeNow(this.disk, from, COPY_RANGE_BYTES);
    schedule.after(chance.skewed(0.1, 10) * this.diskSlowness, () => {
      if (this.life !== life) return;
      this.input({ kind: 'copy-ranged', peer, read, to, content });
    });
  }

  /** When the write of each copy that was asked for last is done. */
  readonly #copyTurns = new Map<NodeId, number>();

  #afterCopyWrites(owner: NodeId, then: () => void): void {
    const { schedule, chance } = this.#ports;
    const { life } = this;
    const at = Math.max(schedule.now, this.#copyTurns.get(owner) ?? 0) + chance.skewed(0.2, 20);
    schedule.at(at, () => {
      if (this.life === life) then();
    });
  }

  #copyWrite({ owner, head, change }: Extract<Effect, { kind: 'copy-write' }>): void {
    const { schedule, chance } = this.#ports;
    const { life } = this;
    const takes = chance.skewed(0.2, 20) * this.diskSlowness;
    const done = Math.max(schedule.now, this.#copyTurns.get(owner) ?? 0) + takes;
    this.#copyTurns.set(owner, done);
    schedule.at(done, () => {
      if (this.life !== life) return;
      this.copies.writeNow(owner, head, change);
      this.input({ kind: 'copy-written', owner, head });
    });
  }

  /** In its turn: what was handed to the disk before is written before. */
  #dropCopy(owner: NodeId): void {
    const { schedule } = this.#ports;
    const { life } = this;
    const drop = (): void => {
      if (this.life !== life) return;
      this.copies.drop(owner);
      this.#damaged.delete(owner);
    };
    const at = this.#copyTurns.get(owner) ?? 0;
    if (at > schedule.now) schedule.at(at, drop);
    else drop();
  }

  #load(queue: number, blocks: readonly number[]): void {
    const { schedule, chance } = this.#ports;
    const { life } = this;
    schedule.after(chance.skewed(0.1, 10) * this.diskSlowness, () => {
      if (this.life !== life || !this.#journal) return;
      const entries = this.#journal.loadNow(queue, blocks);
      // a journal may stop early; by the block, so that no random number is drawn for it
      const some = Math.max(1, entries.length - ((blocks[0] ?? 0) % LEFT_OUT_MAX));
      this.input({ kind: 'loaded', queue, entries: entries.slice(0, some) });
    });
  }
}
