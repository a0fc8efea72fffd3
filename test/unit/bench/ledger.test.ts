import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Ledger } from '../../bench/durable/ledger.ts';

function ledgerOf(...numbers: readonly number[]): Ledger {
  const ledger = new Ledger();
  for (const n of numbers) ledger.note(n);
  return ledger;
}

test('a ledger holds all when every number arrived, in any order', () => {
  assert.equal(ledgerOf(2, 0, 1).holdsAll(3), true);
  assert.equal(ledgerOf().holdsAll(0), true);
});

test('a number that came twice does not stand for one that is missing', () => {
  const ledger = ledgerOf(0, 2, 2);
  assert.equal(ledger.holdsAll(3), false);
  assert.equal(ledger.distinct, 2);
  assert.equal(ledger.duplicates, 1);
  assert.equal(ledger.describeMissing(3), '1 of 3 have not arrived: 1 …');
});

test('a number that nobody published is an error, not an arrival', () => {
  assert.throws(() => ledgerOf(0, 1, 7).holdsAll(3), /number 7 arrived, of 3/);
});

test('numbers beyond what there was room for are kept, and the others with them', () => {
  const ledger = ledgerOf(5, 1_000_000, 5);
  assert.equal(ledger.distinct, 2);
  assert.equal(ledger.duplicates, 1);
  assert.match(ledger.describeMissing(8), /: 0, 1, 2, 3, 4, 6, 7 …$/);
});

test('a number that comes more often than a byte counts is still a duplicate each time', () => {
  const ledger = ledgerOf(...Array.from({ length: 300 }, () => 0));
  assert.equal(ledger.duplicates, 299);
  assert.equal(ledger.distinct, 1);
});

test('a ledger tells the first arrival of a number from later ones', () => {
  const ledger = new Ledger();
  assert.deepEqual([ledger.note(3), ledger.note(3), ledger.note(1)], [true, false, true]);
});
