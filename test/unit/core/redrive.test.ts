// Custody of dead letters that are redriven and dropped, in random order with everything else that may happen to them, crashes included:
// an event is a dead letter or in the queue of its subscription, never in neither and never in both.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { LIMITS } from '../../../node/core/limits.ts';
import type { MesherCore } from '../../../node/core/mesher-core.ts';
import type { Effect, HeldLetter, Input, Reply, RequestId } from '../../../node/core/steps.ts';
import { DEAD_LETTERS, DELIVERY_DEFAULTS } from '../../../node/core/subscription.ts';
import { MemoryDisk, MemoryJournal } from '../../../node/journal/memory-journal.ts';
import { loneCore, NOW } from '../../support/lone-core.ts';

type Name = 'billing' | typeof DEAD_LETTERS;
type State = 'published' | 'there' | 'going' | 'gone';

/** Small, so that queues have most of their blocks on disk only. */
const SMALL = { ...LIMITS, blockEventsMax: 3, queueWindowEvents: 4, queueWindowBytes: 1_000 };

class World {
  readonly #disk = new MemoryDisk();
  #journal!: MemoryJournal;
  #core!: MesherCore;
  #append: Extract<Effect, { kind: 'append' }> | undefined;
  #loads: Extract<Effect, { kind: 'load' }>[] = [];
  readonly #waiting = new Map<RequestId, (reply: Reply) => void>();
  #request = 0;
  #events = 0;
  /** As read last; the journal may have changed since. */
  #letters: HeldLetter[] = [];
  readonly states = new Map<string, State>();

  constructor() {
    this.#start();
    const subscription = {
      name: 'billing',
      topic: '#',
      group: undefined,
      sink: undefined,
      adoptedFrom: undefined,
      delivery: DELIVERY_DEFAULTS,
    };
    this.#ask(
      (request) => ({ kind: 'put-subscription', request, subscription }),
      () => undefined,
    );
    this.rest();
  }

  #start(): void {
    this.#journal = new MemoryJournal(this.#disk, { verify: true });
    this.#core = loneCore(this.#journal.recoverNow(), SMALL);
    this.#step({ kind: 'tick' });
  }

  #step(input: Input): void {
    for (const effect of this.#core.step([input], NOW)) {
      if (effect.kind === 'append') this.#append = effect;
      else if (effect.kind === 'load') this.#loads.push(effect);
      else if (effect.kind === 'reply') {
        this.#waiting.get(effect.request)?.(effect.reply);
        this.#waiting.delete(effect.request);
      }
    }
  }

  #ask(make: (request: RequestId) => Input, answered: (reply: Reply) => void): void {
    const request = ++this.#request;
    this.#waiting.set(request, answered);
    this.#step(make(request));
  }

  append(): void {
    const append = this.#append;
    if (!append) return;
    this.#append = undefined;
    this.#journal.appendNow(append.ops, append.sync);
    this.#step({ kind: 'appended', batch: append.batch });
  }

  load(): void {
    const load = this.#loads.shift();
    if (!load) return;
    const entries = this.#journal.loadNow(load.queue, load.blocks);
    this.#step({ kind: 'loaded', queue: load.queue, entries });
  }

  rest(): void {
    for (let i = 0; i < 100; i++) {
      this.append();
      this.load();
      if (!this.#append && this.#loads.length === 0) this.#step({ kind: 'tick' });
    }
  }

  publish(count: number): void {
    const ids = Array.from({ length: count }, () => `e${++this.#events}`);
    const events = ids.map((id) => ({
      topic: 'a/b',
      expiresAt: 0,
      key: '',
      hash: 1,
      cloudEvent: Buffer.from(id),
    }));
    for (const id of ids) this.states.set(id, 'published');
    this.#ask(
      (request) => ({ kind: 'publish', request, qos: 'durable', report: false, events }),
      () => this.#move(ids, 'there'),
    );
  }

  #move(ids: readonly string[], to: State): void {
    for (const id of ids) this.states.set(id, to);
  }

  /** Takes some and settles them. What is acked is gone. */
  consume(name: Name, max: number, how: 'ack' | 'reject'): void {
    this.#ask(
      (request) => ({ kind: 'pull', request, name, max, waitMs: 0 }),
      (pulled) => {
        assert.equal(pulled.kind, 'pulled');
        if (pulled.deliveries.length === 0) return;
        const ids = pulled.deliveries.map(({ event }) => idOf(event));
        for (const id of ids) assert.notEqual(this.states.get(id), 'gone', `${id} was done with, and came`);
        if (how === 'ack') this.#move(ids, 'going');
        const settlements = pulled.deliveries.map(({ token }) =>
          how === 'ack'
            ? ({ kind: 'ack', token } as const)
            : ({ kind: 'reject', token, reason: 'no' } as const),
        );
        this.#ask(
          (request) => ({ kind: 'settle', request, name, settlements }),
          () => how === 'ack' && this.#move(ids, 'gone'),
        );
      },
    );
  }

  look(): void {
    const queue = this.#core.subscriptions.get(DEAD_LETTERS)?.queue;
    assert.ok(queue);
    this.#letters = this.#journal
      .loadNow(queue.id, [...queue.blocksFrom(0)])
      .flatMap(({ block, entry: { indices }, events }) =>
        events.map((event, at) => ({ block, index: indices[at] ?? -1, wanted: indices, event })),
      );
  }

  settle(how: 'redrive' | 'drop', from: number, count: number): void {
    const letters = this.#letters.slice(from, from + count);
    const ids = letters.map(({ event }) => idOf(event));
    // which of them are no dead letters any more the model does not know
    if (how === 'drop')
      this.#move(
        ids.filter((id) => this.states.get(id) === 'there'),
        'going',
      );
    this.#ask(
      (request) => ({ kind: 'dead-letters', request, name: DEAD_LETTERS, how, letters }),
      (reply) => {
        assert.ok(reply.kind === 'dead-letters-settled');
        const left = reply.left.reduce((sum, one) => sum + one.count, 0);
        assert.equal(reply.done + left, letters.length);
        if (how === 'drop' && left === 0) this.#move(ids, 'gone');
      },
    );
  }

  crash(): void {
    this.#disk.crash(() => 0);
    this.#append = undefined;
    this.#loads = [];
    this.#letters = [];
    this.#waiting.clear();
    this.#start();
  }

  /** What the journal and the core hold agree, and custody was kept. */
  check(): void {
    this.rest();
    const places = new Map<string, string[]>();
    for (const name of ['billing', DEAD_LETTERS] as const) {
      const queue = this.#core.subscriptions.get(name)?.queue;
      assert.ok(queue);
      const held = this.#journal
        .loadNow(
          queue.id,
          [...this.#disk.blocks.keys()].sort((a, b) => a - b),
        )
        .flatMap(({ events }) => events.map(idOf));
      assert.equal(queue.depth, held.length, `${name} holds what is on disk`);
      for (const id of held) places.set(id, [...(places.get(id) ?? []), name]);
    }
    for (const [id, state] of this.states) {
      const found = places.get(id) ?? [];
      if (state === 'there')
        assert.deepEqual(found.length, 1, `${id} is in ${found.join(' and ') || 'no queue'}`);
      else if (state === 'gone') assert.deepEqual(found, [], `${id} is gone`);
      else assert.ok(found.length <= 1, `${id}, ${state}, is in ${found.join(' and ')}`);
    }
  }

  /** Takes all there is, so that what is loaded after a settlement is seen, too. */
  drain(): void {
    for (const name of ['billing', DEAD_LETTERS] as const) {
      const queue = this.#core.subscriptions.get(name)?.queue;
      for (let left = 1_000; (queue?.depth ?? 0) > 0; left--) {
        assert.ok(left > 0, `${name} gives all that it holds`);
        this.consume(name, 3, 'ack');
        this.rest();
      }
    }
    this.check();
    assert.deepEqual(
      [...this.states.values()].filter((state) => state === 'there'),
      [],
    );
  }
}

