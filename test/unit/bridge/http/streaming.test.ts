import { NO_TOKEN, type DeliveryToken } from '../../../../node/core/delivery-token.ts';
import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import fc from 'fast-check';
import { AutoSettler } from '../../../../bridge/http/auto-settler.ts';
import { CreditWindow } from '../../../../bridge/http/credit-window.ts';
import { chooseKept } from '../../../../bridge/http/stream-routes.ts';
import { LIMITS } from '../../../../node/core/limits.ts';
import { parseSubscription } from '../../../../node/core/subscription.ts';
import { FakeFrontDoor } from '../../../support/front-door.ts';

suite('credit', () => {
  test('doubles while the client takes all it may have, up to 256 events', () => {
    const window = new CreditWindow();
    let granted = window.initial;
    const sizes: number[] = [];
    for (let round = 0; round < 10; round++) {
      window.delivered(granted, granted * 100);
      granted = window.refill();
      sizes.push(granted);
    }
    assert.deepEqual(sizes, [2, 4, 8, 16, 32, 64, 128, 256, 256, 256]);
  });

  test('begins with one event, since nobody knows yet how large they are', () => {
    assert.equal(new CreditWindow().initial, 1);
  });

  test('shrinks to one event when events are as large as they may be', () => {
    const window = new CreditWindow();
    window.delivered(window.initial, window.initial * LIMITS.eventBytesMax);
    assert.equal(window.refill(), 1);
  });

  test('never lets more come than its bound, whatever the sizes', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 300 }),
        fc.array(fc.tuple(fc.integer({ min: 1, max: 50 }), fc.nat(2_000_000))),
        (max, steps) => {
          const window = new CreditWindow(max);
          let outstanding = window.initial;
          for (const [events, bytes] of steps) {
            const delivered = Math.min(events, outstanding);
            outstanding -= delivered;
            window.delivered(delivered, bytes);
            outstanding += window.refill();
            assert.ok(outstanding >= 1 && outstanding <= Math.min(max, 256));
          }
        },
      ),
    );
  });
});

suite('settling for a client', () => {
  test('goes in order, one write at a time, and keeps the newest', async () => {
    const written: DeliveryToken[][] = [];
    const done: (() => void)[] = [];
    const token = (index: number): DeliveryToken => ({ ...NO_TOKEN, queue: 1, index });
    const [a, b, c, d, e] = [token(1), token(2), token(3), token(4), token(5)];
    const settler = new AutoSettler(
      () => 2,
      (settlements) => {
        written.push(settlements.map(({ token }) => token));
        return new Promise<void>((resolve) => done.push(resolve));
      },
      () => assert.fail(),
    );
    settler.flushed([a, b]);
    settler.flushed([c, d]);
    settler.flushed([e]);
    assert.deepEqual(written, [[a, b]]);
    done[0]?.();
    await Promise.resolve();
    assert.deepEqual(written, [[a, b], [c]]);
    settler.stop();
    settler.flushed([token(6), token(7), token(8)]);
    done[1]?.();
    await Promise.resolve();
    assert.equal(written.length, 2);
  });

  test('says so once when it fails, and settles no more', async () => {
    const failures: unknown[] = [];
    const settler = new AutoSettler(
      () => 0,
      () => Promise.reject(new Error('disk')),
      (error) => failures.push(error),
    );
    settler.flushed([NO_TOKEN]);
    await new Promise(setImmediate);
    settler.flushed([NO_TOKEN]);
    await new Promise(setImmediate);
    assert.equal(failures.length, 1);
  });

  test('what is kept is half the in-flight limit, shared among sessions; nothing where order is asked for', async () => {
    const door = new FakeFrontDoor();
    const nobody = { deliver: () => undefined, closed: () => undefined };
    await door.putSubscription(
      parseSubscription('a', { topic: 'a', delivery: { maxInFlight: 100 } }, LIMITS),
    );
    await door.putSubscription(parseSubscription('o', { topic: 'a', delivery: { ordered: true } }, LIMITS));
    door.attach('a', { credit: 1 }, nobody);
    assert.equal(chooseKept(door, 'a'), 50);
    door.attach('a', { credit: 1 }, nobody);
    assert.equal(chooseKept(door, 'a'), 25);
    assert.equal(chooseKept(door, 'o'), 0);
    assert.equal(chooseKept(door, 'gone'), Infinity);
  });
});
