// Drives a core: collects inputs, steps, and carries the effects out in order over the real ports. Inputs that come in
// one turn of the event loop make one step. It decides nothing.
//
// A write to the journal that fails ends the mesher (`failed`): nobody knows what is on disk, and the next start reads it. So
// does whatever throws in a step: it is a bug, of the core or of who carries out its effects, and what follows would rest
// on half a step. Nothing is acked that was not on disk.

import { claim, claimsOn, endClaims, takenOver } from './claims.ts';
import { MeshError } from './core/errors.ts';
import type { NodeId } from './core/event.ts';
import type { MesherCore } from './core/mesher-core.ts';
import type { DataMessage } from './core/messages.ts';
import type {
  Clock,
  CopyStore,
  Delivery,
  Journal,
  JournalOp,
  Network,
  NetworkEvents,
  Registry,
} from './core/ports.ts';
import { encodeOps } from './journal/copy-content.ts';
import type { Effect, Input, Now, Reply, RequestId, SessionId } from './core/steps.ts';
import type { Subscription } from './core/subscription.ts';

export interface DriverPorts {
  readonly journal: Journal;
  readonly copies: CopyStore;
  readonly network: Network;
  readonly registry: Registry;
  readonly clock: Clock;
  readonly log: DriverLog;
  /** A subscription with a sink appeared, changed, or went. */
  sinkChanged(name: string, subscription: Subscription | undefined): void;
  /** Told of each step, in order, once its effects are carried out. */
  readonly observers?: readonly StepObserver[];
}

/**
 * Looks on: all that a mesher hears and does is in its steps. It changes nothing, keeps none of what it is given (an event keeps the
 * memory of its whole batch), and what it costs is paid for every event. What it throws is a bug, and the last that it is told of.
 */
export interface StepObserver {
  stepped(inputs: readonly Input[], effects: readonly Effect[], now: Now): void;
}

/** One consumer, as the front door serves it. What it throws is a bug, and ends the mesher. */
export interface DriverSession {
  deliver(deliveries: readonly Delivery[]): void;
  closed(reason: 'deleted' | 'replaced' | 'shutting-down'): void;
}

/** The part of pino's shape that is used. */
export interface DriverLog {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/** How often the log says that the registry refuses us: somebody must mend it, and all goes on well enough to hide it. */
const REFUSED_AGAIN_MS = 60_000;

/** Of a batch or a range, in one frame: far below what a link takes, also where a block is larger. */
const COPY_PIECE_BYTES = 1024 * 1024;

type Succeeded = Exclude<Reply, { kind: 'failed' }>;

export class Driver {
  readonly failed: Promise<Error>;
  readonly #core: MesherCore;
  readonly #ports: DriverPorts;
  readonly #requests = new Map<
    RequestId,
    { resolve: (reply: Succeeded) => void; reject: (error: Error) => void }
  >();
  readonly #sessions = new Map<SessionId, DriverSession>();
  #inputs: Input[] = [];
  #scheduled = false;
  #state: 'running' | 'stopped' = 'running';
  #nextId = 1;
  #underWay = 0;
  #idle: (() => void)[] = [];
  #fail!: (error: Error) => void;
  #tick: NodeJS.Timeout | undefined;
  /** Resolves when no question about claims is under way. */
  #claimsAsked: Promise<void> = Promise.resolve();
  /** Batches as copies get them: one for all. */
  readonly #observers: Set<StepObserver>;
  readonly #encoded = new WeakMap<readonly JournalOp[], readonly Uint8Array[]>();
  /** What the log said last of the registry, and when (monotonic ms). */
  #registryLog: { readonly state: 'up' | 'unreached' | 'refused'; readonly at: number } | undefined;

  constructor(core: MesherCore, ports: DriverPorts) {
    this.#core = core;
    this.#ports = ports;
    this.#observers = new Set(ports.observers);
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
  }

  /** Begins to tick. Inputs given before are taken first. */
  start(tickMs: number, signal: AbortSignal): void {
    this.#tick = setInterval(() => this.input({ kind: 'tick' }), tickMs);
    this.#ports.registry.watch(() => this.input({ kind: 'members-hint' }), signal);
    this.input({ kind: 'tick' });
  }

  get sessions(): number {
    return this.#sessions.size;
  }

