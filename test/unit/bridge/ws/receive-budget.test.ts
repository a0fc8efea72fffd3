import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ReceiveBudget } from '../../../../bridge/ws/receive-budget.ts';

/** Says again what it holds when it is told to go on, as connections do. */
class Holder {
  bytes = 0;
  mayGoOn = true;
  readonly #budget: ReceiveBudget;

  constructor(budget: ReceiveBudget) {
    this.#budget = budget;
  }

  hold(bytes: number, isOther = false): boolean {
    this.bytes = bytes;
    this.mayGoOn = this.#budget.hold(this, bytes, isOther);
    return this.mayGoOn;
  }

  goOn(): void {
    this.hold(this.bytes);
  }
}

test('lets all go on within the bound, and the oldest beyond it', () => {
  const budget = new ReceiveBudget(100);
  const [a, b, c] = [new Holder(budget), new Holder(budget), new Holder(budget)];
  assert.equal(a.hold(40), true);
  assert.equal(b.hold(60), true);
  assert.equal(c.hold(1), false);
  assert.equal(b.hold(61), false);
  assert.equal(a.hold(500), true);
  assert.equal(a.hold(1, true), true, 'all is within the bound again');
  assert.deepEqual([b.mayGoOn, c.mayGoOn], [true, true]);
  assert.equal(a.hold(200), false, 'it is the newest now');
  assert.equal(b.hold(90), true);
});

test('thousands that wait are told in one go, not each by the one before', () => {
  const budget = new ReceiveBudget(100);
  const first = new Holder(budget);
  first.hold(1_000);
  const others = Array.from({ length: 20_000 }, () => new Holder(budget));
  for (const other of others) assert.equal(other.hold(0.001), false);
  first.hold(0);
  assert(others.every(({ mayGoOn }) => mayGoOn));
});

test('when the oldest has ended, the next oldest goes on, and no other', () => {
  const budget = new ReceiveBudget(100);
  const holders = Array.from({ length: 4 }, () => new Holder(budget));
  for (const holder of holders) holder.hold(90);
  assert.deepEqual(
    holders.map(({ mayGoOn }) => mayGoOn),
    [true, false, false, false],
  );
  holders[0]?.hold(0);
  assert.deepEqual(
    holders.map(({ mayGoOn }) => mayGoOn),
    [true, true, false, false],
  );
});

test('what leaves counts until it is gone, and is not the one that the others wait for', () => {
  const budget = new ReceiveBudget(100);
  const [a, b, c] = [new Holder(budget), new Holder(budget), new Holder(budget)];
  a.hold(90);
  b.hold(90);
  c.hold(90);
  assert.deepEqual([a.mayGoOn, b.mayGoOn, c.mayGoOn], [true, false, false]);
  budget.leave(a, 90);
  assert.deepEqual([b.mayGoOn, c.mayGoOn], [true, false], 'the next oldest goes on, and no other');
  b.hold(5, true);
  assert.equal(c.mayGoOn, true);
  assert.equal(b.hold(10, true), false, '90 that leave, 90 and 10');
  budget.leave(a, 0);
  assert.equal(b.mayGoOn, true);
  budget.gone(a);
  budget.leave(c, 100);
  assert.equal(b.hold(6, true), true, 'it is the oldest');
  const d = new Holder(budget);
  assert.equal(d.hold(1), false);
  budget.gone(c);
  assert.equal(d.mayGoOn, true);
});
