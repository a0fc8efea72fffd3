// The reference of latencies: what the parts take by themselves, measured in the same run, and the allowance of the goal for all the
// rest. A latency within its bound has a ratio of 1 and more.

import { join } from 'node:path';
import { type Run, withRun } from '../harness/run.ts';
import type { Sample, Subject } from '../harness/scenario.ts';
import type { PartsRole } from './parts.ts';
import type { Qos } from './roles.ts';

/** Times of each part in a bound, and what is allowed beside them. */
const BOUNDS: Readonly<Record<Qos, { readonly fsyncs: number; readonly allowanceMs: number }>> = {
  durable: { fsyncs: 2, allowanceMs: 2 },
  'best-effort': { fsyncs: 0, allowanceMs: 1 },
};
const COUNT = 2000;
/** Before those that count. */
const WARM_UPS = 200;

export function boundText(qos: Qos): string {
  const { fsyncs, allowanceMs } = BOUNDS[qos];
  return `${fsyncs > 0 ? `${fsyncs} fsyncs + ` : ''}RTT + ${allowanceMs} ms`;
}

export function bound(qos: Qos, payloadBytes: number): Subject {
  return {
    name: `${boundText(qos)}, its parts measured`,
    run: () => withRun('latency', (run) => measureParts(run, qos, payloadBytes)),
  };
}

async function measureParts(run: Run, qos: Qos, bytes: number): Promise<Sample> {
  const start = () => run.role<PartsRole>('client', join(import.meta.dirname, 'parts.ts'));
  const [here, there] = [start(), start()];
  const { port } = await there.call('listen', undefined);
  const file = join(run.folder, 'appended');
  await here.call('ping', { port, bytes, count: WARM_UPS });
  await here.call('fsync', { file, bytes, count: WARM_UPS });
  const { p50Ms: rttMs } = await here.call('ping', { port, bytes, count: COUNT });
  const { p50Ms: fsyncMs } = await here.call('fsync', { file, bytes, count: COUNT });
  const { fsyncs, allowanceMs } = BOUNDS[qos];
  // a bound costs nothing: what its parts took of CPU is no event's
  return { value: fsyncs * fsyncMs + rttMs + allowanceMs, events: COUNT, more: { rttMs, fsyncMs } };
}
