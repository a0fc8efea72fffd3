import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DeliveryToken } from '../../node/core/delivery-token.ts';
import { storedEvent } from '../support/events.ts';
import type { Received } from './history.ts';
import { placeOf } from './place.ts';
import { Rejections } from './rejections.ts';

const event = storedEvent({ cloudEvent: Buffer.from('e1 and what it carries') });
const { origin, incarnation, sequence, key } = event;
const token: DeliveryToken = { queue: 2, block: 70_000, index: 3, attempt: 2, session: undefined };
const place = placeOf(token);
const FIRST: Received = { id: 'e1', at: 10, origin, incarnation, sequence, key, place, isRedriven: false };

/** Rejected at 20 by `billing` on a0, which had got it at 10. */
function rejected(again: readonly Received[] = [], settled: readonly string[] = []): Rejections {
  const rejections = new Rejections();
  const by = { name: 'billing', mesher: 'a0', servedBy: '', received: [FIRST, ...again] };
  rejections.add({ ...by, settled: new Set(settled) }, { event, token, attempt: 2 }, 20);
  return rejections;
}

/** Why each is no dead letter; a0 said that what lay at `where` has expired. */
function found(rejections: Rejections, where = place): (string | undefined)[] {
  return rejections
    .undead((mesher, asked) => (mesher === 'a0' && asked === where ? 'expired' : undefined))
    .map(({ left }) => left);
}

test('what was rejected is accounted for as a dead letter, when it comes again, or when it was acked as well', () => {
  const dead = rejected();
  dead.deadLetter('billing', event);
  assert.deepEqual(found(dead), []);
  assert.deepEqual(found(rejected([{ ...FIRST, at: 30 }])), []);
  const acked = rejected();
  acked.taken('billing', event);
  assert.deepEqual(found(acked), []);
});

test('what was rejected, and never confirmed, may have left its queue for a reason that was told of that very place', () => {
  assert.deepEqual(found(rejected()), ['expired']);
  assert.deepEqual(found(rejected(), placeOf({ ...token, index: 4 })), [undefined]);
});

test('no other reason counts once the rejection was confirmed, and no dead letter of another subscription', () => {
  assert.deepEqual(found(rejected([], [place])), [undefined]);
  const other = rejected([], [place]);
  other.deadLetter('shipping', event);
  assert.deepEqual(found(other), [undefined]);
});