  now(): Now {
    return { wall: this.#ports.clock.wall(), monotonic: this.#ports.clock.monotonic() };
  }

  input(input: Input): void {
    if (this.#state === 'stopped') return;
    this.#inputs.push(input);
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => this.#step());
  }

  /** Asks the core; `make` gives the input for the request's number. */
  request(make: (request: RequestId) => Input, signal?: AbortSignal): Promise<Succeeded> {
    if (this.#state === 'stopped') return Promise.reject(stopping());
    const request = this.#nextId++;
    return new Promise((resolve, reject) => {
      const cancel = (): void => this.input({ kind: 'cancel-pull', request });
      const end = (): void => signal?.removeEventListener('abort', cancel);
      this.#requests.set(request, {
        resolve: (reply) => {
          end();
          resolve(reply);
        },
        reject: (error) => {
          end();
          reject(error);
        },
      });
      signal?.addEventListener('abort', cancel, { once: true });
      this.input(make(request));
    });
  }

  openSession(events: DriverSession, make: (session: SessionId) => Input): SessionId {
    if (this.#state === 'stopped') throw stopping();
    const session = this.#nextId++;
    this.#sessions.set(session, events);
    this.input(make(session));
    return session;
  }

  closeSession(session: SessionId): void {
    if (this.#sessions.delete(session)) this.input({ kind: 'detach', session });
  }

  /** What the mesher's custody rests on has failed, though nobody had asked anything of it: the mesher ends. */
  fail(error: unknown): void {
    this.#abort(error, 'storage-failed');
  }

  readonly networkEvents: NetworkEvents = {
    linkUp: (peer, { cluster, incarnation, version }) => {
      this.#ports.log.info({ peer, cluster, version }, 'link up');
      this.input({ kind: 'link-up', peer, cluster, incarnation, version });
    },
    linkDown: (peer, reason) => {
      this.#ports.log.warn({ peer, reason }, 'link down');
      this.input({ kind: 'link-down', peer, reason });
    },
    messages: (peer, messages) => this.input({ kind: 'messages', peer, messages }),
    gossip: (bytes) => this.input({ kind: 'gossip', bytes }),
    stranger: () => this.input({ kind: 'members-hint' }),
    drained: (peer) => this.input({ kind: 'drained', peer }),
    refused: (_peer, reason) => this.input({ kind: 'refused', reason }),
  };

  #step(): void {
    this.#scheduled = false;
    if (this.#state === 'stopped') return;
    const inputs = this.#inputs;
    this.#inputs = [];
    try {
      const now = this.now();
      const effects = this.#core.step(inputs, now);
      for (const effect of effects) this.#carryOut(effect);
      this.#tellObservers(inputs, effects, now);
    } catch (error) {
      this.#abort(error, 'internal');
    }
  }

  /** They read what peers and publishers wrote: custody must not hang on what looks on. One that throws is told nothing any more. */
  #tellObservers(inputs: readonly Input[], effects: readonly Effect[], now: Now): void {
    for (const observer of this.#observers) {
      try {
        observer.stepped(inputs, effects, now);
      } catch (error) {
        this.#observers.delete(observer);
        this.#ports.log.error(
          { err: error, observer: observer.constructor.name },
          'an observer failed, and is left out until the next start: what it shows ends here',
        );
      }
    }
  }

  #carryOut(effect: Effect): void {
    const { network, registry } = this.#ports;
    switch (effect.kind) {
      case 'append':
        this.#append(effect);
        return;
      case 'load':
        this.#track(
          this.#ports.journal
            .load(effect.queue, effect.blocks)
            .then((entries) => this.input({ kind: 'loaded', queue: effect.queue, entries })),
        );
        return;
      case 'reply':
        this.#reply(effect.request, effect.reply);
        return;
      case 'deliver':
        this.#deliver(effect.session, effect.deliveries);
        return;
      case 'session-closed':
        this.#closed(effect.session, effect.reason);
        return;
      case 'sink':
        this.#ports.sinkChanged(effect.name, effect.subscription);
        return;
      case 'connect':
        network.connect(effect.peer, effect.addresses);
        return;
      case 'disconnect':
        network.disconnect(effect.peer);
        return;
      case 'allow':
        network.allow(effect.peers);
        return;
      case 'control':
        network.sendControl(effect.peer, effect.message);
        return;
      case 'data':
        this.#sendData(effect.peer, effect.message);
        return;
      case 'gossip':
        network.gossip(effect.bytes);
        return;
      case 'copy':
        this.#copy(effect);
        return;
      case 'copy-range':
        this.#track(this.#copyRange(effect));
        return;
      case 'copy-write': {
        const { owner, head, change } = effect;
        const written = this.#ports.copies.write(owner, head, change);
        this.#track(
          written.then((result) =>
            this.input(
              result === 'written' ? { kind: 'copy-written', owner, head } : { kind: 'copy-refused', owner },
            ),
          ),
        );
        return;
      }
      case 'copy-drop':
        this.#track(this.#ports.copies.drop(effect.owner));
        return;
      case 'copy-aside':
        this.#track(this.#ports.copies.putAside(effect.owner));
        return;
      case 'claim':
        this.#claim(effect);
        return;
      case 'end-claims': {
        const { owner, ends } = effect;
        const ended = this.#inClaimsTurn(() => endClaims(registry, this.#core.cluster, ends));
        this.#ask(ended.then(() => this.input({ kind: 'claims-ended', owner })));
        return;
      }
      case 'read-copy': {
        const { owner } = effect;
        const read = this.#ports.copies.read(owner);
        this.#track(read.then((recovered) => this.input({ kind: 'copy-read', owner, recovered })));
        return;
      }
      case 'load-copy': {
        const { owner, block, queues } = effect;
        const loaded = this.#ports.copies.load(owner, block, queues);
        this.#track(loaded.then((entries) => this.input({ kind: 'copy-loaded', owner, block, entries })));
        return;
      }
      case 'takeover-cut-short':
        this.#ports.log.error(
          { owner: effect.owner, left: effect.left },
          'the copy of a lost mesher was lost before all that was claimed of it had moved; what is left is free for others with a copy, and lost where nobody has one',
        );
        return;
      case 'list-members':
        this.#ask(registry.members().then((list) => this.input({ kind: 'members', list })));
        if (this.#core.replication.replicas > 1) this.#ask(this.#checkClaims());
        return;
      case 'register':
        this.#ask(registry.register(effect.record).then(() => this.input({ kind: 'members-hint' })));
        return;
      case 'fate':
      case 'unread-fate':
        return; // for observers
    }
  }

  #claim({ owner, ask, blocks }: Extract<Effect, { kind: 'claim' }>): void {
    const { registry, log } = this.#ports;
    const { node, cluster } = this.#core;
    const claiming = this.#inClaimsTurn(() => claim(registry, cluster, owner, node, blocks));
    const told = claiming.then((claims) => {
      const own = claims.filter(({ taker, isDone }) => taker === node && !isDone);
      if (own.length > 0) log.warn({ owner, claims }, 'taking a lost mesher over');
      this.input({ kind: 'claimed', owner, ask, claims });
    });
    this.#ask(
      told.catch((error: unknown) => {
        if (!(error instanceof MeshError) || error.code !== 'taken-over') throw error;
        this.#abort(error, 'taken-over');
      }),
    );
  }

  /** One after the other: what was asked for before a claim must not end it afterwards. */
  #inClaimsTurn<T>(ask: () => Promise<T>): Promise<T> {
    const turn = this.#claimsAsked.then(ask);
    this.#claimsAsked = turn.then(
      () => undefined,
      () => undefined, // whoever asked hears of it
    );
    return turn;
  }

  /** Who was taken over while it was away has no say in what it had: it comes back as another. */
  async #checkClaims(): Promise<void> {
    const { node, cluster } = this.#core;
    const claims = await claimsOn(this.#ports.registry, cluster, node);
    if (claims.length === 0) return;
    this.#abort(takenOver(node, claims), 'taken-over');
  }

  #copy({ peer, ops, incarnation, batch, nextBlock }: Extract<Effect, { kind: 'copy' }>): void {
    let pieces = this.#encoded.get(ops);
    if (!pieces) this.#encoded.set(ops, (pieces = encodeOps(ops, COPY_PIECE_BYTES)));
    for (const [part, content] of pieces.entries()) {
      const last = part === pieces.length - 1;
      this.#sendData(peer, { kind: 'copy-batch', incarnation, batch, part, last, nextBlock, content });
    }
  }

  async #copyRange({ peer, read, from }: Extract<Effect, { kind: 'copy-range' }>): Promise<void> {
    const { to, content } = await this.#ports.journal.readRange(from, COPY_PIECE_BYTES);
    this.input({ kind: 'copy-ranged', peer, read, to, content });
  }

  #sendData(peer: NodeId, message: DataMessage): void {
    if (!this.#ports.network.sendData(peer, message)) this.input({ kind: 'full', peer });
  }

  #append({ ops, sync, batch }: Extract<Effect, { kind: 'append' }>): void {
    this.#track(this.#ports.journal.append(ops, sync).then(() => this.input({ kind: 'appended', batch })));
  }

  /** Journal work: stopping waits for it, its failure is the mesher's. */
  #track(work: Promise<void>): void {
    this.#underWay++;
    work
      .catch((error: unknown) => this.#abort(error, 'storage-failed'))
      .finally(() => {
        this.#underWay--;
        if (this.#underWay === 0) for (const waiter of this.#idle.splice(0)) waiter();
      });
  }

  #abort(thrown: unknown, code: 'storage-failed' | 'internal' | 'taken-over'): void {
    if (this.#state === 'stopped') return;
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    this.#fail(error);
    this.#end(error instanceof MeshError ? error : new MeshError(code, error.message, { cause: error }));
  }

  /** The registry's silence is an input, not a failure. */
  #ask(work: Promise<void>): void {
    work.then(
      () => this.#registry('up', undefined),
      (error: unknown) => this.#registry('down', error),
    );
  }

  #registry(state: 'up' | 'down', error: unknown): void {
    this.#logRegistry(
      state === 'up'
        ? 'up'
        : error instanceof MeshError && error.code === 'registry-refused'
          ? 'refused'
          : 'unreached',
      error,
    );
    this.input({ kind: 'registry', state });
  }

  #logRegistry(state: 'up' | 'unreached' | 'refused', error: unknown): void {
    const at = this.#ports.clock.monotonic();
    const last = this.#registryLog;
    if (last?.state === state && (state !== 'refused' || at - last.at < REFUSED_AGAIN_MS)) return;
    this.#registryLog = { state, at };
    const { log, registry } = this.#ports;
    const fields = { registry: registry.address, ...(state === 'up' ? {} : { err: error }) };
    if (state === 'up') log.info(fields, 'registry reached');
    else if (state === 'unreached') log.warn(fields, 'registry not reached; going on with what is known');
    else log.warn(fields, 'registry refuses this mesher, nobody new finds it; mend its credentials');
  }

  #reply(request: RequestId, reply: Reply): void {
    const waiting = this.#requests.get(request);
    this.#requests.delete(request);
    if (reply.kind === 'failed') waiting?.reject(reply.error);
    else waiting?.resolve(reply);
  }

  #deliver(session: SessionId, deliveries: readonly Delivery[]): void {
    this.#sessions.get(session)?.deliver(deliveries);
  }

  #closed(session: SessionId, reason: 'deleted' | 'replaced'): void {
    const events = this.#sessions.get(session);
    this.#sessions.delete(session);
    events?.closed(reason);
  }

  /** Lets what is being committed end, then stops: sessions and requests are told. */
  async stop(): Promise<void> {
    clearInterval(this.#tick);
    while (this.#state === 'running' && (this.#underWay > 0 || !this.#core.commits.idle)) {
      this.input({ kind: 'tick' });
      await new Promise<void>((resolve) => {
        if (this.#underWay > 0) this.#idle.push(resolve);
        else setImmediate(resolve);
      });
      await new Promise((resolve) => setImmediate(resolve)); // the step that is told
    }
    this.#end(stopping());
  }

  #end(error: MeshError): void {
    this.#state = 'stopped';
    clearInterval(this.#tick);
    for (const { reject } of this.#requests.values()) reject(error);
    this.#requests.clear();
    const sessions = [...this.#sessions.values()];
    this.#sessions.clear();
    for (const events of sessions) {
      try {
        events.closed('shutting-down');
      } catch (fault) {
        // the others are told all the same
        this.#ports.log.warn({ err: fault }, 'a session did not take that the mesher stops');
        this.#fail(fault instanceof Error ? fault : new Error(String(fault)));
      }
    }
  }
}

function stopping(): MeshError {
  return new MeshError(
    'shutting-down',
    'this mesher is stopping; send it to another, or again when it is back',
  );
}
