// One run of durable publishing in cluster A and acking in cluster B: as many events as the publisher gets acked in a given
// time, and then all of them until the last ack of the subscriber is confirmed. So what piles up between the two ends is paid for.

import type { Role } from '../harness/role.ts';
import { type Run, sampleOf } from '../harness/run.ts';
import type { Sample, Size } from '../harness/scenario.ts';
import type { Load, PublisherRole, SubscriberRole } from './roles.ts';

export interface Ends {
  readonly publisher: Role<PublisherRole>;
  readonly subscriber: Role<SubscriberRole>;
}

/** How long each pass publishes, s; it then takes as long as it takes. */
export interface Seconds {
  readonly warmUp: number;
  readonly window: number;
}

export const SECONDS: Readonly<Record<Size, Seconds>> = {
  full: { warmUp: 3, window: 6 },
  short: { warmUp: 1, window: 2 },
};
/** Traced for its fsyncs, after the window. */
export const TRACED_EVENTS = 2000;

/** Publishes for so long, and sees everything arrive, for nothing but that it was done. */
export async function warm(ends: Ends, seconds: number): Promise<void> {
  await pass(ends, { seconds });
}

/** `countsSyncs`: the servers say themselves how often they sync; else they are traced. */
export async function measureThroughput(
  run: Run,
  seconds: Seconds,
  ends: Ends,
  counting: { readonly countsSyncs: boolean },
): Promise<Sample> {
  await warm(ends, seconds.warmUp);
  return measureWindow(run, seconds.window, ends, counting);
}

export async function measureWindow(
  run: Run,
  window: number,
  ends: Ends,
  { countsSyncs }: { readonly countsSyncs: boolean },
): Promise<Sample> {
  const { result, figures } = await run.measure(() => pass(ends, { seconds: window }));
  const { events, seconds, duplicates } = result;
  const traced = countsSyncs
    ? undefined
    : await run.countFsyncs(async () => void (await pass(ends, { count: TRACED_EVENTS })));
  return sampleOf(
    {
      value: events / seconds,
      events,
      more: { duplicates },
      ...(traced !== undefined && { fsyncsPerEvent: traced / TRACED_EVENTS }),
    },
    figures,
  );
}

/** Publishes, and sees everything arrive. Rejects when something is lost. */
async function pass(
  { publisher, subscriber }: Ends,
  load: Load,
): Promise<{ readonly events: number; readonly seconds: number; readonly duplicates: number }> {
  const { count, upTo, startUs } = await publisher.call('publish', load);
  const { duplicates, endUs } = await subscriber.call('take', { upTo });
  return { events: count, seconds: (endUs - startUs) / 1e6, duplicates };
}
