import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { MesherCore } from '../../../../node/core/mesher-core.ts';
import { Questions } from '../../../../node/observe/questions.ts';
import type { LocalTrace } from '../../../../node/observe/history/trace-question.ts';
import { Tracer } from '../../../../node/observe/history/tracer.ts';
import { loneCore, NOTHING, NOW } from '../../../support/lone-core.ts';

const EVENT = { source: '/shop', id: '1' };
const none = { peer: '', subscription: '', reason: '', attempt: 0 };

/** A mesher that knows these others, all but `down` linked, and what each of them answers. */
function tracerAt(here: LocalTrace, others: Readonly<Record<string, unknown>>, down: readonly string[] = []) {
  const lone = loneCore(NOTHING);
  const members = new Map(
    Object.keys(others).map((node) => [node, { record: { node, cluster: `of-${node}` }, status: 'alive' }]),
  );
  const core = {
    node: lone.node,
    cluster: lone.cluster,
    members: {
      get: (node: string) => members.get(node),
      all: () => members.values(),
      clusterOf: (node: string) => members.get(node)?.record.cluster,
    },
    links: {
      get: (node: string) => ({ up: !down.includes(node), since: 1, reason: 'reset by peer', cluster: '' }),
    },
  } as unknown as MesherCore;
  const asked: string[] = [];
  const questions = new Questions();
  questions.through({
    ask: async (peer) => {
      asked.push(peer);
      return Buffer.from(JSON.stringify({ told: others[peer] }));
    },
  });
  const tracer = new Tracer({ questions, core, now: () => NOW, here: async () => here });
  return { tracer, asked };
}

function told(more: Partial<LocalTrace> = {}): LocalTrace {
  return { hops: [], waits: [], since: 1_000, ...more };
}

test('asks along the way first, then all others, and says who could not be asked', async () => {
  const here = told({ hops: [{ ...none, at: 2_000, what: 'forwarded', peer: 'c' }] });
  const c = told({
    hops: [
      { ...none, at: 2_010, what: 'landed', peer: 'a' },
      { ...none, at: 2_020, what: 'forwarded', peer: 'd' },
    ],
  });
  const d = told({ hops: [{ ...none, at: 2_030, what: 'acked', subscription: 'billing' }] });
  const { tracer, asked } = tracerAt(here, { b: told(), c, d, e: told() }, ['e']);
  const trace = await tracer.trace(EVENT);
  assert.deepEqual(asked, ['c', 'd', 'b']);
  assert.deepEqual(
    trace.hops.map(({ mesher, cluster, what }) => `${mesher} ${cluster} ${what}`),
    ['a eu forwarded', 'c of-c landed', 'c of-c forwarded', 'd of-d acked'],
  );
  assert.deepEqual(trace.silent, [
    { mesher: 'e', why: 'the link to it is down since 2025-06-15T15:06:40Z: reset by peer' },
  ]);
  assert.equal(trace.verdict, 'delivered to billing on d in of-d');
});

test('what a hostile peer answers is its own, or nothing', async () => {
  const lie = { at: 5, what: 'acked', peer: 'b', subscription: 'billing', reason: '', attempt: 0 };
  const answers: Readonly<Record<string, unknown>> = {
    b: { hops: [{ ...lie, mesher: 'c', cluster: 'of-c' }], waits: [], since: 0 },
    c: { hops: [{ ...lie, what: 'eaten' }], waits: [], since: 0 },
    d: { hops: [{ ...lie, at: 1e300 }], waits: [], since: 0 },
    e: { hops: Array.from({ length: 300 }, () => lie), waits: [], since: 0 },
    f: { hops: [], waits: ['x'.repeat(10_000)], since: 0 },
    g: 'no',
  };
  const { hops, silent } = await tracerAt(told(), answers).tracer.trace(EVENT);
  assert.deepEqual(
    hops.map(({ mesher, cluster, what }) => `${mesher} ${cluster} ${what}`),
    ['b of-b acked'],
  );
  assert.deepEqual(silent.map(({ mesher }) => mesher).sort(), ['c', 'd', 'e', 'f', 'g']);
  for (const { why } of silent) assert.equal(why, 'its answer is not what this mesher understands');
});

test('one that names others without end is not followed without end', async () => {
  const others = Object.fromEntries(
    Array.from({ length: 400 }, (_, i) => [
      `n${i}`,
      told({ hops: [{ ...none, at: i, what: 'forwarded', peer: `n${i + 1}` }] }),
    ]),
  );
  const here = told({ hops: [{ ...none, at: 0, what: 'forwarded', peer: 'n0' }] });
  const { tracer, asked } = tracerAt(here, others);
  const { silent } = await tracer.trace(EVENT);
  assert.ok(asked.length <= 64 + 128, `${asked.length} were asked`);
  assert.match(silent[0]?.why ?? '', /^not asked/);
});

test('says since when nobody can have forgotten it where nobody remembers it', async () => {
  const { verdict } = await tracerAt(told({ since: 1_750_000_000_000 }), { b: told() }).tracer.trace(EVENT);
  assert.match(verdict, /^no mesher remembers it: it was published before 2025-06-15T15:06:40Z, or never/);
});
