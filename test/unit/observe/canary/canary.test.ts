import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { NewEvent, StoredEvent } from '../../../../node/core/event.ts';
import { Canary, type CanaryTarget } from '../../../../node/observe/canary/canary.ts';
import type { SavedPair } from '../../../../node/observe/canary/pair-record.ts';
import { canaryEvent, readCanary } from '../../../../node/observe/canary/probe.ts';

const EVERY_MS = 1_000;
const B: CanaryTarget = { cluster: 'b', isOurs: true, isLinked: true, listens: true };

/** A mesher of cluster `a` with a canary, and what it publishes. */
class Stand {
  readonly published: NewEvent[] = [];
  readonly said: string[] = [];
  readonly canary: Canary;
  readonly listening = new Map<string, (events: readonly StoredEvent[]) => void>();
  saved: Readonly<Record<string, SavedPair>> = {};
  targets: CanaryTarget[] = [B];
  refuses = false;
  now = 0;
  readonly #t: TestContext;

  constructor(t: TestContext, saved: Readonly<Record<string, SavedPair>> = {}) {
    this.#t = t;
    const say = (_fields: object, message: string): void => void this.said.push(message);
    this.canary = new Canary(
      { node: 'a1', cluster: 'a', everyMs: EVERY_MS },
      {
        clock: { wall: () => 1_700_000_000_000 + this.now, monotonic: () => this.now },
        random: () => 0.5,
        targets: () => this.targets,
        clusterOf: (node) => (node === 'stranger' ? undefined : node.charAt(0)),
        publish: (event) => {
          this.published.push(event);
          return this.refuses ? Promise.reject(new Error('disk-full')) : Promise.resolve();
        },
        listen: (filter, group, take) => {
          this.listening.set(`${filter} ${group}`, take);
          return () => void this.listening.delete(`${filter} ${group}`);
        },
        save: (record) => {
          this.saved = record;
          return Promise.resolve();
        },
        log: { info: say, warn: say },
      },
      saved,
    );
    t.mock.timers.enable({ apis: ['setTimeout'] });
    this.canary.start();
  }

  turn(ms = EVERY_MS): void {
    this.now += ms;
    this.#t.mock.timers.tick(ms);
  }

  come(filter: string, event: NewEvent, origin: string): void {
    this.listening.get(filter)?.([{ ...event, origin } as StoredEvent]);
  }

  answer(index: number, afterMs: number): void {
    this.now += afterMs;
    const probe = this.published[index];
    assert.ok(probe);
    this.come('$canary/answer/a1 ', probe, 'b1');
  }

  metric(outcome: string): number {
    const family = this.canary.metrics().find(({ name }) => name === 'canary_probes_total');
    return family?.samples.find(({ labels }) => labels['outcome'] === outcome)?.value ?? 0;
  }
}

test('a probe is a durable event that no user can see, and expires when it is late', (t) => {
  const stand = new Stand(t);
  stand.turn();
  const [probe] = stand.published;
  assert.equal(probe?.topic, '$canary/probe/b');
  assert.equal(probe.expiresAt, 1_700_000_000_000 + EVERY_MS + 3 * EVERY_MS);
  assert.match(readCanary(probe.cloudEvent)?.id ?? '', /^\w+-1$/);
});

test('half of the way there and back is the latency', (t) => {
  const stand = new Stand(t);
  stand.turn();
  stand.answer(0, 80);
  stand.answer(0, 10);
  const [overview] = stand.canary.overviews();
  assert.deepEqual(
    [overview?.from, overview?.to, overview?.hour.sent, overview?.hour.arrived],
    ['a', 'b', 1, 1],
  );
  const p50 = overview?.hour.latencyMs?.p50 ?? 0;
  assert.ok(p50 > 35 && p50 < 46, `${p50}`);
});

