// Throughput of a mesher with many durable subscriptions: one that is busy beside others that want nothing, or all of them
// wanting an equal share, each event wanted by one of them.

import { join } from 'node:path';
import type { RunningMesher } from '../../support/federation.ts';
import type { PublisherRole } from '../durable/roles.ts';
import { type Run, sampleOf, withRun } from '../harness/run.ts';
import type { Sample, Size, Subject } from '../harness/scenario.ts';
import { PAYLOAD_BYTES, PUBLISHER, TOPIC } from './backlog.ts';
import { mustBe } from './loaded.ts';
import { giveJournal } from './prepared.ts';
import type { TakerRole } from './taker.ts';

type Measure = (run: Run, mesher: RunningMesher, size: Size) => Promise<Sample>;

const SECONDS = { full: { warmUp: 2, window: 4 }, short: { warmUp: 1, window: 2 } } as const;

/** Only events of the first one are published, and taken. */
export function oneBusy(subscriptions: number): Subject {
  return withSubscriptions('one busy', subscriptions, (run, mesher, size) =>
    publishAndTake(run, mesher, size, [0]),
  );
}

/** Nobody takes. */
export function allWaiting(subscriptions: number): Subject {
  return withSubscriptions('all wanting', subscriptions, async (run, mesher, size) => {
    const publisher = await openPublisher(run, mesher, [...Array(subscriptions).keys()]);
    const before = await publisher.call('publish', { seconds: SECONDS[size].warmUp });
    const { result, figures } = await run.measure(() =>
      publisher.call('publish', { seconds: SECONDS[size].window }),
    );
    mustBe('events queued', await depthOfAll(mesher), before.count + result.count);
    return sampleOf({ value: result.count / figures.seconds, events: result.count }, figures);
  });
}

function withSubscriptions(what: string, count: number, measure: Measure): Subject {
  return {
    name: `${count} ${count === 1 ? 'subscription' : 'subscriptions'}, ${what}`,
    run: (size) =>
      withRun('growth', async (run) => {
        const filters = Array.from({ length: count }, (_, i) => topicOf(i));
        const prepare = (_cluster: string, data: string): Promise<void> =>
          giveJournal(run, `subscriptions-${count}`, data, (writer, folder) =>
            writer.call('writeSubscriptions', { folder, filters }),
          );
        const federation = await run.federation({ clusters: { a: 1 }, prepare });
        return measure(run, federation.mesher('a'), size);
      }),
  };
}

async function publishAndTake(
  run: Run,
  mesher: RunningMesher,
  size: Size,
  busy: readonly number[],
): Promise<Sample> {
  const publisher = await openPublisher(run, mesher, busy);
  const taker = run.role<TakerRole>('client', join(import.meta.dirname, 'taker.ts'));
  await taker.call('open', { address: mesher.http, names: busy.map(String) });
  const pass = async (seconds: number): Promise<number> => {
    const { count, upTo } = await publisher.call('publish', { seconds });
    await taker.call('take', { upTo });
    return count;
  };
  const before = await pass(SECONDS[size].warmUp);
  const { result: events, figures } = await run.measure(() => pass(SECONDS[size].window));
  const { distinct, duplicates } = await taker.call('stop', undefined);
  mustBe('duplicates', duplicates, 0);
  mustBe('events taken', distinct, before + events);
  mustBe('events queued', await depthOfAll(mesher), 0);
  return sampleOf({ value: events / figures.seconds, events }, figures);
}

async function openPublisher(run: Run, mesher: RunningMesher, to: readonly number[]) {
  const publisher = run.role<PublisherRole>('client', PUBLISHER);
  await publisher.call('open', {
    address: mesher.http,
    payloadBytes: PAYLOAD_BYTES,
    topics: to.map(topicOf),
  });
  return publisher;
}

function topicOf(subscription: number): string {
  return `${TOPIC}/${subscription}`;
}

async function depthOfAll(mesher: RunningMesher): Promise<number> {
  const { subscriptions } = await mesher.get<{ subscriptions: readonly { state: { depth: number } }[] }>(
    '/v1/subscriptions',
  );
  return subscriptions.reduce((sum, { state }) => sum + state.depth, 0);
}
