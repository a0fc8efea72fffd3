// Random consumers against a dumb model: each event is waiting, held by one consumer, or finished, and every delivery after
// the first has a cause.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import type { DeliverySettings } from '../../../node/core/subscription.ts';
import { DeliveryBench } from './delivery-bench.ts';

interface Known {
  readonly sequence: number;
  readonly key: string;
  readonly expiresAt: number;
  durable: boolean;
  state: 'waiting' | 'held' | 'finished';
  /** Handed last to this session, or pulled; '': nobody is known to have it. */
  by: string;
  token: string;
  deadline: number;
  notBefore: number;
  attempts: number;
  failures: number;
  /** Number of its last delivery. */
  delivery: number;
}

class Model {
  readonly bench: DeliveryBench;
  readonly events = new Map<number, Known>();
  readonly sessions = new Map<number, { credit: number }>();
  readonly tokens: { token: string; sequence: number }[] = [];
  /** Finished since the last batch was closed, and in the batch being written. */
  #finishing: Known[] = [];
  #inBatch: Known[] = [];
  #storedInBatch: Known[] = [];
  #stored: Known[] = [];
  #expectedOnDisk: number[] | undefined;
  #nextSession = 1;
  #nextRequest = 1;
  #deliveries = 0;
  #deadLetters = 0;

  constructor(settings: Partial<DeliverySettings>) {
    this.bench = new DeliveryBench(settings, {
      blockEventsMax: 3,
      queueWindowEvents: 6,
      queueWindowBytes: 1_500,
    });
  }

  get settings(): DeliverySettings {
    return this.bench.subscription.delivery;
  }

  publish(key: string, livesMs: number): void {
    const expiresAt = livesMs === 0 ? 0 : this.bench.now.wall + livesMs;
    const { sequence } = this.bench.store({ key, expiresAt });
    const known: Known = {
      sequence,
      key,
      expiresAt,
      durable: false,
      state: 'waiting',
      by: '',
      token: '',
      deadline: Infinity,
      notBefore: 0,
      attempts: 0,
      failures: 0,
      delivery: 0,
    };
    this.events.set(sequence, known);
    this.#stored.push(known);
  }

  flush(): void {
    const alive = [...this.events.values()]
      .filter((each) => each.state !== 'finished')
      .map((each) => each.sequence);
    if (!this.bench.flush()) return;
    this.#expectedOnDisk = alive;
    this.#inBatch = this.#finishing;
    this.#finishing = [];
    this.#storedInBatch = this.#stored;
    this.#stored = [];
  }

  appended(): void {
    if (!this.bench.writing) return;
    for (const known of this.#storedInBatch) known.durable = true;
    this.bench.appended();
    this.observe();
    const expired = (sequence: number): boolean => this.#isExpired(this.#event(sequence));
    // what expired meanwhile may be gone already, or not yet
    assert.deepEqual(
      this.bench.onDisk().filter((sequence) => !expired(sequence)),
      this.#expectedOnDisk?.filter((sequence) => !expired(sequence)),
    );
    this.#inBatch = [];
    this.#storedInBatch = [];
  }

  #event(sequence: number): Known {
    const known = this.events.get(sequence);
    assert.ok(known);
    return known;
  }

