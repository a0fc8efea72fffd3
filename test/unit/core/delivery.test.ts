import assert from 'node:assert/strict';
import { test } from 'node:test';
import { IN_FLIGHT_FEW } from '../../../node/core/delivery.ts';
import { DELIVERY_DEFAULTS } from '../../../node/core/subscription.ts';
import { storedEvent } from '../../support/events.ts';
import { DeliveryBench } from './delivery-bench.ts';

test('events are delivered in the order in which they were stored, when they are on disk and not before', () => {
  const bench = new DeliveryBench();
  bench.attach(1);
  bench.store();
  bench.store();
  bench.flush();
  assert.deepEqual(bench.sequences(), []);
  bench.appended();
  assert.deepEqual(bench.sequences(), [1, 2]);
});

test('a stream gets no more than it granted', () => {
  const bench = new DeliveryBench();
  bench.attach(1, 2);
  bench.publish(5);
  assert.deepEqual(bench.sequences(), [1, 2]);
  bench.delivery.grant(1, 2);
  bench.delivery.pump(bench.now);
  assert.deepEqual(bench.sequences(), [3, 4]);
});

test('no more is in flight over all consumers than the subscription allows', () => {
  const bench = new DeliveryBench({ maxInFlight: 3 });
  bench.attach(1);
  bench.attach(2);
  bench.publish(10);
  bench.pull(9);
  const held = bench.take();
  assert.equal(held.length, 3);
  bench.ack(held[0]?.token ?? '');
  assert.equal(bench.take().length, 1);
  assert.equal(bench.delivery.state().inFlight, 3);
});

test('several streams share the events', () => {
  const bench = new DeliveryBench();
  bench.attach(1, 10);
  bench.attach(2, 10);
  for (let i = 0; i < 10; i++) bench.publish(1);
  const to = bench.take().map((each) => each.to);
  for (const session of ['session 1', 'session 2'])
    assert.equal(to.filter((one) => one === session).length, 5);
});

test('what a stream held when it closed is delivered first, in order, with no failure counted', () => {
  const bench = new DeliveryBench({ retries: 0 });
  bench.attach(1, 3);
  bench.publish(5);
  bench.take();
  bench.detach(1);
  bench.attach(2);
  const again = bench.take();
  assert.deepEqual(
    again.map(({ sequence, attempt }) => [sequence, attempt]),
    [
      [1, 2],
      [2, 2],
      [3, 2],
      [4, 1],
      [5, 1],
    ],
  );
  assert.deepEqual(bench.deadLetters, []);
});

test('what several streams held is returned in the order of the queue, whichever closed first', () => {
  for (const [first, second] of [
    [1, 2],
    [2, 1],
  ] as const) {
    const bench = new DeliveryBench();
    bench.attach(1, 2);
    bench.publish(2);
    bench.attach(2, 2);
    bench.publish(2);
    bench.take();
    bench.detach(first);
    bench.detach(second);
    bench.attach(3);
    assert.deepEqual(bench.sequences(), [1, 2, 3, 4]);
  }
});

test('a pulled event that is not settled in time comes again, after a pause that doubles', () => {
  const bench = new DeliveryBench({ ackTimeoutMs: 1_000, backoffMs: 100, retries: 5 });
  bench.publish(1);
  const waits: number[] = [];
  for (let attempt = 1; attempt <= 4; attempt++) {
    bench.pull(attempt, 10, 100_000);
    let waited = 0;
    while (bench.delivered.length === 0) {
      bench.pass(5);
      waited += 5;
    }
    assert.equal(bench.take()[0]?.attempt, attempt);
    if (attempt > 1) waits.push(waited);
    bench.pass(1_000);
  }
  waits.forEach((waited, i) => {
    const nominal = 100 * 2 ** i;
    assert.ok(waited >= nominal * 0.5 && waited <= nominal + 5, `${waited} ms before retry ${i + 1}`);
  });
});

test('a stream may hold an event as long as it likes', () => {
  const bench = new DeliveryBench({ ackTimeoutMs: 100 });
  bench.attach(1);
  bench.publish(1);
  const [held] = bench.take();
  bench.pass(1_000_000);
  assert.deepEqual(bench.take(), []);
  assert.deepEqual(bench.ack(held?.token ?? ''), []);
});

