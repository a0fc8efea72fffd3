import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { chooseRoles } from '../../../node/commands/sample-traffic.ts';
import { figuresText, summaryText, wrapFigures } from '../../../node/commands/start.ts';

const figures = {
  published: 1_234,
  delivered: new Map([
    ['us', 1_234],
    ['ap', 1_230],
  ]),
  duplicates: 0,
  inFlight: 4,
  lost: 0,
  earlier: { found: 0, left: 0 },
  p50: 3.21,
  p99: 45.6,
  trouble: '',
};

test('tells the figures on one line, and what is amiss only when something is', () => {
  const text = 'published 1,234 · delivered us 1,234, ap 1,230 · in flight 4 · p50 3.2 ms p99 46 ms · lost 0';
  assert.equal(figuresText(figures), text);
  assert.equal(figuresText({ ...figures, trouble: 'us does not answer' }), `${text} · us does not answer`);
  assert.doesNotMatch(figuresText({ ...figures, p50: undefined }), /p50/);
});

test('sums up what was left on its way, what came twice and what is lost', () => {
  const text = summaryText({ ...figures, duplicates: 2, lost: 1, earlier: { found: 7, left: 3 } });
  for (const part of [
    /of the 7 events .* 4 arrived/,
    /2 came more than once/,
    /4 are kept in the queues/,
    /1 were acked more than a minute ago/,
  ]) {
    assert.match(text, part);
  }
});

test('breaks the figures into lines that fit the terminal, and loses none', () => {
  assert.deepEqual(wrapFigures('a 1 · b 2 · c 3', 9), ['a 1 · b 2', 'c 3']);
  fc.assert(
    fc.property(
      fc.array(fc.stringMatching(/^[a-z]{1,9}$/), { minLength: 1 }),
      fc.integer({ min: 10, max: 80 }),
      (parts, columns) => {
        const lines = wrapFigures(parts.join(' · '), columns);
        assert.ok(lines.every((line) => line.length <= columns));
        assert.equal(lines.join(' · '), parts.join(' · '));
      },
    ),
  );
});

test('publishes in the first cluster and awaits the events once in each of the others', () => {
  const mesher = (cluster: string, pid: number) => ({ cluster, pid, node: String(pid), http: '' });
  const pids = (...clusters: string[]) => {
    const { publisher, consumers } = chooseRoles(clusters.map((cluster, index) => mesher(cluster, index)));
    return [publisher?.pid, consumers.map(({ pid }) => pid)];
  };
  assert.deepEqual(pids('eu', 'us', 'us', 'eu', 'ap'), [0, [1, 4]]);
  assert.deepEqual(pids('eu'), [0, [0]]);
  assert.deepEqual(pids(), [undefined, []]);
});
