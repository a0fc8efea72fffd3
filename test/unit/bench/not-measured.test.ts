import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { ScenarioResult } from '../../bench/harness/results.ts';
import { goalsSection, scenarioSection } from '../../bench/report/markdown.ts';

const MACHINE = {
  cpu: 'a cpu',
  cores: 2,
  memoryBytes: 1e9,
  system: 'linux',
  fileSystem: 'ext4',
  loadBefore: 0,
  fsyncMs: 1,
  node: 'v24',
  libraries: {},
  commit: 'abc',
};
const RESULT: ScenarioResult = {
  name: 'durable',
  number: 1,
  title: 'Durable',
  at: '2026-01-01T00:00:00.000Z',
  size: 'full',
  machine: MACHINE,
  inputs: 'payloads from a test',
  programs: {},
  rows: [],
  notMeasured: [{ id: '1.durable', what: 'durable, 256 B', why: 'NATS: Go is not installed', goal: '≥ 1 ×' }],
};

test('a row that could not be measured is said to be that, with why, and its goal counts as neither met nor missed', () => {
  assert.match(
    scenarioSection(RESULT, ''),
    /- `1\.durable` \(durable, 256 B\): \*\*not measured\*\*\. NATS: Go is not installed\./,
  );
  assert.match(
    goalsSection([RESULT]),
    /\| `1\.durable` \| durable, 256 B \| ≥ 1 × \| {2}\| \*\*not measured\*\* \|/,
  );
});
