// Best-effort events through two whole meshers, a publisher at the one and an ephemeral subscriber at the other, both with the
// streaming client: what is left of a link's rate where all that stands around it takes its share of the machine. Best-effort
// events are dropped where more come than are taken, so only so many are under way that none is.

import { join } from 'node:path';
import { TOPIC } from '../durable/topic.ts';
import type { SubscribersRole } from '../fan-out/roles.ts';
import type { Role } from '../harness/role.ts';
import { type Run, sampleOf, withRun } from '../harness/run.ts';
import type { Sample, Size, Subject } from '../harness/scenario.ts';
import type { PacedPublisherRole } from '../latency/roles.ts';

const SECONDS = { full: { warmUp: 2, window: 4 }, short: { warmUp: 1, window: 2 } } as const;
/** Published at once. Three of them may be under way: less than a subscriber's queue holds. */
const ROUND_EVENTS = 1024;
const PUBLISHER = join(import.meta.dirname, '../latency/publisher.ts');
const SUBSCRIBERS = join(import.meta.dirname, '../fan-out/subscribers.ts');

interface Ends {
  readonly publisher: Role<PacedPublisherRole>;
  readonly subscriber: Role<SubscribersRole>;
}

export function endToEnd(payloadBytes: number): Subject {
  return {
    name: 'meshers',
    run: (size) => withRun('link', (run) => measure(run, size, payloadBytes)),
  };
}

async function measure(run: Run, size: Size, payloadBytes: number): Promise<Sample> {
  const ends = await open(run, payloadBytes);
  const { warmUp, window } = SECONDS[size];
  const from = await flow(ends, { from: 0, seconds: warmUp });
  const { result, figures } = await run.measure(() => flow(ends, { from, seconds: window }));
  const events = result - from;
  return sampleOf({ value: events / figures.seconds, events }, figures);
}

async function open(run: Run, payloadBytes: number): Promise<Ends> {
  const federation = await run.federation({ clusters: { a: 1, b: 1 } });
  const [a, b] = [federation.mesher('a'), federation.mesher('b')];
  const publisher = run.role<PacedPublisherRole>('client', PUBLISHER);
  const subscriber = run.role<SubscribersRole>('client', SUBSCRIBERS);
  await subscriber.call('open', { addresses: [b.http], each: 1, qos: 'best-effort' });
  await publisher.call('open', { address: a.http, payloadBytes, qos: 'best-effort' });
  await federation.whenRouted(a, TOPIC, ['b']);
  return { publisher, subscriber };
}

/** Publishes for so long, and waits until all has arrived. Returns how many were published since the start of the run. */
async function flow(
  { publisher, subscriber }: Ends,
  { from, seconds }: { readonly from: number; readonly seconds: number },
): Promise<number> {
  const endMs = performance.now() + seconds * 1000;
  let upTo = from;
  let last = Promise.resolve();
  let lastButOne = last;
  while (performance.now() < endMs) {
    await publisher.call('publish', { count: ROUND_EVENTS });
    upTo += ROUND_EVENTS;
    await lastButOne;
    [last, lastButOne] = [subscriber.call('take', { upTo }), last];
  }
  await Promise.all([last, lastButOne]);
  return upTo;
}
