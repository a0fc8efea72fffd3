// Many distinct filters behind one mesher: the others know them all, keep them when every connection breaks, and get
// them again when they, or their owner, start anew; no link drops for it, and no event loop is blocked. 20,000 here;
// 100,000 with LONG_TESTS=1 (npm run test:long).

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { calibrate } from '../support/calibrate.ts';
import { Federation, type RunningMesher } from '../support/federation.ts';
import { until } from '../support/until.ts';

const FILTERS = process.env['LONG_TESTS'] === '1' ? 100_000 : 20_000;
const AT_ONCE = 64;
const BLOCKED_MS_MAX = 200;
const PROBE = join(import.meta.dirname, '../support/loop-probe.ts');

test(`${FILTERS} filters behind one mesher reach the others and survive reconnects and restarts`, async (t) => {
  const blockedMax = Math.max(BLOCKED_MS_MAX, 50 * calibrate());
  const federation = await Federation.start(t, {
    clusters: { owner: 1, b: 1, c: 1 },
    partitions: true,
    flags: ['--limits-subscriptions-max', String(2 * FILTERS)],
    nodeFlags: ['--import', PROBE],
  });
  const [owner, b, c] = [federation.mesher('owner'), federation.mesher('b'), federation.mesher('c')];
  const watch = new LoopWatch(federation.meshers());
  const downs = countDowns(federation.meshers());

  const started = Date.now();
  await subscribe(owner);
  t.diagnostic(`${FILTERS} durable subscriptions made in ${Date.now() - started} ms`);
  const made = Date.now();
  await whenKnown([b, c], owner);
  t.diagnostic(`known everywhere ${Date.now() - made} ms after the last was made`);
  for (const mesher of federation.meshers())
    assert.equal(downs(mesher), 0, `${mesher.cluster}: no link dropped`);
  watch.report(t, 'while they are made');

  federation.breakConnections();
  await until('links are seen to fall', () => federation.meshers().every((mesher) => downs(mesher) > 0));
  await federation.whenLinked();
  await whenKnown([b, c], owner);
  watch.report(t, 'while every link is made anew');
  const reconnected = federation.meshers().map(downs);

  await b.kill();
  const start = Date.now();
  b.start();
  await b.whenReady();
  await whenKnown([b], owner);
  t.diagnostic(`a mesher that starts anew has them all ${Date.now() - start} ms later`);
  watch.report(t, 'while another mesher starts anew');
  await owner.kill();
  owner.start();
  await owner.whenReady();
  await whenKnown([b, c], owner);
  await federation.whenLinked();
  watch.report(t, 'while their owner starts anew');

  const dropped = federation.meshers().map((mesher, i) => downs(mesher) - (reconnected[i] ?? 0));
  t.diagnostic(`links fallen with the two kills: ${dropped.join(', ')}`);
  assert.ok(
    Math.max(...dropped) <= 2,
    'each kill fells one link of each other mesher, and nothing else does',
  );
  assert.ok(
    watch.most <= blockedMax,
    `an event loop was blocked for ${watch.most} ms, at most ${blockedMax}`,
  );
});

async function subscribe(owner: RunningMesher): Promise<void> {
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < FILTERS) {
      const n = next++;
      await owner.putSubscription(`s${n}`, { topic: filter(n) });
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

function filter(n: number): string {
  return `site/${n % 1000}/device/${n}/+`;
}

async function whenKnown(meshers: readonly RunningMesher[], owner: RunningMesher): Promise<void> {
  const { self } = await owner.federation();
  for (const mesher of meshers) {
    await until(`${mesher.cluster} knows every filter`, async () => {
      const member = (await mesher.federation()).members.find(({ node }) => node === self.node);
      const { interests, complete, gapped } = member?.routes ?? {};
      return (
        member?.incarnation === self.incarnation && interests === FILTERS && complete === true && !gapped
      );
    });
    for (let n = 0; n < FILTERS; n += 997) {
      const { destinations } = await mesher.routes(`site/${n % 1000}/device/${n}/state`);
      const because = destinations.flatMap((one) => one.because.map((route) => route.filter));
      assert.deepEqual(because, [filter(n)], `${mesher.cluster} routes by filter ${n}`);
    }
  }
}

/** From now on: how often each has seen a link fall. */
function countDowns(meshers: readonly RunningMesher[]): (mesher: RunningMesher) => number {
  const seen = new Map<RunningMesher, number>();
  for (const mesher of meshers) {
    mesher.program.watch((line) => {
      if (line.includes('"link down"')) seen.set(mesher, (seen.get(mesher) ?? 0) + 1);
    });
  }
  return (mesher) => seen.get(mesher) ?? 0;
}

interface Stretch {
  readonly from: number;
  readonly wallMs: number;
  readonly cpuMs: number;
}

/** What the probes in the meshers' processes told since the last report. */
class LoopWatch {
  readonly #lines = new Map<RunningMesher, string[]>();
  /** CPU milliseconds of the longest stretch. */
  most = 0;

  constructor(meshers: readonly RunningMesher[]) {
    for (const mesher of meshers) {
      this.#lines.set(mesher, []);
      mesher.program.watch((line) => {
        if (line.includes('"event-loop"') || line.includes('"mesher started"'))
          this.#lines.get(mesher)?.push(line);
      });
    }
  }

  /** A start's own stretch is told and does not count: there is no link yet, and no lease. */
  report(t: TestContext, when: string): void {
    for (const [mesher, lines] of this.#lines) {
      this.#lines.set(mesher, []);
      const startedAt = timeOf(lines.findLast((line) => line.includes('"mesher started"')));
      const stretches = lines
        .filter((line) => line.includes('"event-loop"'))
        .map((line) => JSON.parse(line) as Stretch);
      const running = stretches.filter(({ from }) => from >= startedAt);
      const [cpu, wall] = [longest(running, 'cpuMs'), longest(running, 'wallMs')];
      this.most = Math.max(this.most, cpu);
      const starting = stretches.filter(
        ({ from, wallMs }) => from < startedAt && from + wallMs + 10 >= startedAt,
      );
      const start = startedAt > 0 ? `; before that, by its start: ${longest(starting, 'cpuMs')} ms` : '';
      t.diagnostic(
        `${when}, ${mesher.cluster}'s event loop was blocked for ${cpu} ms at most (${wall} ms with waiting for the CPU)${start}`,
      );
    }
  }
}

function timeOf(line: string | undefined): number {
  return Number(/"time":(\d+)/.exec(line ?? '')?.[1] ?? 0);
}

function longest(stretches: readonly Stretch[], what: 'wallMs' | 'cpuMs'): number {
  return Math.max(0, ...stretches.map((one) => one[what]));
}