test('after its retries an event goes to the dead letters, with the reason and the number of attempts', () => {
  const bench = new DeliveryBench({ retries: 2, backoffMs: 0 });
  bench.attach(1);
  bench.publish(1);
  for (let i = 0; i < 3; i++) {
    const [held] = bench.take();
    assert.equal(held?.attempt, i + 1);
    bench.retry(held.token);
    bench.pass(1);
  }
  assert.deepEqual(bench.take(), []);
  assert.deepEqual(
    bench.deadLetters.map(({ event, reason }) => [event.sequence, reason]),
    [[1, 'retry after 3 attempts']],
  );
  assert.equal(bench.counters.total('events_dead_lettered_total', 'retries-exhausted'), 1);
  bench.settleDisk();
  assert.deepEqual(bench.onDisk(), []);
});

test('a rejected event goes to the dead letters at once', () => {
  const bench = new DeliveryBench();
  bench.attach(1);
  bench.publish(2);
  bench.reject(bench.take()[0]?.token ?? '');
  assert.equal(bench.deadLetters[0]?.reason, 'rejected: no');
  bench.settleDisk();
  assert.deepEqual(bench.onDisk(), [2]);
});

test('what could not be decoded is a dead letter at once, and counted apart', () => {
  const bench = new DeliveryBench();
  bench.attach(1);
  bench.publish(2);
  const [first] = bench.take();
  const reject = { kind: 'reject', reason: 'cut short', undecodable: true } as const;
  assert.deepEqual(
    bench.settle(first?.token ?? '', (token) => ({ ...reject, token })),
    [],
  );
  assert.equal(bench.deadLetters[0]?.reason, 'undecodable: cut short');
  assert.equal(bench.counters.total('events_dead_lettered_total', 'undecodable'), 1);
  assert.equal(bench.counters.total('events_dead_lettered_total', 'rejected'), 0);
});

test('a retry with a delay comes after it, not before', () => {
  const bench = new DeliveryBench();
  bench.attach(1);
  bench.publish(1);
  bench.retry(bench.take()[0]?.token ?? '', 5_000);
  bench.pass(4_999);
  assert.deepEqual(bench.sequences(), []);
  bench.pass(1);
  assert.deepEqual(bench.sequences(), [1]);
});

test('when dead-lettering makes room, waiting consumers get the next events', () => {
  const bench = new DeliveryBench({ maxInFlight: 1, retries: 0, ackTimeoutMs: 100 });
  bench.publish(2);
  bench.pull(1);
  assert.deepEqual(bench.sequences(), [1]);
  bench.attach(1);
  bench.pass(100);
  assert.deepEqual(bench.sequences(), [2]);
});

test('expired events are dropped and counted, not delivered', () => {
  const bench = new DeliveryBench();
  bench.publish(2, { expiresAt: bench.now.wall + 1_000 });
  bench.publish(1);
  bench.pass(1_000);
  bench.attach(1);
  assert.deepEqual(bench.sequences(), [3]);
  assert.equal(bench.counters.total('events_dropped_total', 'expired'), 2);
  bench.settleDisk();
  assert.deepEqual(bench.onDisk(), [3]);
});

test('tokens that name nothing, or another attempt, are reported; the others are settled', () => {
  const bench = new DeliveryBench({ backoffMs: 0 });
  bench.attach(1);
  bench.publish(2);
  const [one, two] = bench.take();
  assert.ok(one && two);
  bench.retry(one.token);
  bench.pass(1);
  const [again] = bench.take();
  assert.ok(again);
  assert.deepEqual(bench.retry(one.token), [one.token], 'a retry of an attempt that is over');
  assert.deepEqual(bench.reject(one.token), [one.token]);
  const unknown = ['', 'x', '7.1.99.1', '8.1.0.1', '7.zzzz.0.1', 'ü.1.1.1', '7.1.0.1.1.1', '7._.5.1'];
  assert.deepEqual(bench.ack(...unknown, two.token), unknown);
  assert.deepEqual(bench.ack(two.token), [two.token], 'settled already');
  assert.deepEqual(bench.ack(one.token), [], 'an ack counts for whichever attempt');
  bench.settleDisk();
  assert.deepEqual(bench.onDisk(), []);
});

