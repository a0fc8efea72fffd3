// Any calls in any turns, against a mesher that answers, refuses for the moment and hangs up as it likes: the promises of
// publishing, held against what the mesher has taken.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { connected, watch } from './connected.ts';
import type { Connected, Watched } from './connected.ts';
import { idsOf } from './fake-mesher.ts';

const WINDOW_BYTES = 3_000;

type Step =
  | { readonly kind: 'publish'; readonly events: number; readonly bytes: number; readonly best: boolean }
  | { readonly kind: 'turn' }
  | { readonly kind: 'accept'; readonly which: number }
  | { readonly kind: 'refuse'; readonly which: number }
  | { readonly kind: 'drop' };

const publish = fc.record({
  kind: fc.constant('publish' as const),
  events: fc.integer({ min: 1, max: 4 }),
  bytes: fc.nat({ max: 600 }),
  best: fc.boolean(),
});
const which = fc.nat({ max: 5 });
const turn = fc.constant({ kind: 'turn' as const });
const accept = fc.record({ kind: fc.constant('accept' as const), which });
const refuse = fc.record({ kind: fc.constant('refuse' as const), which });
const drop = fc.constant({ kind: 'drop' as const });

class Run {
  readonly #with: Connected;
  /** Ids that the mesher has taken, in order, each as often as it was taken. */
  readonly taken: string[] = [];
  readonly calls: { readonly ids: readonly string[]; readonly watched: Watched }[] = [];
  /** Requests of the connection that were answered. */
  #answered = new Set<number>();
  #ids = 0;

  constructor(connection: Connected) {
    this.#with = connection;
  }

  async step(step: Step): Promise<void> {
    const { mesh, mesher, timers } = this.#with;
    if (step.kind === 'publish') {
      const ids = Array.from({ length: step.events }, () => String(++this.#ids));
      const events = ids.map((id) => ({ id, source: '/s', type: 't', data: 'x'.repeat(step.bytes) }));
      const call = mesh.publish(events, { qos: step.best ? 'best-effort' : 'durable' });
      this.calls.push({ ids, watched: watch(call) });
      return;
    }
    if (step.kind === 'drop') {
      mesher.last.drop();
      this.#answered = new Set();
      await timers.pass(200);
    } else if (step.kind !== 'turn') this.#answer(step);
    await timers.turn();
    this.#checkWindow();
  }

  #answer({ kind, which: place }: { readonly kind: 'accept' | 'refuse'; readonly which: number }): void {
    const { last } = this.#with.mesher;
    const open = last.published.filter(({ request }) => !this.#answered.has(request));
    const frame = open[place % Math.max(1, open.length)];
    if (frame === undefined) return;
    this.#answered.add(frame.request);
    if (kind === 'refuse') last.refuse(frame.request, 'not-ready');
    else {
      this.taken.push(...idsOf(frame));
      last.accept(frame.request);
    }
  }

  #checkWindow(): void {
    const open = this.#with.mesher.last.published.filter(({ request }) => !this.#answered.has(request));
    const bytes = open.reduce((sum, { batch }) => sum + batch.length, 0);
    assert.ok(
      open.length <= 1 || bytes <= WINDOW_BYTES,
      `${bytes} bytes unanswered in ${open.length} messages`,
    );
  }

  /** The mesher takes everything from now on. */
  async end(): Promise<void> {
    const { timers } = this.#with;
    for (let idle = 0; idle < 3;) {
      const before = this.taken.length;
      for (let i = 0; i < 10; i++) this.#answer({ kind: 'accept', which: 0 });
      await timers.pass(3_000);
      idle = this.taken.length === before ? idle + 1 : 0;
    }
  }
}

async function runOf(steps: readonly Step[], batchesInFlightMax: number): Promise<Run> {
  const options = { batchesInFlightMax, publishTimeoutMs: 1e9 };
  const run = new Run(await connected(options, { publishWindowBytes: WINDOW_BYTES }));
  for (const step of steps) await run.step(step);
  await run.end();
  for (const { ids, watched } of run.calls) {
    assert.equal(watched.state, 'resolved', `the call of ${ids.join()}`);
    const places = ids.map((id) => run.taken.lastIndexOf(id));
    assert.ok(
      places.every((place) => place >= 0),
      `${ids.join()} taken`,
    );
    // whole: its events side by side, as one message brought them
    assert.deepEqual(
      places,
      ids.map((_, i) => (places[0] ?? 0) + i),
    );
  }
  return run;
}

function steps(...kinds: readonly fc.Arbitrary<Step>[]): fc.Arbitrary<Step[]> {
  return fc.array(fc.oneof({ weight: 3, arbitrary: publish }, { weight: 2, arbitrary: turn }, ...kinds), {
    maxLength: 40,
  });
}

/** First takings, in the order in which they came. */
function firsts(taken: readonly string[]): number[] {
  return [...new Set(taken)].map(Number);
}

test('every call is taken whole, none that was answered is taken twice, as long as the connection stands', async () => {
  await fc.assert(
    fc.asyncProperty(steps(accept, refuse), fc.constantFrom(1, 2, 100), async (script, inFlight) => {
      const { taken } = await runOf(script, inFlight);
      assert.equal(new Set(taken).size, taken.length);
    }),
    { numRuns: 150 },
  );
});

test('every call is taken whole, however often the connection is lost', async () => {
  await fc.assert(
    fc.asyncProperty(steps(accept, refuse, drop), fc.constantFrom(1, 2, 100), async (script, inFlight) => {
      await runOf(script, inFlight);
    }),
    { numRuns: 150 },
  );
});

test('events are taken in the order of the calls, as long as the mesher refuses none', async () => {
  // A mesher takes what it reads in order, whatever the order of its answers: here it answers the oldest.
  const oldest = fc.constant({ kind: 'accept' as const, which: 0 });
  await fc.assert(
    fc.asyncProperty(steps(oldest, drop), async (script) => {
      const order = firsts((await runOf(script, 100)).taken);
      assert.deepEqual(
        order,
        order.toSorted((a, b) => a - b),
      );
    }),
    { numRuns: 150 },
  );
});

test('with one batch under way at a time, order holds whatever is refused', async () => {
  await fc.assert(
    fc.asyncProperty(steps(accept, refuse, drop), async (script) => {
      const order = firsts((await runOf(script, 1)).taken);
      assert.deepEqual(
        order,
        order.toSorted((a, b) => a - b),
      );
    }),
    { numRuns: 150 },
  );
});
