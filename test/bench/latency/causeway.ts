// The subject: the highest rate from A to B is found first, and then the latency at half of it, on a schedule that no answer slows.

import { join } from 'node:path';
import { TOPIC } from '../durable/topic.ts';
import { monotonicUs } from '../harness/latencies.ts';
import { GRID_US, type Schedule } from '../harness/load.ts';
import type { Role } from '../harness/role.ts';
import { type Run, sampleOf, withRun } from '../harness/run.ts';
import type { Sample, Size, Subject } from '../harness/scenario.ts';
import type { PacedPublisherRole, Qos, TimedSubscriberRole } from './roles.ts';

const SECONDS = {
  full: { warmUp: 3, saturated: 4, paced: 8 },
  short: { warmUp: 1, saturated: 1.5, paced: 3 },
} as const;
/** Until both ends have heard of the schedule. */
const START_IN_US = 200_000;

interface Ends {
  readonly publisher: Role<PacedPublisherRole>;
  readonly subscriber: Role<TimedSubscriberRole>;
}

export function causeway(qos: Qos, payloadBytes: number): Subject {
  return {
    name: `Causeway, ${qos}`,
    run: (size) =>
      withRun('latency', async (run) => {
        const ends = await open(run, qos, payloadBytes);
        return measure(run, size, ends);
      }),
  };
}

async function open(run: Run, qos: Qos, payloadBytes: number): Promise<Ends> {
  const federation = await run.federation({ clusters: { a: 1, b: 1 } });
  const [a, b] = [federation.mesher('a'), federation.mesher('b')];
  const publisher = run.role<PacedPublisherRole>('client', join(import.meta.dirname, 'publisher.ts'));
  const subscriber = run.role<TimedSubscriberRole>('client', join(import.meta.dirname, 'subscriber.ts'));
  await subscriber.call('open', { address: b.http, qos });
  await publisher.call('open', { address: a.http, payloadBytes, qos });
  await federation.whenRouted(a, TOPIC, ['b']);
  return { publisher, subscriber };
}

async function measure(run: Run, size: Size, ends: Ends): Promise<Sample> {
  const { warmUp, saturated, paced } = SECONDS[size];
  const { upTo: warmedUp } = await saturate(ends, { seconds: warmUp, first: 0 });
  const { ratePerS: highest, upTo } = await saturate(ends, { seconds: saturated, first: warmedUp });
  const ratePerS = highest / 2;
  const count = Math.floor(ratePerS * paced);
  const { result, figures } = await run.measure(async () => {
    const schedule: Schedule = { startUs: monotonicUs() + START_IN_US, ratePerS, everyUs: GRID_US };
    await ends.subscriber.call('expect', { schedule, first: upTo });
    const { late } = await ends.publisher.call('publishPaced', { schedule, count });
    return { late, ...(await ends.subscriber.call('take', { count })) };
  });
  const { latency, late, duplicates, dropped } = result;
  const { p50Ms, p99Ms, p999Ms, maxMs } = latency;
  const more = {
    p99Ms,
    p999Ms,
    maxMs,
    generatorLateP99Ms: late.p99Ms,
    eventsPerS: ratePerS,
    duplicates,
    dropped,
  };
  return sampleOf({ value: p50Ms, events: count, more }, figures);
}

/** What arrives a second when as much is published as is taken. Best-effort events may be dropped meanwhile. */
async function saturate(
  { publisher, subscriber }: Ends,
  { seconds, first }: { readonly seconds: number; readonly first: number },
): Promise<{ readonly ratePerS: number; readonly upTo: number }> {
  const before = await subscriber.call('drain', { upTo: first });
  const { upTo, startUs } = await publisher.call('publish', { seconds });
  const { events, lastUs } = await subscriber.call('drain', { upTo });
  return { ratePerS: ((events - before.events) / (lastUs - startUs)) * 1e6, upTo };
}