test('an ack that comes after the time-out still counts', () => {
  const bench = new DeliveryBench({ ackTimeoutMs: 100, backoffMs: 10_000 });
  bench.publish(1);
  bench.pull(1);
  const [held] = bench.take();
  bench.pass(200);
  assert.deepEqual(bench.ack(held?.token ?? ''), []);
  bench.pull(2);
  bench.pass(20_000);
  assert.deepEqual(bench.sequences(), []);
  assert.equal(bench.queue.depth, 0);
});

test('a token outlives a restart', () => {
  const bench = new DeliveryBench();
  bench.attach(1, 3);
  bench.publish(3);
  const held = bench.take();
  bench.crash();
  bench.attach(2, 1);
  bench.settleDisk();
  assert.deepEqual(bench.sequences(), [1]);
  assert.deepEqual(bench.ack(held[1]?.token ?? ''), []);
  bench.settleDisk();
  assert.deepEqual(bench.onDisk(), [1, 3]);
});

test('a client that resumes is not sent again what it has', () => {
  const bench = new DeliveryBench();
  bench.attach(1);
  bench.publish(5);
  const held = bench.take();
  bench.detach(1);
  bench.attach(2, 1_000, held[2]?.token);
  assert.deepEqual(bench.sequences(), [4, 5]);
  assert.equal(bench.counters.total('events_settled_total', 'resume'), 3);
  bench.settleDisk();
  assert.deepEqual(bench.onDisk(), [4, 5]);
});

test('who resumes settles nothing that was handed to another, whoever comes back first', () => {
  for (const ordered of [false, true]) {
    const bench = new DeliveryBench({ ordered });
    bench.attach(1, 3);
    bench.publish(3);
    bench.attach(2, 3);
    bench.publish(3);
    const held = bench.take();
    bench.detach(1);
    bench.detach(2);
    bench.attach(3, 1_000, held[5]?.token);
    assert.deepEqual(bench.sequences(), [1, 2, 3]);
    bench.settleDisk();
    assert.deepEqual(bench.onDisk(), [1, 2, 3]);
  }
});

test('another consumer that came meanwhile does not keep a client from resuming', () => {
  const bench = new DeliveryBench();
  bench.attach(1, 4);
  bench.publish(4);
  const held = bench.take();
  bench.detach(1);
  bench.attach(2, 1);
  assert.deepEqual(bench.sequences(), [1]);
  bench.attach(3, 10, held[2]?.token);
  assert.deepEqual(bench.sequences(), [4], '1 is with the other, 2 and 3 are settled');
});

test('what was handed out again since is not settled: to whom it got is not known', () => {
  const bench = new DeliveryBench();
  bench.attach(1, 3);
  bench.publish(3);
  const held = bench.take();
  bench.detach(1);
  bench.attach(2, 3);
  bench.take();
  bench.detach(2);
  bench.attach(3, 10, held[2]?.token);
  assert.deepEqual(bench.sequences(), [1, 2, 3]);
});

