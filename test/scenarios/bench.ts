// A few cores on a bench, moved by hand: nothing happens that no command asked for. Messages wait in their streams until
// they are delivered, an append until it is completed, and time stands still until it is moved.

import { NO_TOKEN, type DeliveryToken } from '../../node/core/delivery-token.ts';
import { hash32, type NodeId } from '../../node/core/event.ts';
import { LIMITS } from '../../node/core/limits.ts';
import { chooseIncarnation, signMember } from '../../node/core/membership.ts';
import { MesherCore } from '../../node/core/mesher-core.ts';
import type { ControlMessage, DataMessage, LinkMessage } from '../../node/core/messages.ts';
import type { Keys, MemberRecord } from '../../node/core/ports.ts';
import type { Effect, Input } from '../../node/core/steps.ts';
import { DEAD_LETTERS, DELIVERY_DEFAULTS, type DeliverySettings } from '../../node/core/subscription.ts';
import { TIMING } from '../../node/core/timing.ts';
import { WIRE_VERSION } from '../../node/core/wire-version.ts';
import { MemoryDisk, MemoryJournal } from '../../node/journal/memory-journal.ts';
import { decodeMessage, encodeMessage } from '../../node/wire/link-messages.ts';
import { KeyRing } from '../simulation/fake-keys.ts';
import { describeEffect, idOf } from './transcript.ts';

interface Stand {
  readonly node: NodeId;
  readonly cluster: string;
  readonly keys: Keys;
  readonly disk: MemoryDisk;
  journal: MemoryJournal | undefined;
  core: MesherCore | undefined;
  self: MemberRecord | undefined;
  append: Extract<Effect, { kind: 'append' }> | undefined;
  /** Tokens of what consumers hold, by subscription and event. */
  readonly tokens: Map<string, DeliveryToken>;
  readonly sessions: Map<number, string>;
}

interface Stream {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly kind: 'control' | 'data';
  readonly messages: Uint8Array[];
}

/** One lane keeps transcripts short; the rest is as in production. */
const SCENARIO_LIMITS = { ...LIMITS, lanesPerCluster: 1 };
const WALL_ZERO = 1_750_000_000_000;
const ROUNDS_MAX = 200;

export class Bench {
  readonly #stands = new Map<NodeId, Stand>();
  readonly #streams = new Map<string, Stream>();
  readonly #ring = new KeyRing();
  #now = 1_000;
  #revision = 0;
  #request = 0;
  #session = 0;
  /** Exchanges of routes and probes are shown only where a scenario is about them. */
  #showRoutes = false;
  #lines: string[] = [];

  /** Carries one command out; returns what came of it, line by line. */
  run(command: string): string[] {
    const [name = '', ...words] = command.split(/\s+/);
    const given = new Map<string, string>();
    const args = words.filter((word) => {
      const at = word.indexOf('=');
      if (at > 0) given.set(word.slice(0, at), word.slice(at + 1));
      return at <= 0;
    });
    const act = this.#commands[name];
    if (!act) throw new Error(`there is no command ${name}`);
    this.#lines = [];
    act(args, given);
    return this.#lines.length > 0 ? this.#lines : ['(nothing)'];
  }

  readonly #commands: Readonly<Record<string, (args: string[], given: ReadonlyMap<string, string>) => void>> =
    {
      start: ([node = '', cluster]) => this.#start(node, cluster),
      crash: ([node = '', how]) => this.#crash(node, how === 'unnoticed'),
      list: (nodes) => this.#list(nodes),
      'list-to': ([to = '', ...nodes]) => this.#listTo(to, nodes),
      link: ([a = '', b = '']) => this.#link(a, b),
      unlink: ([a = '', b = '']) => this.#unlink(a, b, true),
      relink: ([a = '', b = '']) => this.#relink(a, b),
      disk: ([node = '', state = '']) =>
        this.#step(node, { kind: 'disk', state: state === 'full' ? 'full' : 'ok' }),
      subscribe: ([node = '', name = '', topic = ''], given) => this.#subscribe(node, name, topic, given),
      unsubscribe: ([node = '', name = '']) =>
        this.#ask(node, (request) => ({ kind: 'delete-subscription', request, name })),
      attach: ([node = '', name = '', credit = '10']) => this.#attach(node, name, Number(credit)),
      settle: ([node = '', name = '', how = '', id = '']) => this.#settle(node, name, how, id),
      letters: ([node = '', how = '', ...ids]) =>
        this.#letters(node, how === 'drop' ? 'drop' : 'redrive', ids),
      publish: ([node = '', topic = '', ...ids], given) => this.#publish(node, topic, ids, given),
      append: ([node = '']) => this.#append(this.#stand(node)),
      deliver: ([from = '', to = '', kind = '']) => this.#deliver(from, to, kind),
      lose: ([from = '', to = '', kind = '']) => this.#lose(from, to, kind),
      tick: ([node = '', ms = '0']) => {
        this.#now += Number(ms);
        for (const each of node === 'all' ? this.#stands.keys() : [node]) this.#step(each, { kind: 'tick' });
      },
      rest: () => this.#rest(),
      federation: (nodes) => this.#federation(nodes),
      routes: ([how]) => {
        this.#showRoutes = how === 'shown';
      },
      status: ([node = '']) => this.#status(node),
      lanes: ([node = '']) => this.#lanes(node),
    };

  // ─────────────────────────────────────────────────────────── meshers

  #stand(node: NodeId): Stand {
    const stand = this.#stands.get(node);
    if (!stand) throw new Error(`there is no mesher ${node}`);
    return stand;
  }