function idOf({ cloudEvent }: { readonly cloudEvent: Uint8Array }): string {
  return Buffer.from(cloudEvent).toString();
}

const commands = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.integer({ min: 1, max: 5 }).map((count) => (world: World) => world.publish(count)),
  },
  {
    weight: 4,
    arbitrary: fc
      .integer({ min: 1, max: 6 })
      .map((max) => (world: World) => world.consume('billing', max, 'reject')),
  },
  { weight: 1, arbitrary: fc.constant((world: World) => world.consume('billing', 1, 'ack')) },
  { weight: 1, arbitrary: fc.constant((world: World) => world.consume(DEAD_LETTERS, 2, 'ack')) },
  { weight: 4, arbitrary: fc.constant((world: World) => world.look()) },
  {
    weight: 6,
    arbitrary: fc
      .tuple(
        fc.constantFrom('redrive' as const, 'drop' as const),
        fc.nat(20),
        fc.integer({ min: 1, max: 12 }),
      )
      .map(
        ([how, from, count]) =>
          (world: World) =>
            world.settle(how, from, count),
      ),
  },
  { weight: 6, arbitrary: fc.constant((world: World) => world.append()) },
  { weight: 4, arbitrary: fc.constant((world: World) => world.load()) },
  { weight: 2, arbitrary: fc.constant((world: World) => world.rest()) },
  { weight: 1, arbitrary: fc.constant((world: World) => world.check()) },
  { weight: 1, arbitrary: fc.constant((world: World) => world.crash()) },
);

test('a dead letter is never lost and never doubled, whatever comes between', () => {
  fc.assert(
    fc.property(fc.array(commands, { maxLength: 100, size: 'max' }), (steps) => {
      const world = new World();
      for (const step of steps) step(world);
      world.check();
      world.drain();
    }),
    { numRuns: 400 },
  );
});
