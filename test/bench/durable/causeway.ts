// The subject: a mesher in each of two clusters, a publisher at A's and a durable subscriber at B's, both by the streaming client.

import { join } from 'node:path';
import type { Federation } from '../../support/federation.ts';
import { Run } from '../harness/run.ts';
import { type OpenSubject, runOnce, type Size, type Subject } from '../harness/scenario.ts';
import type { PublisherRole, SubscriberRole } from './roles.ts';
import { type Disk, slowerFsync } from './slower-fsync.ts';
import { type Ends, measureWindow, SECONDS, type Seconds, warm } from './throughput.ts';
import { SUBSCRIPTION, TOPIC } from './topic.ts';

/** What else is there during a run of Causeway. */
export interface Beside {
  /** In tables. */
  readonly name: string;
  /** Further flags of both meshers. */
  readonly flags?: readonly string[];
  /** Left out: as in scenario 1. */
  readonly seconds?: Seconds;
  /** Called when they are to be loaded; returns how it ends. */
  readonly begin?: (federation: Federation) => Promise<() => void>;
}

export function causeway(
  payloadBytes: number,
  { fsyncSlowerMs }: Disk = {},
  { name, flags = [], seconds, begin }: Beside = { name: 'Causeway' },
): Subject & Required<Pick<Subject, 'open'>> {
  const open = async (size: Size): Promise<OpenSubject> => {
    const run = new Run('durable');
    try {
      const wrapper = fsyncSlowerMs === undefined ? [] : await slowerFsync(fsyncSlowerMs);
      const federation = await run.federation({ clusters: { a: 1, b: 1 }, wrapper, flags });
      const { ends, whenSettled } = await openCauseway(run, payloadBytes, federation);
      const { warmUp, window } = seconds ?? SECONDS[size];
      const beside = async <T>(load: () => Promise<T>): Promise<T> => {
        const end = await begin?.(federation);
        try {
          return await load();
        } finally {
          end?.();
        }
      };
      await beside(() => warm(ends, warmUp));
      return {
        sample: async () => {
          const sample = await beside(() => measureWindow(run, window, ends, { countsSyncs: true }));
          await whenSettled();
          return sample;
        },
        close: () => run.end(),
      };
    } catch (error) {
      await run.end();
      throw error;
    }
  };
  return {
    name,
    ready: async () => {
      if (fsyncSlowerMs !== undefined) await slowerFsync(fsyncSlowerMs);
    },
    open,
    run: (size) => runOnce(open, size),
  };
}

/** Resolves when A knows of the subscription in B. `whenSettled` rejects where B holds events yet. */
async function openCauseway(
  run: Run,
  payloadBytes: number,
  federation: Federation,
): Promise<{ readonly ends: Ends; readonly whenSettled: () => Promise<void> }> {
  const [a, b] = [federation.mesher('a'), federation.mesher('b')];
  const publisher = run.role<PublisherRole>('client', join(import.meta.dirname, 'publisher.ts'));
  const subscriber = run.role<SubscriberRole>('client', join(import.meta.dirname, 'subscriber.ts'));
  await subscriber.call('open', { address: b.http });
  await publisher.call('open', { address: a.http, payloadBytes });
  await federation.whenRouted(a, TOPIC, ['b']);
  return {
    ends: { publisher, subscriber },
    whenSettled: async () => {
      const { state } = await b.get<{ state: { depth: number } }>(`/v1/subscriptions/${SUBSCRIPTION}`);
      if (state.depth > 0) throw new Error(`${state.depth} events are acked and still queued`);
    },
  };
}
