import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { setImmediate as immediate } from 'node:timers/promises';
import { NotMeasured } from '../../bench/harness/not-measured.ts';
import { runRow } from '../../bench/harness/pairs.ts';
import { rounded, rowResult } from '../../bench/harness/results.ts';
import type { OpenSubject, Row, Sample, Subject } from '../../bench/harness/scenario.ts';
import { medianSample, quantile, spreadOf } from '../../bench/harness/statistics.ts';

const sample = (value: number, rest: Partial<Sample> = {}): Sample => ({ value, events: 10, ...rest });

function subject(name: string, values: readonly number[], ran: string[] = []): Subject {
  const left = [...values];
  return {
    name,
    run: async () => {
      ran.push(name);
      return sample(left.shift() ?? NaN);
    },
  };
}

function row(rest: Partial<Row> = {}): Row {
  return {
    id: '0.test',
    what: 'a test',
    unit: 'events/s',
    better: 'higher',
    subject: subject('ours', []),
    ...rest,
  };
}

suite('statistics', () => {
  test('a quantile lies between the two nearest values, whatever their order', () => {
    assert.equal(quantile([4, 1, 3, 2], 0.5), 2.5);
    assert.equal(quantile([5, 1, 9], 0.5), 5);
    assert.equal(quantile([1, 2, 3, 4, 5], 0.25), 2);
    assert.throws(() => quantile([], 0.5), RangeError);
    assert.deepEqual(spreadOf([3, 1, 2]), { median: 2, q1: 1.5, q3: 2.5, min: 1, max: 3 });
  });

  test('each figure of samples has its own median; one that a sample lacks is left out', () => {
    const samples = [
      sample(1, { cpuUsPerEvent: 30, rssMaxBytes: 5, more: { p99Ms: 3, only: 1 } }),
      sample(3, { cpuUsPerEvent: 10, more: { p99Ms: 1 } }),
      sample(2, { cpuUsPerEvent: 20, rssMaxBytes: 7, more: { p99Ms: 2 } }),
    ];
    assert.deepEqual(medianSample(samples), { value: 2, events: 10, cpuUsPerEvent: 20, more: { p99Ms: 2 } });
  });
});

suite('a row', () => {
  test('runs its warm-up and then pairs, by turns, the subject first and the order swapped with each pair', async () => {
    const ran: string[] = [];
    const ours = subject('ours', [1, 10, 20, 40], ran);
    const theirs = subject('theirs', [1, 10, 10, 10], ran);
    const result = await runRow(row({ subject: ours, reference: theirs }), {
      size: 'short',
      pairs: 3,
      warmUps: 1,
    });
    assert.deepEqual(ran, ['ours', 'theirs', 'theirs', 'ours', 'ours', 'theirs', 'theirs', 'ours']);
    assert.equal(result.pairs.length, 3);
    assert.equal(result.ratio?.median, 2);
    assert.equal(result.medians.reference?.value, 10);
  });

  test('has the median of the pairs’ ratios, not the ratio of medians; where smaller is better its inverse', () => {
    const pairs = [
      { subject: sample(10), reference: sample(10) },
      { subject: sample(30), reference: sample(10) },
      { subject: sample(20), reference: sample(40) },
    ];
    assert.equal(rowResult(row(), pairs).ratio?.median, 1);
    assert.equal(rowResult(row({ better: 'lower' }), pairs).ratio?.max, 2);
  });

  test('is told whether its goal is met by the medians', () => {
    const goal = { text: '≥ 2 ×', met: ({ ratio }: { ratio: number | undefined }) => (ratio ?? 0) >= 2 };
    const pair = (ours: number) => ({ subject: sample(ours), reference: sample(10) });
    assert.equal(rowResult(row({ goal }), [pair(19)]).goal?.met, false);
    assert.equal(rowResult(row({ goal }), [pair(20)]).goal?.met, true);
  });

  test('of which both are open runs them at the same time, as pairs; both are closed, and opened anew, the order swapped', async () => {
    const log: string[] = [];
    const open = (name: string, values: readonly number[]): Subject => {
      const each = subject(name, values, log);
      const sample = async (): Promise<Sample> => {
        log.push(`${name} begins`);
        await immediate();
        return each.run('short');
      };
      const opened = async (): Promise<OpenSubject> => {
        log.push(`open ${name}`);
        return { sample, close: async () => void log.push(`close ${name}`) };
      };
      return { ...each, open: opened };
    };
    const measured = row({
      subject: open('ours', [10, 20, 40, 30, NaN]),
      reference: open('theirs', [10, 10, 10, 10, 10]),
      rounds: 2,
    });
    const opened = ['open ours', 'open theirs'];
    const round = ['ours begins', 'theirs begins', 'ours', 'theirs'];
    const closed = ['close theirs', 'close ours'];
    const other = opened.toReversed();
    const result = await runRow(measured, { size: 'short', pairs: 2, warmUps: 1 });
    const lives = [
      [...opened, ...round, ...round, ...closed],
      [...other, ...round, ...round, ...closed.toReversed()],
    ];
    assert.deepEqual(log.splice(0), lives.flat());
    assert.deepEqual([result.pairs.length, result.ratio?.median], [4, 2.5]);
    await assert.rejects(runRow(measured, { size: 'short', pairs: 1, warmUps: 0 }), /ours gave no figure/);
    assert.deepEqual(log.slice(-2), closed);
  });

  test('fails with a run that gave no figure, rather than make a ratio of it', async () => {
    const options = { size: 'short', pairs: 1, warmUps: 0 } as const;
    await assert.rejects(runRow(row({ subject: subject('ours', [NaN]) }), options), /ours gave no figure/);
    await assert.rejects(runRow(row({ subject: subject('ours', [0]) }), options), /ours gave no figure/);
  });

  test('whose reference lacks something runs nothing: not even the subject, which would be minutes of warm-up', async () => {
    const ran: string[] = [];
    const theirs: Subject = {
      ...subject('theirs', [1, 1], ran),
      ready: () => Promise.reject(new NotMeasured('Go is not installed')),
    };
    const options = { size: 'full', pairs: 1, warmUps: 1 } as const;
    await assert.rejects(
      runRow(row({ subject: subject('ours', [1, 1], ran), reference: theirs }), options),
      NotMeasured,
    );
    assert.deepEqual(ran, []);
  });

  test('is written down with four digits; counts stay whole', () => {
    assert.deepEqual(rounded({ a: 1234.5678, b: [0.000123456, 123_456], c: 'x', d: 12_345_678 }), {
      a: 1235,
      b: [0.0001235, 123_456],
      c: 'x',
      d: 12_350_000,
    });
  });
});
