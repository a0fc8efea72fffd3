// Ledgers against a naive model, which knows of each place what became of it: they say exactly what was planted, and nothing else.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  ack,
  at,
  entry,
  expired,
  frame,
  Kept,
  LANE,
  LIFE,
  linkUp,
  opened,
  SENDER,
  sequencesIn,
} from './ledgers.ts';

type Act =
  | { readonly kind: 'give' | 'expire'; readonly count: number }
  | { readonly kind: 'send'; readonly count: number; readonly fault: 'none' | 'skipped' | 'lost' }
  | { readonly kind: 'ack' | 'move' | 'fall' | 'compare' | 'restart' };

const count = fc.integer({ min: 1, max: 4 });
const fault = fc.constantFrom('none' as const, 'none' as const, 'skipped' as const, 'lost' as const);
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('give' as const), count }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('send' as const), count, fault }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('expire' as const), count }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('ack' as const) }) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constantFrom('move' as const, 'fall' as const, 'compare' as const, 'restart' as const),
    }),
  },
);

class Model {
  readonly s = new Kept(SENDER, LIFE);
  readonly #receivers = new Map<string, { kept: Kept; life: number; mark: number; taken: Set<number> }>();
  readonly lost = new Set<number>();
  readonly #expired = new Set<number>();
  #given = 0;
  #acked = 0;
  #cursor = 0;
  #landing = 'r1';

  constructor() {
    for (const node of ['r1', 'r2'])
      this.#receivers.set(node, { kept: new Kept(node, 1), life: 1, mark: 0, taken: new Set() });
    for (const node of ['r1', 'r2']) this.#link(node);
    this.s.writes(opened());
  }

  #receiver(node = this.#landing) {
    const receiver = this.#receivers.get(node);
    assert.ok(receiver);
    return receiver;
  }

  #link(node: string): void {
    const { kept, life } = this.#receiver(node);
    this.s.heard(linkUp(node, life));
    kept.heard(linkUp(SENDER, LIFE));
  }

  act(one: Act): void {
    if (one.kind === 'give') {
      this.s.writes(entry(this.#given + 1, one.count));
      this.#given += one.count;
    } else if (one.kind === 'send') this.#send(Math.min(one.count, this.#given - this.#cursor), one.fault);
    else if (one.kind === 'expire') this.#expire(one.count);
    else if (one.kind === 'ack') this.#ack();
    else if (one.kind === 'move') this.#move();
    else if (one.kind === 'fall') this.#cursor = this.#acked;
    else if (one.kind === 'compare') this.compare();
    else this.#restart();
  }

  /** From the second event on where the first is left out: only that can be passed over. */
  #send(many: number, planted: 'none' | 'skipped' | 'lost'): void {
    if (many < 1) return;
    const [from, to] = [this.#cursor + 1, this.#cursor + many];
    this.#cursor = to;
    const isFaulty = planted !== 'none' && many > 1;
    const [sentFrom, cameFrom] = [
      isFaulty && planted === 'skipped' ? from + 1 : from,
      isFaulty ? from + 1 : from,
    ];
    this.s.did({ kind: 'data', peer: this.#landing, message: frame(sentFrom, to) });
    const receiver = this.#receiver();
    receiver.kept.heard({ kind: 'messages', peer: SENDER, messages: [frame(cameFrom, to)] });
    for (let i = Math.max(cameFrom, receiver.mark + 1); i <= to; i++) receiver.taken.add(i);
    if (to <= receiver.mark) return;
    receiver.mark = to;
    receiver.kept.writes({ op: 'mark', sender: SENDER, ...LANE, position: at(to) });
  }

  /** When nothing is under way, as lanes do it. */
  #expire(many: number): void {
    if (this.#cursor > this.#acked) return;
    const last = Math.min(this.#given, this.#acked + many);
    if (last <= this.#acked) return;
    for (let i = this.#acked + 1; i <= last; i++) {
      this.s.did(expired(i));
      this.#expired.add(i);
    }
    this.#acked = this.#cursor = last;
  }

  #ack(): void {
    const { mark, taken } = this.#receiver();
    if (mark <= this.#acked) return;
    for (let i = this.#acked + 1; i <= mark; i++)
      if (!taken.has(i) && !this.#expired.has(i)) this.lost.add(i);
    this.#acked = mark;
    this.#cursor = Math.max(this.#cursor, mark);
    this.s.heard(ack(this.#landing, mark));
  }

  /** The lane is opened elsewhere, from what is acked on. */
  #move(): void {
    this.#landing = this.#landing === 'r1' ? 'r2' : 'r1';
    this.#cursor = this.#acked;
    const receiver = this.#receiver();
    const base = at(this.#acked);
    receiver.kept.heard({ kind: 'messages', peer: SENDER, messages: [{ kind: 'lane-open', ...LANE, base }] });
    if (this.#acked > receiver.mark) {
      receiver.mark = this.#acked;
      receiver.kept.writes({ op: 'mark', sender: SENDER, ...LANE, position: base });
    }
    this.#ack();
  }

  /** Nobody knows afterwards what was lost on the way before: so it is compared first, with all acked. */
  #restart(): void {
    this.#ack();
    this.compare();
    const receiver = this.#receiver();
    receiver.life++;
    const marks = [{ sender: SENDER, ...LANE, position: at(receiver.mark) }];
    receiver.kept = new Kept(this.#landing, receiver.life, { marks });
    this.#link(this.#landing);
    this.#cursor = this.#acked;
  }

  compare(): void {
    this.s.held = this.#given - this.#acked;
    this.s.ledger.audit();
    for (const { kept } of this.#receivers.values()) {
      assert.deepEqual(kept.compareWith(this.s), []);
      assert.deepEqual(this.s.compareWith(kept), []);
      for (const { text } of kept.found)
        for (const sequence of sequencesIn(text)) assert.ok(this.lost.has(sequence), text);
    }
  }

  said(): number[] {
    return this.s.found.flatMap(({ text }) => sequencesIn(text)).sort((a, b) => a - b);
  }
}

test('the ledger says exactly what was planted, and nothing else', () => {
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const model = new Model();
      for (const one of acts) model.act(one);
      model.act({ kind: 'ack' });
      model.compare();
      assert.deepEqual(
        model.said(),
        [...model.lost].sort((a, b) => a - b),
      );
    }),
    { numRuns: 2_000 },
  );
});
