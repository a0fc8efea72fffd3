import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LoopDelay } from '../../../node/http/loop-delay.ts';
import { processFamilies } from '../../../node/http/process-metrics.ts';

const figures = {
  memoryUsage: () => ({ rss: 1, heapUsed: 2, heapTotal: 3, external: 4 }),
  cpuUsage: () => ({ user: 2_000_000, system: 500_000 }),
};

function valueOf(
  families: ReturnType<typeof processFamilies>,
  name: string,
  le?: string,
): number | undefined {
  const { samples } = families.find((one) => one.name === name) ?? { samples: [] };
  return samples.find(({ suffix, labels }) => (le === undefined ? suffix !== '_bucket' : labels['le'] === le))
    ?.value;
}

test('the event loop is late by what is beyond the time between two samples', () => {
  let now = 0;
  const delay = new LoopDelay(() => now);
  for (const elapsedMs of [19, 20, 21, 70, 2020]) {
    now += elapsedMs;
    delay.sample();
  }
  const families = processFamilies(figures, undefined, delay);
  const buckets = ['0.001', '0.025', '0.05', '1', '2.5', '+Inf'];
  const counted = buckets.map((le) => valueOf(families, 'event_loop_delay_seconds', le));
  assert.deepEqual(counted, [3, 3, 4, 4, 5, 5]);
});

test('CPU time is in seconds, and what is not known of files is left out', () => {
  const families = processFamilies(figures, undefined, new LoopDelay());
  assert.equal(valueOf(families, 'process_cpu_seconds_total'), 2);
  assert.equal(valueOf(families, 'process_open_fds'), undefined);
  const known = processFamilies(figures, { open: 21, max: Infinity }, new LoopDelay());
  assert.equal(valueOf(known, 'process_open_fds'), 21);
  assert.equal(valueOf(known, 'process_max_fds'), Infinity);
});
