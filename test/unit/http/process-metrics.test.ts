import assert from 'node:assert/strict';
import { createHistogram } from 'node:perf_hooks';
import { test } from 'node:test';
import { processFamilies } from '../../../node/http/process-metrics.ts';

const RESOLUTION_MS = 20;
const figures = {
  memoryUsage: () => ({ rss: 1, heapUsed: 2, heapTotal: 3, external: 4 }),
  cpuUsage: () => ({ user: 2_000_000, system: 500_000 }),
  uptime: () => 5,
};

function delays(delay: Parameters<typeof processFamilies>[1]): number[] {
  const families = processFamilies(figures, delay, RESOLUTION_MS);
  return ['event_loop_delay_seconds', 'event_loop_delay_max_seconds'].flatMap(
    (wanted) => families.find(({ name }) => name === wanted)?.samples.map(({ value }) => value) ?? [],
  );
}

test('the event loop is late by what is beyond the time between two samples, since the last call', () => {
  const delay = createHistogram();
  for (let i = 0; i < 95; i++) delay.record(19_900_000);
  for (let i = 0; i < 5; i++) delay.record(120_000_000);
  const [half, most, nearlyAll = 0, max = 0] = delays(delay);
  assert.deepEqual([half, most], [0, 0]);
  assert.ok(Math.abs(nearlyAll - 0.1) < 0.001 && Math.abs(max - 0.1) < 0.001, `${nearlyAll}, ${max}`);
  assert.deepEqual(delays(delay), [0, 0, 0, 0], 'nothing measured yet: no placeholders');
});
