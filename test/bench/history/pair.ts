// Two cores of two clusters in one process, with an event's whole life between them: published at one in blocks of some hundred, on disk
// at once, sent over a link as bytes, landed at the other, streamed to a durable subscription and acked. Each step can be looked on at.

import { hash32 } from '../../../node/core/event.ts';
import { LIMITS } from '../../../node/core/limits.ts';
import { signMember } from '../../../node/core/membership.ts';
import { MesherCore } from '../../../node/core/mesher-core.ts';
import type { MemberRecord } from '../../../node/core/ports.ts';
import type { Effect, Input, Now } from '../../../node/core/steps.ts';
import { DELIVERY_DEFAULTS } from '../../../node/core/subscription.ts';
import { TIMING } from '../../../node/core/timing.ts';
import { WIRE_VERSION } from '../../../node/core/wire-version.ts';
import { encodeCloudEvent } from '../../../node/wire/cloud-event-protobuf.ts';
import { decodeMessage, encodeMessage } from '../../../node/wire/link-messages.ts';
import { KeyRing } from '../../simulation/fake-keys.ts';
import { MemoryDisk, MemoryJournal } from '../../../node/journal/memory-journal.ts';
import { Payloads } from '../harness/payloads.ts';

export interface Watcher {
  stepped(inputs: readonly Input[], effects: readonly Effect[], now: Now): void;
}

interface Place {
  readonly core: MesherCore;
  readonly watcher: Watcher | undefined;
  readonly journal: MemoryJournal;
  inbox: Input[];
}

const SESSION = 7;
const CREDIT = 1_000_000_000;

export class Pair {
  delivered = 0;
  /** CPU of cores, and of those who look on. */
  coreUs = 0;
  watchUs = 0;
  readonly #places = new Map<string, Place>();
  readonly #payloads: Payloads;
  readonly #order: readonly string[];
  #now = 1_000;
  #request = 0;
  #published = 0;

  constructor(payloadBytes: number, watch: (core: MesherCore) => Watcher | undefined) {
    this.#payloads = new Payloads({ bytes: payloadBytes });
    const ring = new KeyRing();
    const records: MemberRecord[] = [];
    for (const [node, cluster] of [
      ['a', 'eu'],
      ['b', 'us'],
    ] as const) {
      const keys = ring.make(node, `secret of ${node}`);
      const self = signMember(keys, {
        federation: 'acme',
        cluster,
        node,
        incarnation: 1,
        addresses: [],
        http: '',
        labels: {},
        version: '0',
      });
      records.push(self);
      const journal = new MemoryJournal(new MemoryDisk());
      const core = new MesherCore(
        { self, limits: LIMITS, timing: TIMING, keys, random: Math.random, replicas: 1, rejoining: false },
        { ...journal.recoverNow(), copies: [] },
        this.#clock(),
      );
      this.#places.set(node, { core, watcher: watch(core), journal, inbox: [] });
    }
    this.#order = ['a', 'b'];
    this.#meet(records);
  }

  #clock(): Now {
    return { wall: 1_750_000_000_000 + this.#now, monotonic: this.#now };
  }

  #meet(members: readonly MemberRecord[]): void {
    for (const node of this.#order) {
      const peer = node === 'a' ? 'b' : 'a';
      const cluster = node === 'a' ? 'us' : 'eu';
      this.#tell(
        node,
        { kind: 'tick' },
        { kind: 'members', list: { revision: 1, members } },
        { kind: 'link-up', peer, cluster, incarnation: 1, version: WIRE_VERSION },
      );
    }
    const delivery = { ...DELIVERY_DEFAULTS, maxInFlight: 100_000 };
    const subscription = {
      name: 's',
      topic: 'orders/#',
      group: undefined,
      sink: undefined,
      adoptedFrom: undefined,
      delivery,
    };
    this.#tell(
      'b',
      { kind: 'put-subscription', request: ++this.#request, subscription },
      { kind: 'attach', session: SESSION, name: 's', credit: CREDIT, resumeAfter: undefined },
    );
    for (let i = 0; i < 20; i++) {
      this.#now += TIMING.tickMs;
      for (const node of this.#order) this.#tell(node, { kind: 'tick' });
      this.#settle();
    }
  }

  #place(node: string): Place {
    const place = this.#places.get(node);
    if (!place) throw new Error(`there is no mesher ${node}`);
    return place;
  }

  #tell(node: string, ...inputs: readonly Input[]): void {
    this.#place(node).inbox.push(...inputs);
  }

  /** Encoded as a publisher's. */
  events(count: number): Uint8Array[] {
    return Array.from({ length: count }, () => {
      const n = this.#published++;
      return encodeCloudEvent({
        id: `${n.toString(16).padStart(8, '0')}-7a1c-4c8e-9c55-1d0b8a2f6e01`,
        source: 'https://shop.example.com/orders',
        type: 'com.example.order.created',
        attributes: new Map(),
        data: { type: 'text', value: this.#payloads.text(n) },
      });
    });
  }

  /** One request of them, until all are delivered and acked. */
  publish(cloudEvents: readonly Uint8Array[]): void {
    this.#now += 3;
    const events = cloudEvents.map((cloudEvent, i) => ({
      topic: 'orders/eu',
      expiresAt: 0,
      key: '',
      hash: hash32(String(i)),
      cloudEvent,
      noTraceContext: true,
    }));
    this.#tell('a', { kind: 'publish', request: ++this.#request, qos: 'durable', report: false, events });
    this.#settle();
  }

  #settle(): void {
    for (let isBusy = true; isBusy;) {
      isBusy = false;
      for (const node of this.#order) isBusy = this.#step(node) || isBusy;
    }
  }

  #step(node: string): boolean {
    const place = this.#place(node);
    if (place.inbox.length === 0) return false;
    const inputs = place.inbox;
    place.inbox = [];
    const now = this.#clock();
    const started = cpuUs();
    const effects = place.core.step(inputs, now);
    const stepped = cpuUs();
    this.coreUs += stepped - started;
    place.watcher?.stepped(inputs, effects, now);
    this.watchUs += cpuUs() - stepped;
    for (const effect of effects) this.#carryOut(node, effect);
    return true;
  }

  #carryOut(node: string, effect: Effect): void {
    const other = node === 'a' ? 'b' : 'a';
    const { journal } = this.#place(node);
    if (effect.kind === 'append') {
      journal.appendNow(effect.ops, effect.sync);
      this.#tell(node, { kind: 'appended', batch: effect.batch });
    } else if (effect.kind === 'load')
      this.#tell(node, {
        kind: 'loaded',
        queue: effect.queue,
        entries: journal.loadNow(effect.queue, effect.blocks),
      });
    else if (effect.kind === 'control' || effect.kind === 'data')
      this.#tell(other, {
        kind: 'messages',
        peer: node,
        messages: [decodeMessage(encodeMessage(effect.message))],
      });
    else if (effect.kind === 'gossip') this.#tell(other, { kind: 'gossip', bytes: effect.bytes });
    else if (effect.kind === 'deliver') {
      this.delivered += effect.deliveries.length;
      const settlements = effect.deliveries.map(({ token }) => ({ kind: 'ack' as const, token }));
      this.#tell(node, { kind: 'settle', request: ++this.#request, name: 's', settlements });
    }
  }
}

/** Of this thread: what else runs on the machine takes turns with it. */
function cpuUs(): number {
  const { user, system } = process.threadCpuUsage();
  return user + system;
}
