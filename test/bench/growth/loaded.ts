// Throughput of a mesher that has a backlog: publishing on top of it, and draining it, here and to another cluster.

import { join } from 'node:path';
import { openLevelJournal } from '../../../node/journal/level-journal.ts';
import { type Run, sampleOf, withRun } from '../harness/run.ts';
import type { Subject } from '../harness/scenario.ts';
import { type Backlog, FAR_CLUSTER, PAYLOAD_BYTES, PUBLISHER, SUBSCRIPTION, TOPIC } from './backlog.ts';
import { giveJournal } from './prepared.ts';
import type { PublisherRole } from '../durable/roles.ts';
import { depthOf, startWith } from './start-up.ts';
import type { TakerRole } from './taker.ts';

const SECONDS = { full: { warmUp: 2, window: 4 }, short: { warmUp: 1, window: 2 } } as const;
/** Together fewer than the smallest backlog that is drained, 10⁶ events, and for seconds all the same. */
const DRAINED = {
  here: { warmUp: 200_000, window: 700_000 },
  lanes: { warmUp: 60_000, window: 240_000 },
} as const;

/** Nobody takes: what is published is added to the backlog. */
export function publishingOnTop(name: string, backlog: Backlog): Subject {
  return {
    name: `on top of ${name}`,
    run: (size) =>
      withRun('growth', async (run) => {
        const { mesher } = await startWith(run, name, backlog);
        const publisher = run.role<PublisherRole>('client', PUBLISHER);
        const topics = [`${TOPIC}/new`];
        await publisher.call('open', {
          address: mesher.http,
          payloadBytes: PAYLOAD_BYTES,
          topics,
          first: backlog.events,
        });
        const { warmUp, window } = SECONDS[size];
        const before = await publisher.call('publish', { seconds: warmUp });
        const { result, figures } = await run.measure(() => publisher.call('publish', { seconds: window }));
        mustBe('events queued', await depthOf(mesher, SUBSCRIPTION), result.upTo);
        mustBe('events published', result.upTo, backlog.events + before.count + result.count);
        return sampleOf({ value: result.count / figures.seconds, events: result.count }, figures);
      }),
  };
}

/** One consumer begins at the front. */
export function draining(name: string, backlog: Backlog): Subject {
  return {
    name: `from ${name}`,
    run: () =>
      withRun('growth', async (run) => {
        const { mesher } = await startWith(run, name, backlog);
        const taker = await openTaker(run, mesher.http, [SUBSCRIPTION]);
        const sample = await drain(run, taker, DRAINED.here);
        const { distinct, duplicates } = await taker.call('stop', undefined);
        mustBe('duplicates', duplicates, 0);
        mustBe('events queued or taken', (await depthOf(mesher, SUBSCRIPTION)) + distinct, backlog.events);
        return sample;
      }),
  };
}

/** A mesher whose lanes hold the backlog finds one in the far cluster, where a subscriber takes what arrives. */
export function drainingLanes(name: string, backlog: Backlog): Subject {
  return {
    name: `from ${name}`,
    run: () =>
      withRun('growth', async (run) => {
        const prepare = (cluster: string, data: string): Promise<void> =>
          cluster === FAR_CLUSTER
            ? Promise.resolve()
            : giveJournal(run, name, data, (writer, folder) =>
                writer.call('writeBacklog', { folder, backlog }),
              );
        // started first, and subscribed to before anything arrives
        const federation = await run.federation({ clusters: { [FAR_CLUSTER]: 1 }, prepare });
        const far = federation.mesher(FAR_CLUSTER);
        const taker = await openTaker(run, far.http, ['taker'], `${TOPIC}/#`);
        const near = await run.join(federation, 'a');
        await near.whenReady();
        const sample = await drain(run, taker, DRAINED.lanes);
        await near.stop();
        const { distinct, duplicates } = await taker.call('stop', undefined);
        mustBe('duplicates', duplicates, 0);
        const arrived = distinct + (await depthOf(far, 'taker'));
        const left = await leftInJournal(join(near.data, 'journal'));
        // what arrived without its ack being heard, or settled a part of a block, is in both
        if (arrived + left < backlog.events)
          throw new Error(`${arrived} events arrived and ${left} are left, of ${backlog.events}`);
        return sample;
      }),
  };
}

async function openTaker(run: Run, address: string, names: readonly string[], topic?: string) {
  const taker = run.role<TakerRole>('client', join(import.meta.dirname, 'taker.ts'));
  await taker.call('open', { address, names, ...(topic !== undefined && { topic }) });
  return taker;
}

async function drain(
  run: Run,
  taker: Awaited<ReturnType<typeof openTaker>>,
  { warmUp, window }: (typeof DRAINED)[keyof typeof DRAINED],
) {
  await taker.call('take', { count: warmUp });
  const { result, figures } = await run.measure(() => taker.call('take', { count: window }));
  return sampleOf({ value: result.events / result.seconds, events: result.events }, figures);
}

async function leftInJournal(folder: string): Promise<number> {
  const journal = await openLevelJournal(folder);
  try {
    const { queues } = await journal.recover();
    return queues.flatMap(({ blocks }) => [...blocks]).reduce((sum, { count }) => sum + count, 0);
  } finally {
    await journal.close();
  }
}

export function mustBe(what: string, count: number, expected: number): void {
  if (count !== expected) throw new Error(`${what}: ${count} instead of ${expected}`);
}
