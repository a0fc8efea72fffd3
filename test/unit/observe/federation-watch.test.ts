import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import type { Overview } from '../../../node/core/overview.ts';
import type { FederationView, MemberView } from '../../../node/core/views.ts';
import { ASKING_MAX, LINGER_MS, ROUND_MS, UNUSABLE_PAUSE_MS } from '../../../node/observe/bounds.ts';
import { FederationWatch, type FederationWatchPorts } from '../../../node/observe/federation-watch.ts';
import { UnusableAnswer } from '../../../node/observe/questions.ts';
import type { MesherReport } from '../../../node/observe/report.ts';
import { AT, mesher } from './facts.ts';

const member = (node: string): MemberView => ({
  node,
  cluster: node.slice(0, 1),
  incarnation: 1,
  status: 'alive',
  http: '',
  addresses: [],
  labels: {},
  routes: { sequence: 1, interests: 0, complete: true, gapped: false },
});

function report(rest: Partial<MesherReport> = {}): MesherReport {
  const { figures } = mesher('x', 'x');
  assert.ok(figures);
  return {
    at: AT,
    figures: { ...figures, latency: {} },
    links: [],
    subscriptions: [],
    topics: [],
    canaries: [],
    droppedLately: {},
    copiesWanted: 0,
    cut: {},
    ...rest,
  };
}

/** A watch of `a0` over others, with time in hand. */
function watchOver(
  t: TestContext,
  others: readonly string[],
  ask: FederationWatchPorts['ask'],
  rest: Partial<FederationWatchPorts> = {},
) {
  t.mock.timers.enable({ apis: ['setTimeout', 'setImmediate'] });
  let now = 0;
  const faults: unknown[] = [];
  const view: FederationView = {
    federation: 'acme',
    self: { node: 'a0', cluster: 'a', incarnation: 1, version: '1' },
    registry: { address: '', state: 'up', revision: 1, sinceMs: 0 },
    ready: { ready: true, why: [] },
    members: ['a0', ...others].map(member),
  };
  const watch = new FederationWatch({
    clock: { wall: () => AT + now, monotonic: () => now },
    secret: 1,
    federation: () => view,
    linkTo: () => ({ state: 'up', reason: '', sinceMs: 1 }),
    statusSince: () => undefined,
    own: () => report(),
    ask,
    fault: (error) => faults.push(error),
    ...rest,
  });
  /** Lets promises settle between steps. */
  const pass = async (ms: number): Promise<void> => {
    for (let left = ms; left > 0; left -= 500) {
      now += Math.min(500, left);
      t.mock.timers.tick(Math.min(500, left));
      for (let i = 0; i < 20; i++) await Promise.resolve();
    }
  };
  return { watch, pass, faults };
}

test('some are asked at a time, and all are', async (t) => {
  const others = Array.from({ length: 3 * ASKING_MAX }, (_, at) => `b${at}`);
  let [active, most] = [0, 0];
  const { watch } = watchOver(t, others, async () => {
    most = Math.max(most, ++active);
    await Promise.resolve();
    active--;
    return report();
  });
  const { meshers } = await watch.overview();
  assert.equal(most, ASKING_MAX);
  assert.equal(meshers.filter(({ figures }) => figures).length, others.length + 1);
});

test('nobody waits for one that does not answer, and it is said of it', async (t) => {
  const { watch, pass } = watchOver(t, ['b0', 'c0'], (node) =>
    node === 'b0' ? new Promise(() => undefined) : Promise.resolve(report()),
  );
  const shown: Overview[] = [];
  watch.watch((json) => shown.push(JSON.parse(json) as Overview));
  await pass(1_000);
  const silent = (overview: Overview | undefined) => overview?.meshers.map((one) => one.silent);
  assert.deepEqual(silent(shown[0]), ['', 'it was asked, and has not answered yet', '']);
  await pass(3 * ROUND_MS);
  assert.ok(shown.length >= 3);
});

test('one whose answer is of no use is left alone for a while', async (t) => {
  let asked = 0;
  const { watch, pass } = watchOver(t, ['b0'], () => {
    asked++;
    return Promise.reject(new UnusableAnswer('its answer is none'));
  });
  watch.watch(() => undefined);
  await pass(UNUSABLE_PAUSE_MS - ROUND_MS);
  assert.equal(asked, 1);
  await pass(2 * ROUND_MS);
  assert.equal(asked, 2);
});

test('nobody is asked when nobody looks', async (t) => {
  const asked: string[] = [];
  const { watch, pass } = watchOver(t, ['b0'], (node) => {
    asked.push(node);
    return Promise.resolve(report());
  });
  await pass(10_000);
  assert.deepEqual(asked, []);
  await watch.overview();
  await pass(2 * LINGER_MS);
  const then = asked.length;
  assert.ok(then > 1, 'somebody who looked once may look again');
  await pass(60_000);
  assert.equal(asked.length, then);
});

test('watchers get one text, and no more after they are gone', async (t) => {
  const { watch, pass, faults } = watchOver(t, [], () => Promise.reject(new Error('nobody')));
  const texts: string[][] = [[], []];
  const [stop] = texts.map((list) => watch.watch((json) => list.push(json)));
  await pass(2 * ROUND_MS);
  assert.ok((texts[0]?.length ?? 0) > 1);
  assert.equal(texts[0]?.at(-1), texts[1]?.at(-1));
  stop?.();
  const before = texts[0]?.length;
  await pass(2 * ROUND_MS);
  assert.equal(texts[0]?.length, before);
  assert.equal(watch.watchers, 1);
  watch.stop();
  assert.equal(watch.watchers, 0);
  assert.deepEqual(faults, []);
});

test('what a member says is its own, whatever names it gives', async (t) => {
  const liesOfWhose = {
    from: 'c0',
    to: 'c0',
    state: 'down' as const,
    why: 'x',
    since: 0,
    eventsPerSecond: 0,
    bytesPerSecond: 0,
    queued: 0,
    lagMs: 0,
    doubtful: 0,
  };
  const lie = report({
    links: [liesOfWhose],
    topics: [{ topic: 'a/#/+', publishedPerSecond: 1e300, published: 1 }],
    cut: { topics: 5 },
  });
  const { watch } = watchOver(t, ['b0', 'c0'], (node) => Promise.resolve(node === 'b0' ? lie : report()));
  const { links, topics, cut } = await watch.overview();
  assert.deepEqual(
    links.map(({ from, to }) => [from, to]),
    [['b0', 'c0']],
  );
  assert.deepEqual(topics[0]?.publishers, [{ mesher: 'b0', cluster: 'b' }]);
  assert.equal(cut['topics'], 5);
});
