import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { type Live, LiveFeed } from '../../../node/dashboard/data/live-feed.ts';
import { overviewAt } from '../../dashboard/scripted-federation.ts';

/** What a browser has, as far as the feed uses it. */
class FakeSource extends EventTarget {
  static opened: FakeSource[] = [];
  closed = false;

  constructor() {
    super();
    FakeSource.opened.push(this);
  }

  close(): void {
    this.closed = true;
  }

  tell(): void {
    this.dispatchEvent(new MessageEvent('overview', { data: JSON.stringify(overviewAt(1_000)) }));
  }
}

function feed(t: TestContext): { states: Live['state'][]; last: () => Live | undefined; feed: LiveFeed } {
  FakeSource.opened = [];
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const real: unknown = Reflect.get(globalThis, 'EventSource');
  Reflect.set(globalThis, 'EventSource', FakeSource);
  t.after(() => Reflect.set(globalThis, 'EventSource', real));
  const lives: Live[] = [];
  const states: Live['state'][] = [];
  const made = new LiveFeed('/v1/overview/stream', (live) => {
    lives.push(live);
    states.push(live.state);
  });
  return { states, last: () => lives.at(-1), feed: made };
}

test('a stream that goes silent without an end is opened again, and what came last is kept as old', (t) => {
  const { states, last } = feed(t);
  FakeSource.opened[0]?.tell();
  t.mock.timers.tick(9_000);
  FakeSource.opened[0]?.tell();
  t.mock.timers.tick(9_000);
  assert.deepEqual(states, ['live', 'live'], 'it is not silent for long enough');
  t.mock.timers.tick(2_000);
  assert.equal(last()?.state, 'lost');
  assert.equal(last()?.overview?.federation, 'acme');
  assert.equal(FakeSource.opened[0]?.closed, true);
  t.mock.timers.tick(1_000);
  assert.equal(FakeSource.opened.length, 2);
  FakeSource.opened[1]?.tell();
  assert.equal(last()?.state, 'live');
});

test('it is tried again for ever, at most every second and at least every five', (t) => {
  feed(t);
  const waits: number[] = [];
  for (let round = 0; round < 6; round += 1) {
    const before = FakeSource.opened.length;
    FakeSource.opened.at(-1)?.dispatchEvent(new Event('error'));
    let waited = 0;
    for (; FakeSource.opened.length === before && waited < 60_000; waited += 500) t.mock.timers.tick(500);
    waits.push(waited);
  }
  assert.deepEqual(waits, [1_000, 2_000, 4_000, 5_000, 5_000, 5_000]);
});

test('once closed it opens nothing more', (t) => {
  const { feed: made } = feed(t);
  FakeSource.opened[0]?.dispatchEvent(new Event('error'));
  made.close();
  t.mock.timers.tick(60_000);
  assert.equal(FakeSource.opened.length, 1);
});
