import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { type Baseline, judge, updateBaseline } from '../../bench/harness/check.ts';
import { rowResult } from '../../bench/harness/results.ts';
import type { Row } from '../../bench/harness/scenario.ts';

const baseline: Baseline = {
  why: 'a test',
  toleratedFraction: 0.5,
  rows: { '1.a': { ratio: 2 }, '1.b': { ratio: 2, toleratedFraction: 0.9 } },
};

function result(id: string, ratio: number | undefined, goalMet?: boolean) {
  const goal: Row['goal'] = goalMet === undefined ? undefined : { text: 'a goal', met: () => goalMet };
  const subject = { name: 'ours', run: async () => ({ value: 1, events: 1 }) };
  const row: Row = { id, what: '', unit: 'x', better: 'higher', subject, ...(goal && { goal }) };
  const reference = ratio === undefined ? {} : { reference: { value: 1, events: 1 } };
  return rowResult(row, [{ subject: { value: ratio ?? 1, events: 1 }, ...reference }]);
}

suite('the regression check', () => {
  test('passes a ratio down to the tolerated fraction of the baseline, and no further', () => {
    assert.equal(judge(baseline, result('1.a', 1)).kind, 'passed');
    assert.equal(judge(baseline, result('1.a', 0.99)).kind, 'failed');
  });

  test('takes a row’s own fraction where it has one', () => {
    assert.equal(judge(baseline, result('1.b', 1.8)).kind, 'passed');
    assert.equal(judge(baseline, result('1.b', 1.79)).kind, 'failed');
  });

  test('fails a row that the baseline does not know', () => {
    assert.equal(judge(baseline, result('1.c', 100)).kind, 'failed');
  });

  test('holds a row without a reference against its goal, and fails one that has neither', () => {
    assert.equal(judge(baseline, result('1.a', undefined, true)).kind, 'passed');
    assert.equal(judge(baseline, result('1.a', undefined, false)).kind, 'failed');
    assert.equal(judge(baseline, result('1.a', undefined)).kind, 'failed');
  });
});

suite('a new baseline', () => {
  test('has the new ratios, what other rows had, and each row’s own fraction', () => {
    const updated = updateBaseline(baseline, [
      result('1.b', 3.14159),
      result('10.x', 1),
      result('2.y', undefined),
    ]);
    assert.deepEqual(updated.rows, {
      '1.a': { ratio: 2 },
      '1.b': { ratio: 3.14, toleratedFraction: 0.9 },
      '10.x': { ratio: 1 },
    });
  });
});