test('after a restart a client gets what was not settled again, since nobody knows what it was handed', () => {
  const bench = new DeliveryBench({}, { blockEventsMax: 2, queueWindowEvents: 4 });
  bench.attach(1);
  bench.publish(9);
  const { token } = bench.take()[4] ?? {};
  bench.crash();
  bench.attach(2, 1_000, token);
  bench.settleDisk();
  assert.deepEqual(bench.sequences(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  bench.detach(2);
  // the same event in its first attempt, as the token says, but of another session
  bench.attach(3, 1_000, token);
  bench.settleDisk();
  assert.equal(bench.sequences().length, 9);
});

test('a retry of an event that was handed to another session is stale, in the same attempt, too', () => {
  const bench = new DeliveryBench();
  bench.attach(1);
  bench.publish(1);
  const { token = '' } = bench.take()[0] ?? {};
  bench.crash();
  bench.attach(2);
  bench.settleDisk();
  assert.equal(bench.take()[0]?.attempt, 1);
  assert.deepEqual(bench.retry(token), [token]);
  assert.deepEqual(bench.ack(token), []);
});

test('an event that was retried is not settled by who resumes after a later one', () => {
  const bench = new DeliveryBench();
  bench.attach(1);
  bench.publish(3);
  const held = bench.take();
  bench.retry(held[0]?.token ?? '', 100);
  bench.detach(1);
  bench.attach(2, 10, held[2]?.token);
  assert.deepEqual(bench.sequences(), []);
  bench.pass(100);
  assert.deepEqual(bench.sequences(), [1]);
});

test('the token of a pull resumes nothing', () => {
  const bench = new DeliveryBench();
  bench.publish(2);
  bench.pull(1, 2);
  const held = bench.take();
  bench.attach(1, 10, held[1]?.token);
  bench.pass(100_000);
  bench.pass(100_000);
  assert.deepEqual(new Set(bench.sequences()), new Set([1, 2]));
});

test('who resumes while its old session is still there settles nothing', () => {
  const bench = new DeliveryBench();
  bench.attach(1, 2);
  bench.publish(4);
  const held = bench.take();
  bench.attach(2, 1, held[1]?.token);
  bench.detach(1);
  bench.delivery.grant(2, 10);
  bench.delivery.pump(bench.now);
  assert.deepEqual(
    bench.sequences().sort((a, b) => a - b),
    [1, 2, 3, 4],
  );
});

test('where order is kept, who resumes is still sent what was parked behind a key', () => {
  const bench = new DeliveryBench({ ordered: true });
  bench.attach(1);
  for (const key of ['a', 'a', 'b']) bench.store({ key });
  bench.settleDisk();
  const held = bench.take();
  assert.deepEqual(
    held.map(({ sequence }) => sequence),
    [1, 3],
  );
  bench.detach(1);
  bench.attach(2, 1_000, held[1]?.token);
  assert.deepEqual(bench.sequences(), [2]);
  assert.equal(bench.counters.total('events_settled_total', 'resume'), 2);
});

test('a token of another queue resumes nothing', () => {
  const bench = new DeliveryBench();
  bench.publish(2);
  bench.attach(1, 10, '6.zzz.0.1');
  assert.deepEqual(bench.sequences(), [1, 2]);
});

test('a pull waits for events, takes what there is, and ends empty when its time is over', () => {
  const bench = new DeliveryBench();
  bench.pull(1, 10, 1_000);
  assert.equal(bench.replies.length, 0);
  bench.publish(2);
  assert.deepEqual(
    bench.replies.map(({ request, deliveries }) => [request, deliveries.length]),
    [[1, 2]],
  );
  bench.pull(2, 10, 1_000);
  bench.pass(999);
  assert.equal(bench.replies.length, 1);
  bench.pass(1);
  assert.deepEqual(bench.replies[1], { request: 2, deliveries: [] });
});

test('beyond the first thousand no more bytes are in flight over all consumers than a subscription may have there', () => {
  const { bytes } = storedEvent({ bytes: 16, sequence: 1 });
  const most = IN_FLIGHT_FEW + 5;
  const bench = new DeliveryBench(
    { ackTimeoutMs: 1_000, backoffMs: 1 },
    { inFlightBytesMax: (most - 1) * bytes + 1 },
  );
  bench.attach(1, 5_000);
  bench.publish(most + 5);
  const handed = bench.take();
  assert.deepEqual([handed.length, handed.at(-1)?.sequence], [most, most]);
  bench.ack(handed[0]?.token ?? '');
  assert.deepEqual(bench.sequences(), [most + 1], 'what is acked makes room');
  bench.detach(1);
  bench.pull(1, 5_000);
  assert.equal(bench.sequences().length, most, 'and what its consumer has no more');
  bench.pass(1_000);
  bench.pass(100);
  bench.pull(2, 5_000);
  assert.equal(bench.sequences().length, most, 'and what was not acked in time');

  const large = new DeliveryBench({}, { inFlightBytesMax: 1 });
  large.attach(1, 5_000);
  large.publish(IN_FLIGHT_FEW + 1);
  assert.equal(large.sequences().length, IN_FLIGHT_FEW, 'a thousand are handed out, however large');
});

test('a short pull behind a long one ends in its own time', () => {
  const bench = new DeliveryBench();
  bench.pull(1, 10, 30_000);
  bench.pull(2, 10, 1_000);
  bench.pass(1_000);
  assert.deepEqual(
    bench.replies.map(({ request }) => request),
    [2],
  );
  bench.publish(1);
  assert.deepEqual(
    bench.replies.map(({ request }) => request),
    [2, 1],
  );
});

test('a pull that was cancelled takes nothing', () => {
  const bench = new DeliveryBench();
  bench.pull(1, 10, 30_000);
  assert.equal(bench.delivery.cancelPull(1), true);
  assert.equal(bench.delivery.cancelPull(1), false);
  bench.publish(1);
  assert.deepEqual(bench.sequences(), []);
});

test('many late acks, known and unknown, are found wherever their events wait, in one pass', () => {
  const bench = new DeliveryBench({ maxInFlight: 50_000, backoffMs: 60_000, ackTimeoutMs: 100 });
  bench.publish(2_000);
  bench.pull(1, 500);
  bench.settleDisk();
  bench.pass(100);
  const timedOut = bench.take();
  bench.attach(1, 800);
  bench.settleDisk();
  bench.detach(1);
  const given = bench.take();
  bench.settleDisk();
  const late = [...timedOut, ...given].map(({ token }) => token);
  const inWindow = bench.delivery.state().depth;
  const unknown = Array.from({ length: 100 }, (_, i) => `7.zz.${i.toString(36)}.1`);
  assert.deepEqual(bench.ack(...unknown, ...late, ...late), [...unknown, ...late]);
  assert.equal(bench.delivery.state().depth, inWindow - late.length);
  bench.attach(2, 10_000);
  bench.settleDisk();
  const rest = bench.sequences();
  assert.deepEqual(
    rest,
    Array.from({ length: 2_000 - late.length }, (_, i) => i + 1 + late.length),
    'and what was not acked keeps its order',
  );
});

test('10,000 unknown tokens cost one pass over what waits, not one each', () => {
  const bench = new DeliveryBench({ maxInFlight: 50_000 });
  bench.attach(1, 50_000);
  bench.publish(50_000);
  bench.detach(1);
  bench.take();
  const takes = (count: number): number => {
    const unknown = Array.from({ length: count }, (_, i) => `7.zz.${i.toString(36)}.1`);
    const startedAt = performance.now();
    assert.equal(bench.ack(...unknown).length, count);
    return performance.now() - startedAt;
  };
  const once = Math.max(1, ...[9, 9, 9].map(takes));
  const times = takes(10_000) / once;
  assert.ok(times < 100, `${times} times as long as one pass`);
});

test('only what has something due at a time wants to be ticked', () => {
  const bench = new DeliveryBench({ ackTimeoutMs: 100, backoffMs: 100 });
  const timed = (): number => {
    bench.pass(0);
    return bench.timed.size;
  };
  bench.attach(1, 2);
  bench.publish(2);
  assert.equal(timed(), 0, 'a stream has no time-out');
  const held = bench.take();
  bench.retry(held[0]?.token ?? '');
  assert.equal(timed(), 1, 'a retry is due');
  bench.detach(1);
  bench.pull(1, 10, 1_000);
  bench.pass(200);
  assert.equal(timed(), 1, 'what was pulled times out');
  bench.ack(...bench.take().map(({ token }) => token), ...held.map(({ token }) => token));
  assert.equal(timed(), 0);
  bench.pull(2, 10, 1_000);
  assert.equal(timed(), 1, 'a pull waits');
  assert.equal(bench.pulls.get(2)?.cancelPull(2), true);
  assert.equal(timed(), 0);
  assert.equal(bench.pulls.size, 0);
  bench.pull(3, 10, 1_000);
  bench.delivery.close('deleted');
  assert.deepEqual([bench.timed.size, bench.pulls.size], [0, 0]);
});

// ─────────────────────────────────────────────────────────── order by key

test('events of one key are delivered one after the other; others pass them', () => {
  const bench = new DeliveryBench({ ordered: true });
  bench.attach(1);
  for (const key of ['a', 'a', 'b', 'a', '', '']) bench.store({ key });
  bench.settleDisk();
  const held = bench.take();
  assert.deepEqual(
    held.map(({ sequence }) => sequence),
    [1, 3, 5, 6],
  );
  bench.ack(held[0]?.token ?? '');
  assert.deepEqual(bench.sequences(), [2]);
});

test('an event that is retried holds its key', () => {
  const bench = new DeliveryBench({ ordered: true });
  bench.attach(1);
  bench.publish(2, { key: 'a' });
  bench.retry(bench.take()[0]?.token ?? '', 1_000);
  assert.deepEqual(bench.sequences(), []);
  bench.pass(1_000);
  assert.deepEqual(bench.sequences(), [1]);
});

test('an event that was given back by a closed stream holds its key', () => {
  const bench = new DeliveryBench({ ordered: true });
  bench.attach(1, 2);
  bench.publish(3, { key: 'a' });
  bench.publish(1, { key: 'b' });
  bench.take();
  bench.detach(1);
  bench.attach(2);
  const held = bench.take();
  assert.deepEqual(
    held.map(({ sequence }) => sequence),
    [1, 4],
  );
  bench.ack(held[0]?.token ?? '');
  assert.deepEqual(bench.sequences(), [2]);
});

test('an expired event does not free the key that another holds', () => {
  const bench = new DeliveryBench({ ordered: true });
  bench.attach(1, 1);
  bench.publish(1, { key: 'a' });
  bench.publish(1, { key: 'a', expiresAt: bench.now.wall + 10 });
  bench.publish(1, { key: 'a' });
  bench.pass(20);
  bench.delivery.grant(1, 10);
  bench.delivery.pump(bench.now);
  assert.deepEqual(bench.sequences(), [1]);
});

test('a late ack of an event further back does not free the key that another holds', () => {
  const bench = new DeliveryBench({ ordered: true });
  bench.publish(3, { key: 'a' });
  bench.replace({ ordered: false });
  bench.attach(1, 2);
  const held = bench.take();
  bench.crash();
  bench.replace({ ordered: true });
  bench.attach(2, 1);
  bench.settleDisk();
  assert.deepEqual(bench.sequences(), [1]);
  bench.ack(held[1]?.token ?? '');
  bench.delivery.grant(2, 10);
  bench.delivery.pump(bench.now);
  assert.deepEqual(bench.sequences(), []);
});

test('new settings keep what is parked, in its order', () => {
  const bench = new DeliveryBench({ ordered: true });
  bench.attach(1, 10);
  bench.publish(4, { key: 'a' });
  assert.deepEqual(bench.sequences(), [1]);
  bench.detach(1);
  bench.replace({ maxInFlight: 50 });
  bench.attach(2, 10);
  for (const expected of [1, 2, 3, 4]) {
    const [held, more] = bench.take();
    assert.equal(held?.sequence, expected);
    assert.equal(more, undefined);
    bench.ack(held.token);
  }
});

test('where order is no longer asked for, what was parked goes out', () => {
  const bench = new DeliveryBench({ ordered: true });
  bench.attach(1, 10);
  bench.publish(4, { key: 'a' });
  bench.take();
  bench.replace({ ordered: false });
  assert.deepEqual(bench.sequences(), [2, 3, 4]);
});

test('where order is asked for while several of a key are out, the next waits for all of them', () => {
  const bench = new DeliveryBench();
  bench.attach(1, 2);
  bench.publish(3, { key: 'a' });
  const held = bench.take();
  bench.replace({ ordered: true });
  bench.delivery.grant(1, 10);
  bench.ack(held[0]?.token ?? '');
  assert.deepEqual(bench.sequences(), []);
  bench.ack(held[1]?.token ?? '');
  assert.deepEqual(bench.sequences(), [3]);
});

test('a shorter ack time-out holds for what is pulled from then on', () => {
  const bench = new DeliveryBench({ ackTimeoutMs: 3_600_000, backoffMs: 0 });
  bench.publish(2);
  bench.pull(1, 1);
  bench.replace({ ackTimeoutMs: 100 });
  bench.pull(2, 1);
  assert.deepEqual(bench.sequences(), [1, 2]);
  bench.pull(3, 10, 10_000);
  bench.pass(100);
  bench.pass(1);
  assert.deepEqual(bench.sequences(), [2]);
});

// ─────────────────────────────────────────────────────────── bounds

test('a queue at its limit gives up the oldest that nobody has in hand', () => {
  const bench = new DeliveryBench({ queueEventsMax: 5, whenFull: 'drop-oldest' });
  bench.attach(1, 2);
  bench.publish(2);
  const held = bench.take();
  assert.equal(held.length, 2);
  bench.publish(8);
  assert.equal(bench.queue.depth, 5);
  assert.equal(bench.counters.total('events_dropped_total', 'queue-limit'), 5);
  bench.delivery.grant(1, 100);
  bench.delivery.pump(bench.now);
  assert.deepEqual(bench.sequences(), [8, 9, 10]);
  bench.ack(...held.map(({ token }) => token));
  bench.settleDisk();
  assert.deepEqual(bench.onDisk(), [8, 9, 10]);
});

test('blocks on disk that were never read are given up unread', () => {
  const bench = new DeliveryBench({}, { blockEventsMax: 10, queueWindowEvents: 10 });
  bench.publish(100);
  bench.replace({ queueEventsMax: 30, whenFull: 'drop-oldest' });
  bench.settleDisk();
  assert.equal(bench.queue.depth, 30);
  bench.attach(1, 1_000);
  bench.settleDisk();
  assert.deepEqual(
    bench.sequences(),
    Array.from({ length: 30 }, (_, i) => 71 + i),
  );
});

test('a backlog of 100,000 events is read as it is consumed, a window at a time', () => {
  const bench = new DeliveryBench({ maxInFlight: 100 });
  for (let i = 0; i < 100_000; i++) {
    bench.store();
    if (i % 5_000 === 0) bench.settleDisk();
  }
  bench.settleDisk();
  assert.equal(bench.queue.depth, 100_000);
  const { queueWindowEvents, blockEventsMax } = bench.limits;
  const most = queueWindowEvents * 1.5 + blockEventsMax;
  let widest = bench.queue.ready;
  let expected = 1;
  bench.attach(1, 1_000_000);
  while (expected <= 100_000) {
    bench.settleDisk();
    widest = Math.max(widest, bench.queue.ready);
    const held = bench.take();
    assert.ok(held.length > 0, `nothing came after ${expected - 1}`);
    for (const { sequence } of held) assert.equal(sequence, expected++);
    assert.deepEqual(bench.ack(...held.map(({ token }) => token)), []);
  }
  assert.ok(widest <= most, `${widest} events were in memory, at most ${most} may be`);
  assert.equal(bench.queue.depth, 0);
  bench.settleDisk();
  assert.deepEqual([bench.onDisk(), bench.disk.blocks.size, bench.commits.blocks], [[], 0, 0]);
});

test('one key with a long tail does not fill the memory', () => {
  const bench = new DeliveryBench({ ordered: true }, { blockEventsMax: 10, queueWindowEvents: 20 });
  bench.publish(500, { key: 'a' });
  bench.attach(1, 1_000);
  bench.settleDisk();
  const got: number[] = [];
  for (;;) {
    const [held, more] = bench.take();
    if (!held) break;
    assert.equal(more, undefined);
    got.push(held.sequence);
    bench.ack(held.token);
    bench.settleDisk();
  }
  assert.deepEqual(
    got,
    Array.from({ length: 500 }, (_, i) => i + 1),
  );
});

test('closing tells every consumer', () => {
  const bench = new DeliveryBench();
  bench.attach(1);
  bench.pull(2, 1, 1_000);
  bench.delivery.close('deleted');
  assert.deepEqual(bench.replies, [{ request: 2, deliveries: [] }]);
  assert.deepEqual(bench.delivery.sessionIds(), []);
});

test('the state says how much waits, is out, and since when', () => {
  const bench = new DeliveryBench();
  const [, second] = bench.publish(3);
  bench.attach(1, 1);
  const state = bench.delivery.state();
  assert.deepEqual(
    { ...state, subscription: state.subscription.delivery },
    {
      subscription: DELIVERY_DEFAULTS,
      depth: 3,
      inFlight: 1,
      sessions: 1,
      oldestAcceptedAt: second?.acceptedAt,
    },
  );
});
