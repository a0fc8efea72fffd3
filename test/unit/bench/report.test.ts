import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import type { Machine } from '../../bench/harness/machine.ts';
import { rowResult, type ScenarioResult } from '../../bench/harness/results.ts';
import type { Row, Sample } from '../../bench/harness/scenario.ts';
import { showBytes, showName, showNumber, showRatio } from '../../bench/report/figures.ts';
import { machineLine } from '../../bench/report/machine-line.ts';
import { goalsSection, scenarioSection } from '../../bench/report/markdown.ts';
import { mergeResults } from '../../bench/report/pages.ts';
import { putSection } from '../../bench/report/sections.ts';

const machine: Machine = {
  cpu: 'Testor 1',
  cores: 2,
  memoryBytes: 2 ** 34,
  system: 'linux 6 x64',
  fileSystem: 'ext4',
  fsyncMs: 0.51,
  loadBefore: 2.5,
  node: 'v24.0.0',
  libraries: {},
  commit: 'abc',
};

function scenarioResult(name: string, number: number, ratios: readonly number[]): ScenarioResult {
  const run = async (): Promise<Sample> => ({ value: 1, events: 1 });
  const row: Row = {
    id: `${number}.row`,
    what: 'a | b',
    unit: 'events/s',
    better: 'higher',
    subject: { name: 'ours', run },
    reference: { name: 'theirs', run },
    goal: { text: '≥ 2 ×', met: ({ ratio }) => (ratio ?? 0) >= 2 },
  };
  const pairs = ratios.map((ratio) => ({
    subject: { value: 1000 * ratio, events: 5, cpuUsPerEvent: 12.34, more: { p99Ms: 7 } },
    reference: { value: 1000, events: 5, fsyncsPerEvent: 0.5 },
  }));
  const rows = [rowResult(row, pairs)];
  return {
    name,
    number,
    title: `About ${name}`,
    at: '2026-05-01T10:00:00.000Z',
    size: 'full',
    machine,
    inputs: 'payloads from a test',
    programs: { thing: '1.2' },
    rows,
  };
}

suite('a section of the page', () => {
  test('is replaced alone, and what a person wrote around it stays', () => {
    const page = 'before\n\n<!-- bench:a -->\nold\n<!-- /bench:a -->\n\nafter\n';
    const put = putSection(page, { name: 'a', text: 'new' }, undefined);
    assert.equal(put, 'before\n\n<!-- bench:a -->\n\nnew\n\n<!-- /bench:a -->\n\nafter\n');
    assert.equal(putSection(put, { name: 'a', text: 'new' }, 'b'), put);
  });

  test('goes behind the one it follows when it is new, else to the end', () => {
    const one = putSection('top\n', { name: 'a', text: '1' }, undefined);
    const two = putSection(one, { name: 'c', text: '3' }, 'a');
    const three = putSection(two, { name: 'b', text: '2' }, 'a');
    const order = [...three.matchAll(/<!-- bench:(\w) -->/g)].map(([, name]) => name);
    assert.deepEqual(order, ['a', 'b', 'c']);
  });

  test('whose end is missing is refused: nothing of the page would be safe', () => {
    assert.throws(() => putSection('<!-- bench:a -->\nold', { name: 'a', text: '' }, undefined), /without/);
  });
});

suite('results as Markdown', () => {
  test('say ratio, quartiles, goal, costs, what else was measured, where and when', () => {
    const text = scenarioSection(scenarioResult('x', 3, [1, 2, 4]), 'A note.');
    for (const part of [
      '## 3. About x',
      '**2.00 ×** (1.50–3.00)',
      'a \\| b',
      'ours: 2,000 (1,000–4,000)',
      '≥ 2 ×: met',
      '12.3 / –',
      '– / 0.5',
      '| p99 ms | 7 | – |',
      'A note.',
      '2026-05-01 at commit abc, 3 pairs',
      'fsync of 4 KiB: 0.51 ms',
      'load average before 2.5, **busy with other work**',
      'on 2 vCPUs (Testor 1), 16 GiB',
      'thing 1.2; payloads from a test.',
    ])
      assert.ok(text.includes(part), `${part} is missing in:\n${text}`);
  });

  test('show a goal that was missed as missed, in both places', () => {
    const result = scenarioResult('x', 3, [1, 1, 1]);
    assert.match(scenarioSection(result, ''), /≥ 2 ×: \*\*not met\*\*/);
    assert.match(goalsSection([result]), /\| `3.row` \| a \\\| b \| ≥ 2 × \| 1.00 × \| \*\*no\*\* \|/);
  });

  test('of one scenario leave those of others as they were, in order', () => {
    const [a, b, fresh] = [
      scenarioResult('a', 2, [1]),
      scenarioResult('b', 10, [1]),
      scenarioResult('a', 2, [2]),
    ];
    assert.deepEqual(mergeResults([b, a], [fresh]), [fresh, b]);
  });
});

test('a machine is one line, which says where other work had more than its vCPUs', () => {
  const loud = (text: string): string => text.toUpperCase();
  assert.match(
    machineLine(machine, loud),
    /^2 vCPUs \(Testor 1\), .*load average before 2.5, BUSY WITH OTHER WORK, Node v24/,
  );
  assert.doesNotMatch(machineLine({ ...machine, loadBefore: 2 }, loud), /busy/i);
});

test('figures have three digits and a unit that fits', () => {
  assert.equal(showNumber(12_345.6), '12,300');
  assert.equal(showNumber(0.012345), '0.012');
  assert.equal(showNumber(3.14159), '3.14');
  assert.equal(showBytes(1536), '1.5 KiB');
  assert.equal(showBytes(300 * 2 ** 20), '300 MiB');
  assert.equal(showRatio(1.005), '1.00 ×');
  assert.equal(showRatio(123.4), '123 ×');
  assert.equal(showName('bytesPerFilter'), 'bytes per filter');
});