test('what does not come back in time is missed, said once, and an answer after that is none', (t) => {
  const stand = new Stand(t);
  for (let i = 0; i < 5; i++) stand.turn();
  assert.equal(stand.metric('missed'), 2);
  assert.deepEqual(stand.said, ['a probe to cluster b was not answered within 3 s']);
  stand.answer(0, 0);
  assert.equal(stand.metric('arrived'), 0);
  stand.answer(4, 0);
  assert.equal(stand.metric('arrived'), 1);
  assert.equal(stand.said.at(-1), 'probes arrive again');
  assert.equal(stand.canary.overviews()[0]?.hour.availability, 1 / 3);
});

test('without a link nothing is published, and it is missed all the same', (t) => {
  const stand = new Stand(t);
  stand.turn();
  stand.answer(0, 10);
  for (const broken of [{ isLinked: false }, { listens: false }]) {
    stand.targets = [{ ...B, ...broken }];
    stand.turn();
  }
  assert.equal(stand.published.length, 1);
  assert.equal(stand.metric('missed'), 2);
});

test("a cluster that knows no probes, or is another mesher's turn, is left alone", (t) => {
  const stand = new Stand(t);
  stand.targets = [
    { ...B, listens: false },
    { ...B, cluster: 'c', isOurs: false },
  ];
  for (let i = 0; i < 5; i++) stand.turn();
  assert.deepEqual([stand.published.length, stand.canary.overviews().length], [0, 0]);
});

test('a publish that is refused is missed', async (t) => {
  const stand = new Stand(t);
  stand.refuses = true;
  stand.turn();
  await Promise.resolve();
  assert.equal(stand.metric('missed'), 1);
});

test('probes of others are answered to who asked, if that is a member, and not without end', (t) => {
  const stand = new Stand(t);
  const expiresAt = 1_700_000_000_000 + 500;
  const asked = '$canary/probe/a $canary';
  const probe = canaryEvent('$canary/probe/a', 'b1', 'x-1', expiresAt);
  stand.come(asked, probe, 'b2');
  stand.come(asked, canaryEvent('$canary/probe/a', 'stranger', 'x-1', expiresAt), 'stranger');
  stand.come(asked, { ...probe, cloudEvent: Buffer.from('nonsense') }, 'b1');
  assert.equal(stand.published.length, 0, 'by another than it says, by nobody, and none');
  for (let i = 0; i < 100; i++) stand.come(asked, probe, 'b1');
  assert.equal(stand.published.length, 20);
  const [answer] = stand.published;
  assert.deepEqual([answer?.topic, answer?.expiresAt], ['$canary/answer/b1', expiresAt]);
  assert.deepEqual(readCanary(answer?.cloudEvent ?? new Uint8Array()), { id: 'x-1', by: 'a1' });
  stand.turn();
  const sent = stand.published.at(-1);
  assert.ok(sent);
  stand.come('$canary/answer/a1 ', sent, 'c1');
  assert.equal(stand.metric('arrived'), 0, 'an answer of another cluster is none');
  stand.come('$canary/answer/a1 ', sent, 'b1');
  assert.equal(stand.metric('arrived'), 1);
});

test('nonsense on our topics is passed over', (t) => {
  const stand = new Stand(t);
  const nonsense = { ...canaryEvent('$canary/answer/a1', 'b1', 'x', 0), cloudEvent: Buffer.from([1, 2, 3]) };
  stand.come('$canary/answer/a1 ', nonsense, 'b1');
  assert.equal(stand.published.length, 0);
});

test('what was found is saved every few minutes and at the end, and is there after a restart', async (t) => {
  const stand = new Stand(t);
  stand.turn();
  stand.answer(0, 10);
  assert.deepEqual(stand.saved, {});
  for (let i = 0; i < 301; i++) stand.turn();
  await Promise.resolve();
  assert.deepEqual(Object.keys(stand.saved), ['b']);
  await stand.canary.stop();
  assert.equal(stand.listening.size, 0);
  t.mock.timers.reset();
  const again = new Stand(t, stand.saved);
  again.now = stand.now;
  assert.deepEqual(again.canary.overviews(), stand.canary.overviews());
});
