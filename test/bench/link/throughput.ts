// Two ends of a link, or of a bare stream, in processes of their own: one sends as fast as the other takes, and for a while
// it is measured how much arrives. In the end all that was sent must have arrived.

import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { Role } from '../harness/role.ts';
import { type Run, sampleOf, withRun } from '../harness/run.ts';
import type { Sample, Size, Subject } from '../harness/scenario.ts';
import type { DistanceRole } from './distance.ts';
import type { EndOptions, EndRole, Place, Progress, StreamOptions } from './end.ts';

/** What is measured, and over which distance. Seconds are of every run. */
export type Case = {
  readonly seconds: { readonly warmUp: number; readonly window: number };
  /** 0: straight over loopback. */
  readonly roundTripMs?: number;
  readonly unit: 'events/s' | 'MB/s';
} & (
  | { readonly of: 'link'; readonly options: EndOptions }
  | { readonly of: 'stream'; readonly options: StreamOptions }
);

const MODULES = {
  link: join(import.meta.dirname, 'network.ts'),
  stream: join(import.meta.dirname, '../references/libp2p.ts'),
} as const;

export function throughputOf(name: string, caseOf: (size: Size) => Case): Subject {
  return { name, run: (size) => withRun('link', (run) => measure(run, caseOf(size))) };
}

async function measure(run: Run, one: Case): Promise<Sample> {
  const { sender, receiver } = await open(run, one);
  await sender.call('start', undefined);
  await wait(one.seconds.warmUp * 1000);
  await sender.call('pings', undefined);
  const progress = async () => ({
    sent: await sender.call('progress', undefined),
    received: await receiver.call('progress', undefined),
  });
  const { result, figures } = await run.measure(async () => {
    const before = await progress();
    await wait(one.seconds.window * 1000);
    return { before, after: await progress() };
  });
  const pings = await sender.call('pings', undefined);
  const total = await sender.call('stop', undefined);
  await receiver.call('received', total.bytes);
  const { before, after } = result;
  const seconds = (after.received.atUs - before.received.atUs) / 1e6;
  const events = after.received.events - before.received.events;
  const megabytesPerS = (after.received.bytes - before.received.bytes) / 1e6 / seconds;
  const more = {
    ...(one.unit === 'events/s' && { megabytesPerS }),
    senderCpuPercent: cpuPercent(before.sent, after.sent),
    receiverCpuPercent: cpuPercent(before.received, after.received),
    pingP50Ms: pings.p50Ms,
    pingP99Ms: pings.p99Ms,
  };
  return sampleOf(
    { value: one.unit === 'events/s' ? events / seconds : megabytesPerS, events, more },
    figures,
  );
}

interface Ends {
  readonly sender: Role<EndRole<StreamOptions>>;
  readonly receiver: Role<EndRole<StreamOptions>>;
}

async function open(run: Run, { of, options, roundTripMs = 0 }: Case): Promise<Ends> {
  const sender = run.role<EndRole<StreamOptions>>('server', MODULES[of]);
  const receiver = run.role<EndRole<StreamOptions>>('server', MODULES[of]);
  const from = await sender.call('open', options);
  const to = await receiver.call('open', options);
  const reached = roundTripMs === 0 ? to : await atDistance(run, to, roundTripMs);
  await Promise.all([
    receiver.call('link', { ...from, dials: false }),
    sender.call('link', { ...reached, dials: true }),
  ]);
  return { sender, receiver };
}

async function atDistance(run: Run, place: Place, roundTripMs: number): Promise<Place> {
  const port = Number(/\/tcp\/(\d+)/.exec(place.address)?.[1]);
  const distance = run.role<DistanceRole>('client', join(import.meta.dirname, 'distance.ts'));
  const { port: leading } = await distance.call('open', { port, oneWayMs: roundTripMs / 2 });
  return { ...place, address: place.address.replace(`/tcp/${port}`, `/tcp/${leading}`) };
}

/** Of one core; its threads together may take more than one. */
function cpuPercent(before: Progress, after: Progress): number {
  return (100 * (after.cpuUs - before.cpuUs)) / (after.atUs - before.atUs);
}