  #core(node: NodeId): MesherCore {
    const { core } = this.#stand(node);
    if (!core) throw new Error(`${node} does not run`);
    return core;
  }

  #start(node: NodeId, cluster: string | undefined): void {
    let stand = this.#stands.get(node);
    if (!stand) {
      const keys = this.#ring.make(node, `secret of ${node}`);
      stand = {
        node,
        cluster: cluster ?? node.charAt(0),
        keys,
        disk: new MemoryDisk(),
        journal: undefined,
        core: undefined,
        self: undefined,
        append: undefined,
        tokens: new Map(),
        sessions: new Map(),
      };
      this.#stands.set(node, stand);
    }
    const journal = new MemoryJournal(stand.disk, { verify: true });
    const recovered = journal.recoverNow();
    const persisted = Number(journal.getMetaNow('incarnation') ?? 0);
    const incarnation = chooseIncarnation(persisted, undefined, 0); // 1, 2, 3: easy to read
    journal.putMetaNow('incarnation', String(incarnation));
    const self = signMember(stand.keys, {
      federation: 'scenario',
      cluster: stand.cluster,
      node,
      incarnation,
      addresses: [],
      http: '',
      labels: {},
      version: '',
    });
    const { keys } = stand;
    const options = {
      self,
      limits: SCENARIO_LIMITS,
      timing: TIMING,
      keys,
      random: () => 0.5,
      replicas: 1,
      rejoining: persisted > 0,
    };
    stand.journal = journal;
    stand.self = self;
    stand.core = new MesherCore(options, { ...recovered, copies: [] }, this.#clock());
    this.#lines.push(`${node} runs, incarnation ${incarnation}`);
    this.#step(node, { kind: 'tick' });
  }

  /** What was not appended is lost; links fall, or do so without anybody noticing. */
  #crash(node: NodeId, quietly = false): void {
    const stand = this.#stand(node);
    stand.journal?.closeNow();
    stand.disk.crash(() => 0);
    stand.core = undefined;
    stand.append = undefined;
    stand.tokens.clear();
    stand.sessions.clear();
    if (quietly) return;
    for (const other of this.#stands.keys())
      if (this.#streams.has(streamOf(node, other, 'control'))) this.#unlink(node, other, false);
  }

  /** The registry tells everybody that these are registered. */
  #list(nodes: readonly NodeId[]): void {
    this.#revision++;
    for (const { node, core } of this.#stands.values()) if (core) this.#tell(node, nodes);
  }

  #listTo(to: NodeId, nodes: readonly NodeId[]): void {
    this.#revision++;
    this.#tell(to, nodes);
  }

  #tell(to: NodeId, nodes: readonly NodeId[]): void {
    const members = nodes.flatMap((node) => this.#stand(node).self ?? []);
    this.#step(to, { kind: 'members', list: { revision: this.#revision, members } });
  }

  // ─────────────────────────────────────────────────────────── links

  /** `a` learns within one step that the link fell and that there is another. */
  #relink(a: NodeId, b: NodeId): void {
    this.#openStreams(a, b);
    const { cluster, incarnation } = this.#core(b);
    this.#step(
      a,
      { kind: 'link-down', peer: b, reason: 'replaced' },
      { kind: 'link-up', peer: b, cluster, incarnation, version: WIRE_VERSION },
    );
    this.#step(b, {
      kind: 'link-up',
      peer: a,
      cluster: this.#core(a).cluster,
      incarnation: this.#core(a).incarnation,
      version: WIRE_VERSION,
    });
  }

  #link(a: NodeId, b: NodeId): void {
    this.#openStreams(a, b);
    for (const [at, peer] of [
      [a, b],
      [b, a],
    ] as const) {
      const { cluster, incarnation } = this.#core(peer);
      this.#step(at, { kind: 'link-up', peer, cluster, incarnation, version: WIRE_VERSION });
    }
  }

  #openStreams(a: NodeId, b: NodeId): void {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      for (const kind of ['control', 'data'] as const)
        this.#streams.set(streamOf(from, to, kind), { from, to, kind, messages: [] });
    }
  }

  #unlink(a: NodeId, b: NodeId, both: boolean): void {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      for (const kind of ['control', 'data'] as const) this.#streams.delete(streamOf(from, to, kind));
    }
    if (both) this.#step(a, { kind: 'link-down', peer: b, reason: 'lost' });
    if (this.#stand(b).core) this.#step(b, { kind: 'link-down', peer: a, reason: 'lost' });
  }

  #send(from: NodeId, to: NodeId, kind: 'control' | 'data', message: ControlMessage | DataMessage): void {
    this.#streams.get(streamOf(from, to, kind))?.messages.push(encodeMessage(message));
  }

  #chosen(from: NodeId, to: NodeId, kind: string): Stream[] {
    const kinds = kind === 'control' || kind === 'data' ? [kind] : (['control', 'data'] as const);
    return kinds.flatMap((one) => this.#streams.get(streamOf(from, to, one)) ?? []);
  }

  #deliver(from: NodeId, to: NodeId, kind: string): void {
    for (const stream of this.#chosen(from, to, kind)) this.#hand(stream);
  }

  #hand(stream: Stream): void {
    const messages: LinkMessage[] = stream.messages.splice(0).map((bytes) => decodeMessage(bytes));
    if (messages.length > 0) this.#step(stream.to, { kind: 'messages', peer: stream.from, messages });
  }

  /** What waits in the stream is gone, as with a connection that fell. */
  #lose(from: NodeId, to: NodeId, kind: string): void {
    let lost = 0;
    for (const stream of this.#chosen(from, to, kind)) lost += stream.messages.splice(0).length;
    this.#lines.push(`${lost} messages from ${from} to ${to} are lost`);
  }

  // ─────────────────────────────────────────────────────────── clients

  #ask(node: NodeId, make: (request: number) => Input): void {
    this.#step(node, make(++this.#request));
  }

  #subscribe(node: NodeId, name: string, topic: string, given: ReadonlyMap<string, string>): void {
    const delivery: DeliverySettings = {
      ...DELIVERY_DEFAULTS,
      ordered: given.get('ordered') === 'yes',
      retries: Number(given.get('retries') ?? DELIVERY_DEFAULTS.retries),
      deadLetterTopic: given.get('dead'),
      queueEventsMax: given.has('queue') ? Number(given.get('queue')) : undefined,
      maxInFlight: Number(given.get('inflight') ?? DELIVERY_DEFAULTS.maxInFlight),
    };
    this.#ask(node, (request) => ({
      kind: 'put-subscription',
      request,
      subscription: {
        name,
        topic,
        group: given.get('group'),
        sink: undefined,
        adoptedFrom: undefined,
        delivery,
      },
    }));
  }

  #attach(node: NodeId, name: string, credit: number): void {
    const session = ++this.#session;
    this.#stand(node).sessions.set(session, name);
    this.#step(node, { kind: 'attach', session, name, credit, resumeAfter: undefined });
  }

  /** As they are in the journal now. */
  #letters(node: NodeId, how: 'redrive' | 'drop', ids: readonly string[]): void {
    const { core, journal } = this.#stand(node);
    const queue = core?.subscriptions.get(DEAD_LETTERS)?.queue;
    const entries = (queue && journal?.loadNow(queue.id, [...queue.blocksFrom(0)])) ?? [];
    const letters = entries
      .flatMap(({ block, entry: { indices }, events }) =>
        events.map((event, at) => ({ block, index: indices[at] ?? -1, wanted: indices, event })),
      )
      .filter(({ event }) => ids.some((id) => idOf(event).startsWith(`${id} `)));
    this.#ask(node, (request) => ({ kind: 'dead-letters', request, name: DEAD_LETTERS, how, letters }));
  }

  #settle(node: NodeId, name: string, how: string, id: string): void {
    const token = this.#stand(node).tokens.get(`${name}/${id}`) ?? NO_TOKEN;
    const settlement =
      how === 'reject'
        ? ({ kind: 'reject', token, reason: 'not mine' } as const)
        : how === 'retry'
          ? ({ kind: 'retry', token, delayMs: undefined } as const)
          : ({ kind: 'ack', token } as const);
    this.#ask(node, (request) => ({ kind: 'settle', request, name, settlements: [settlement] }));
  }

  #publish(node: NodeId, topic: string, ids: readonly string[], given: ReadonlyMap<string, string>): void {
    const key = given.get('key') ?? '';
    const expiresInMs = given.get('expires');
    const events = ids.map((id) => ({
      topic,
      expiresAt: expiresInMs === undefined ? 0 : this.#clock().wall + Number(expiresInMs),
      key,
      hash: hash32(key === '' ? id : key),
      cloudEvent: Buffer.from(`${id} `),
    }));
    this.#ask(node, (request) => ({ kind: 'publish', request, qos: 'durable', report: true, events }));
  }

  // ─────────────────────────────────────────────────────────── stepping

  #clock(): { wall: number; monotonic: number } {
    return { wall: WALL_ZERO + this.#now, monotonic: this.#now };
  }

  #step(node: NodeId, ...inputs: readonly Input[]): void {
    const stand = this.#stand(node);
    const effects = this.#core(node).step(inputs, this.#clock());
    const loaded: Input[] = [];
    for (const effect of effects) {
      const line = describeEffect(effect, this.#showRoutes, (id) => stand.disk.queues.get(id));
      if (line !== undefined) this.#lines.push(`${node}: ${line}`);
      if (effect.kind === 'append') stand.append = effect;
      else if (effect.kind === 'control' || effect.kind === 'data')
        this.#send(node, effect.peer, effect.kind, effect.message);
      else if (effect.kind === 'gossip')
        for (const other of this.#stands.values()) this.#gossip(node, other, effect.bytes);
      else if (effect.kind === 'load')
        loaded.push({
          kind: 'loaded',
          queue: effect.queue,
          entries: stand.journal?.loadNow(effect.queue, effect.blocks) ?? [],
        });
      else if (effect.kind === 'deliver') this.#keep(stand, effect);
    }
    for (const answer of loaded) this.#step(node, answer);
  }

  #gossip(from: NodeId, to: Stand, bytes: Uint8Array): void {
    if (to.core && this.#streams.has(streamOf(from, to.node, 'control')))
      this.#step(to.node, { kind: 'gossip', bytes });
  }

  #keep(stand: Stand, { session, deliveries }: Extract<Effect, { kind: 'deliver' }>): void {
    const name = stand.sessions.get(session) ?? '';
    for (const { event, token } of deliveries) {
      const id = Buffer.from(event.cloudEvent).toString().trim();
      stand.tokens.set(`${name}/${id}`, token);
    }
  }

  /** The write that is under way reaches the disk. */
  #append(stand: Stand): void {
    const { append } = stand;
    if (!append) return;
    stand.append = undefined;
    stand.journal?.appendNow(append.ops, append.sync);
    this.#step(stand.node, { kind: 'appended', batch: append.batch });
  }

  /** Starts, lists and links all of them, which is the same in every scenario. */
  #federation(nodes: readonly NodeId[]): void {
    for (const node of nodes) this.#start(node, undefined);
    this.#list(nodes);
    nodes.forEach((a, i) => nodes.slice(i + 1).forEach((b) => this.#link(a, b)));
    this.#rest();
    this.#lines = [`${nodes.join(', ')} run, are listed and linked`];
  }

  /** Everything that is under way happens, and so does one tick. */
  #rest(): void {
    this.#drain();
    this.#now += TIMING.tickMs;
    for (const { node, core } of this.#stands.values()) if (core) this.#step(node, { kind: 'tick' });
    this.#drain();
  }

  /** Appends, then what waits in streams. */
  #drain(): void {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      const stand = [...this.#stands.values()].find((one) => one.append);
      const stream = [...this.#streams.values()].find((one) => one.messages.length > 0);
      if (stand) this.#append(stand);
      else if (stream) this.#hand(stream);
      else return;
    }
    throw new Error('it never comes to rest');
  }

  // ─────────────────────────────────────────────────────────── looking

  #status(node: NodeId): void {
    const { members, subscriptions, table } = this.#core(node);
    for (const { record, status, linked } of members.all()) {
      const { complete, interests } = table.describe(record.node);
      const remembered = interests > 0 ? `, ${interests} remembered` : '';
      const known = complete ? `${interests} interests known` : `interests unknown${remembered}`;
      this.#lines.push(`${record.node} is ${status}, ${linked ? 'linked' : 'not linked'}, ${known}`);
    }
    for (const one of subscriptions.all()) {
      const { subscription, depth, inFlight } = one.state();
      if (!subscription.name.startsWith('$') || depth > 0)
        this.#lines.push(`${subscription.name} has ${depth} events, ${inFlight} in flight`);
    }
  }

  #lanes(node: NodeId): void {
    for (const { destination, state, landing, queued, inFlight } of this.#core(node).forwarder.views()) {
      this.#lines.push(
        `to ${destination}: ${state}${landing === undefined ? '' : ` on ${landing}`}, ${queued} queued, ${inFlight} in flight`,
      );
    }
  }
}

function streamOf(from: NodeId, to: NodeId, kind: string): string {
  return `${from}>${to} ${kind}`;
}
