// One publisher and many subscribers at one mesher. Events come in rounds: the next is published when every subscriber has the last,
// so that none is dropped for want of speed, and the mesher is asked for nothing but to take and to deliver.

import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { TOPIC } from '../durable/topic.ts';
import type { Role } from '../harness/role.ts';
import { type Run, sampleOf, withRun } from '../harness/run.ts';
import type { Sample, Size, Subject } from '../harness/scenario.ts';
import type { PacedPublisherRole, Qos } from '../latency/roles.ts';
import type { SubscribersRole } from './roles.ts';

export interface LocalCase {
  readonly qos: Qos;
  readonly subscribers: number;
  readonly payloadBytes: number;
}

interface Ends {
  readonly publisher: Role<PacedPublisherRole>;
  readonly subscribers: Role<SubscribersRole>;
}

/** Of one window, whatever the fan-out, but no fewer events than some rounds. */
const DELIVERIES = { full: 400_000, short: 100_000 } as const;
const EVENTS_MAX = { full: 10_000, short: 2500 } as const;
/** All of them under way together, as in a small burst from one publisher. */
const ROUND_EVENTS = 20;
const STORED_EVENTS = 2000;
const PUBLISHER = join(import.meta.dirname, '../latency/publisher.ts');

/** CPU time of the mesher for each delivery. */
export function cpuPerDelivery(one: LocalCase): Subject {
  return {
    name: `${one.subscribers.toLocaleString('en')} subscribers`,
    run: (size) =>
      withRun('fan-out', async (run) => {
        const ends = await open(run, one);
        const events = eventsOf(size, one);
        await rounds(ends, events, 0);
        const { figures } = await run.measure(() => rounds(ends, events, events));
        const deliveries = events * one.subscribers;
        if (figures.serverCpuUs === undefined)
          throw new Error('this system does not say what CPU time processes took');
        const more = { deliveriesPerS: deliveries / figures.seconds };
        return sampleOf({ value: figures.serverCpuUs / deliveries, events, more }, figures);
      }),
  };
}

async function open(run: Run, { qos, subscribers: each, payloadBytes }: LocalCase): Promise<Ends> {
  const federation = await run.federation({ clusters: { a: 1 } });
  const address = federation.mesher('a').http;
  const publisher = run.role<PacedPublisherRole>('client', PUBLISHER);
  const subscribers = run.role<SubscribersRole>('client', join(import.meta.dirname, 'subscribers.ts'));
  await subscribers.call('open', { addresses: [address], each, qos });
  await publisher.call('open', { address, payloadBytes, qos });
  return { publisher, subscribers };
}

function eventsOf(size: Size, { subscribers }: LocalCase): number {
  const wanted = Math.min(EVENTS_MAX[size], DELIVERIES[size] / subscribers);
  return Math.ceil(wanted / ROUND_EVENTS) * ROUND_EVENTS;
}

/** `from`: how many were published before. */
async function rounds({ publisher, subscribers }: Ends, events: number, from: number): Promise<void> {
  for (let upTo = from + ROUND_EVENTS; upTo <= from + events; upTo += ROUND_EVENTS) {
    await publisher.call('publish', { count: ROUND_EVENTS });
    await subscribers.call('take', { upTo });
  }
}

/** What a mesher's journal grows by for each durable event, while no subscriber takes any. */
export function storedPerEvent(one: LocalCase): Subject {
  return {
    name: `${one.subscribers.toLocaleString('en')} subscriptions`,
    run: () => withRun('fan-out', (run) => measureStored(run, one)),
  };
}

async function measureStored(run: Run, { subscribers, payloadBytes }: LocalCase): Promise<Sample> {
  const federation = await run.federation({ clusters: { a: 1 } });
  const a = federation.mesher('a');
  for (let i = 0; i < subscribers; i++) await a.putSubscription(`kept-${i}`, { topic: TOPIC });
  const publisher = run.role<PacedPublisherRole>('client', PUBLISHER);
  await publisher.call('open', { address: a.http, payloadBytes, qos: 'durable' });
  const before = folderBytes(a.data);
  const { figures } = await run.measure(() => publisher.call('publish', { count: STORED_EVENTS }));
  const stored = folderBytes(a.data) - before;
  const full = (await a.queues()).filter(({ depth }) => depth === STORED_EVENTS).length;
  if (full !== subscribers) throw new Error(`${full} of ${subscribers} queues hold ${STORED_EVENTS} events`);
  return sampleOf({ value: stored / STORED_EVENTS, events: STORED_EVENTS }, figures);
}

/** Of all files below it. */
function folderBytes(folder: string): number {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .reduce((sum, entry) => sum + statSync(join(entry.parentPath, entry.name)).size, 0);
}