  #isExpired(known: Known): boolean {
    return known.expiresAt !== 0 && known.expiresAt <= this.bench.now.wall;
  }

  /** What was just handed out. */
  observe(): void {
    for (const { event, reason } of this.bench.deadLetters.splice(0)) {
      this.#deadLetters++;
      const known = this.#event(event.sequence);
      assert.ok(
        reason.startsWith('rejected') || known.failures > this.settings.retries,
        `${event.sequence}: ${reason}`,
      );
      this.#finish(known);
    }
    for (const { sequence, token, attempt, to } of this.bench.take()) {
      const known = this.#event(sequence);
      const { now } = this.bench;
      assert.equal(known.state, 'waiting', `${sequence} was ${known.state} by ${known.by} and came to ${to}`);
      assert.ok(known.durable, `${sequence} is not on disk yet`);
      assert.ok(!this.#isExpired(known), `${sequence} has expired`);
      assert.ok(now.monotonic >= known.notBefore, `${sequence} came too early`);
      assert.equal(attempt, ++known.attempts);
      if (this.settings.ordered && known.key !== '') {
        for (const other of this.events.values()) {
          if (other.key !== known.key || other === known || !other.durable) continue;
          assert.ok(other.state !== 'held', `${sequence} overlaps ${other.sequence} of its key`);
          const before =
            other.sequence < known.sequence && other.state === 'waiting' && !this.#isExpired(other);
          assert.ok(!before, `${sequence} overtook ${other.sequence} of its key`);
        }
      }
      Object.assign(known, { state: 'held', by: to, token, delivery: ++this.#deliveries });
      known.deadline = to === 'pull' ? now.monotonic + this.settings.ackTimeoutMs : Infinity;
      this.tokens.push({ token, sequence });
      const session = this.sessions.get(Number(to.split(' ')[1]));
      if (session) assert.ok(--session.credit >= 0, `${to} got more than it granted`);
    }
    const held = [...this.events.values()].filter((each) => each.state === 'held').length;
    assert.ok(held <= this.settings.maxInFlight, `${held} in flight`);
    assert.equal(held, this.bench.delivery.state().inFlight);
  }

  #finish(known: Known): void {
    assert.notEqual(known.state, 'finished', `${known.sequence} was finished twice`);
    known.state = 'finished';
    this.#finishing.push(known);
  }

  attach(credit: number, resumeAfter?: string): void {
    const session = this.#nextSession++;
    this.sessions.set(session, { credit });
    this.bench.attach(session, credit, resumeAfter);
    this.observe();
  }

  /** A client comes back with a token that it, or somebody, was given once: its session's events up to it are settled. */
  resume(which: number, credit: number): void {
    const chosen = this.tokens.at(-1 - (which % 8)); // older ones are stale
    const last = chosen && this.events.get(chosen.sequence);
    if (!last || this.#isExpired(last)) return; // expired: whether it is there still is not known
    const { by, delivery } = last;
    if (last.state === 'waiting' && last.token === chosen.token && by.startsWith('session')) {
      for (const known of this.events.values())
        if (known.state === 'waiting' && known.by === by && known.delivery <= delivery) this.#finish(known);
    }
    this.attach(credit, chosen.token);
  }

  session(which: number): number | undefined {
    const open = [...this.sessions.keys()];
    return open[which % Math.max(1, open.length)];
  }

  grant(which: number, count: number): void {
    const session = this.session(which);
    if (session === undefined) return;
    const state = this.sessions.get(session);
    if (state) state.credit += count;
    this.bench.delivery.grant(session, count);
    this.bench.delivery.pump(this.bench.now);
    this.observe();
  }

  detach(which: number): void {
    const session = this.session(which);
    if (session === undefined) return;
    this.sessions.delete(session);
    for (const known of this.events.values()) {
      if (known.state === 'held' && known.by === `session ${session}`)
        Object.assign(known, { state: 'waiting', notBefore: 0 });
    }
    this.bench.detach(session);
    this.observe();
  }

  pull(max: number, waitMs: number): void {
    this.bench.pull(this.#nextRequest++, max, waitMs);
    this.observe();
  }

  settle(which: number, kind: 'ack' | 'retry' | 'reject', delayMs: number | undefined): void {
    const chosen = this.tokens[which % Math.max(1, this.tokens.length)];
    if (!chosen) return;
    const known = this.#event(chosen.sequence);
    const current = known.state === 'held' && known.token === chosen.token;
    if (current && kind !== 'ack') this.#release(known, delayMs, kind === 'retry');
    const stale =
      kind === 'ack'
        ? this.bench.settle(chosen.token, (token) => ({ kind, token }))
        : kind === 'retry'
          ? this.bench.settle(chosen.token, (token) => ({ kind, token, delayMs }))
          : this.bench.settle(chosen.token, (token) => ({ kind, token, reason: 'no' }));
    if (current) assert.deepEqual(stale, []);
    if (kind === 'ack' && stale.length === 0) this.#finish(known);
    if (kind !== 'ack' && !current) assert.deepEqual(stale, [chosen.token]);
    this.bench.delivery.pump(this.bench.now);
    this.observe();
  }

  #release(known: Known, delayMs: number | undefined, failed: boolean): void {
    known.state = 'waiting';
    if (!failed) return;
    known.by = '';
    known.failures++;
    const backoff = Math.min(60_000, this.settings.backoffMs * 2 ** (known.failures - 1)) * 0.5;
    known.notBefore = this.bench.now.monotonic + (delayMs ?? backoff);
  }

  pass(ms: number): void {
    const until = this.bench.now.monotonic + ms;
    for (const known of this.events.values()) {
      if (known.state === 'held' && known.deadline <= until) {
        this.#release(known, undefined, true);
        known.notBefore += ms;
      }
    }
    this.bench.pass(ms);
    this.observe();
  }

  replace(settings: Partial<DeliverySettings>): void {
    // what is out already may be more than the new settings allow: only lay down that they are taken
    this.bench.subscription = { ...this.bench.subscription, delivery: { ...this.settings, ...settings } };
    this.bench.delivery.replace(this.bench.subscription);
    this.bench.delivery.pump(this.bench.now);
    this.observe();
  }

  crash(): void {
    for (const known of [...this.#finishing, ...this.#inBatch]) known.state = 'waiting';
    for (const known of [...this.#stored, ...this.#storedInBatch]) known.state = 'finished'; // never acked to its publisher
    this.#finishing = [];
    this.#inBatch = [];
    this.#stored = [];
    this.#storedInBatch = [];
    for (const known of this.events.values()) {
      if (known.state === 'held') known.state = 'waiting';
      Object.assign(known, { attempts: 0, failures: 0, notBefore: 0, by: '' });
    }
    this.sessions.clear();
    this.bench.crash();
    this.observe();
  }

  /** Everything is delivered and acked in the end, and nothing is left on disk. */
  drain(): void {
    for (let round = 0; round < 2_000; round++) {
      this.flush();
      this.appended();
      while (this.bench.loaded()) this.observe();
      for (const { token, sequence } of this.tokens.splice(0)) {
        const known = this.#event(sequence);
        if (known.state !== 'held' || known.token !== token) continue;
        assert.deepEqual(
          this.bench.settle(token, (parsed) => ({ kind: 'ack', token: parsed })),
          [],
        );
        this.#finish(known);
      }
      this.bench.delivery.pump(this.bench.now);
      this.observe();
      if (this.sessions.size === 0) this.attach(100_000);
      else this.grant(0, 1_000);
      this.pass(1_000);
      if (this.bench.queue.depth === 0 && this.bench.commits.idle) break;
    }
    for (const known of this.events.values()) {
      assert.ok(
        known.state === 'finished' || this.#isExpired(known),
        `${known.sequence} is ${known.state} for ever`,
      );
    }
    assert.equal(this.bench.queue.depth, 0);
    assert.deepEqual(this.bench.onDisk(), []);
    assert.equal(this.bench.disk.blocks.size, 0);
    assert.equal(this.bench.commits.blocks, 0);
    assert.equal(this.bench.counters.total('events_dead_lettered_total'), this.#deadLetters);
  }
}

type Command = (model: Model) => void;

const small = fc.nat({ max: 12 });
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc
      .tuple(fc.constantFrom('', 'a', 'b'), fc.constantFrom(0, 0, 0, 300))
      .map(([key, livesMs]): Command => (model) => {
        model.publish(key, livesMs);
      }),
  },
  {
    weight: 6,
    arbitrary: fc.constant<Command>((model) => {
      model.flush();
    }),
  },
  {
    weight: 6,
    arbitrary: fc.constant<Command>((model) => {
      model.appended();
    }),
  },
  {
    weight: 4,
    arbitrary: fc.constant<Command>((model) => {
      model.bench.loaded();
      model.observe();
    }),
  },
  {
    weight: 2,
    arbitrary: small.map((credit): Command => (model) => {
      model.attach(credit);
    }),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(fc.nat(), small).map(([which, credit]): Command => (model) => {
      model.resume(which, credit);
    }),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(small, small).map(([which, count]): Command => (model) => {
      model.grant(which, count);
    }),
  },
  {
    weight: 3,
    arbitrary: small.map((which): Command => (model) => {
      model.detach(which);
    }),
  },
  {
    weight: 3,
    arbitrary: fc.tuple(small, fc.constantFrom(0, 100, 1_000)).map(([max, wait]): Command => (model) => {
      model.pull(max + 1, wait);
    }),
  },
  {
    weight: 8,
    arbitrary: fc
      .tuple(
        fc.nat(),
        fc.constantFrom('ack' as const, 'ack' as const, 'retry' as const, 'reject' as const),
        fc.constantFrom(undefined, 0, 500),
      )
      .map(([which, kind, delayMs]): Command => (model) => {
        model.settle(which, kind, delayMs);
      }),
  },
  {
    weight: 3,
    arbitrary: fc.constantFrom(1, 50, 400, 2_000).map((ms): Command => (model) => {
      model.pass(ms);
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constantFrom(1, 3).map((retries): Command => (model) => {
      model.replace({ retries });
    }),
  },
  {
    weight: 1,
    arbitrary: fc.constant<Command>((model) => {
      model.crash();
    }),
  },
);

test('under any consumers, crashes and clocks nothing is lost, nothing comes twice without cause, and all ends', () => {
  fc.assert(
    fc.property(
      fc.array(command, { maxLength: 150, size: 'max' }),
      fc.boolean(),
      fc.constantFrom(1, 2, 5, 100),
      (commands, ordered, maxInFlight) => {
        const model = new Model({ ordered, maxInFlight, ackTimeoutMs: 500, backoffMs: 100, retries: 2 });
        for (const run of commands) run(model);
        model.drain();
      },
    ),
    { numRuns: 1_000 },
  );
});
