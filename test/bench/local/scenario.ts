// Scenario 3: durable publishing and consuming inside one mesher, by the streaming client, against bare LevelDB with the same
// bytes and as many fsyncs.

import { join } from 'node:path';
import type { PublisherRole, SubscriberRole } from '../durable/roles.ts';
import { measureThroughput, SECONDS } from '../durable/throughput.ts';
import { SUBSCRIPTION } from '../durable/topic.ts';
import { until } from '../../support/until.ts';
import { SIZES } from '../harness/payloads.ts';
import { withRun } from '../harness/run.ts';
import type { Row, Sample, Scenario, Size, Subject } from '../harness/scenario.ts';
import { bareLevel, type Observed } from '../references/level.ts';

const ROLES = join(import.meta.dirname, '../durable');
const GOAL = 0.7;

interface Local {
  readonly subject: Subject;
  /** What the subject's last run showed; makes one where there was none yet. */
  readonly observe: (size: Size) => Promise<Observed>;
}

function local(payloadBytes: number): Local {
  let observed: Observed | undefined;
  const run = async (size: Size): Promise<Sample> => {
    const one = await runLocal(size, payloadBytes);
    observed = one.observed;
    return one.sample;
  };
  return {
    subject: { name: 'one mesher', run },
    observe: async (size) => {
      if (!observed) await run(size);
      if (!observed) throw new Error('a run was observed');
      return observed;
    },
  };
}

function runLocal(
  size: Size,
  payloadBytes: number,
): Promise<{ readonly sample: Sample; readonly observed: Observed }> {
  return withRun('local', async (run) => {
    const federation = await run.federation({ clusters: { a: 1 } });
    const a = federation.mesher('a');
    const publisher = run.role<PublisherRole>('client', join(ROLES, 'publisher.ts'));
    const subscriber = run.role<SubscriberRole>('client', join(ROLES, 'subscriber.ts'));
    await subscriber.call('open', { address: a.http });
    await publisher.call('open', { address: a.http, payloadBytes });
    // what is published before the subscription is there is none of its events
    await until(
      'the subscription is there',
      async () => (await fetch(`${a.http}/v1/subscriptions/${SUBSCRIPTION}`)).ok,
    );
    const sample = await measureThroughput(
      run,
      SECONDS[size],
      { publisher, subscriber },
      { countsSyncs: true },
    );
    const { state } = await a.get<{ state: { depth: number } }>(`/v1/subscriptions/${SUBSCRIPTION}`);
    if (state.depth > 0) throw new Error(`${state.depth} events are acked and still queued`);
    const bytes = await a.metric('causeway_journal_written_bytes_total');
    const events = await a.metric('causeway_events_published_total');
    const eventBytes = bytes / events;
    const batchEvents = 1 / (sample.fsyncsPerEvent ?? 1);
    const more = { ...sample.more, eventsPerBatch: batchEvents, bytesPerEvent: eventBytes };
    return { sample: { ...sample, more }, observed: { eventBytes, batchEvents } };
  });
}

const goal: NonNullable<Row['goal']> = {
  text: `≥ ${GOAL} ×`,
  met: ({ ratio }) => ratio !== undefined && ratio >= GOAL,
};

function row(id: string, title: keyof typeof SIZES, short: boolean) {
  const { subject, observe } = local(SIZES[title]);
  return {
    id: `3.${id}`,
    what: `publish and consume, durable, ${title}`,
    unit: 'events/s',
    better: 'higher' as const,
    short,
    subject,
    reference: bareLevel('event', observe),
    goal,
  };
}

function blockRow() {
  const { subject, observe } = local(SIZES['256 B']);
  return {
    id: '3.local-256-blocks',
    what: 'the same, 256 B, the reference writing one value a batch',
    unit: 'events/s',
    better: 'higher' as const,
    short: false,
    subject,
    reference: bareLevel('batch', observe),
  };
}

export const scenario: Scenario = {
  name: 'local',
  number: 3,
  title: 'Durable, inside one mesher',
  rows: [
    row('local-256', '256 B', true),
    row('local-1k', '1 KiB', false),
    row('local-16k', '16 KiB', false),
    blockRow(),
  ],
  notes: `
A publisher process keeps up to 4,096 events under way, each with an ack of its own when it is on disk; a subscriber process takes them from a durable subscription and acks
each, which is on disk as well before it is confirmed. The clock stops with the last confirmed ack. Nothing may be missing, and the queue must then be empty.

The reference is LevelDB in one process and nothing else: no network, no other process, no encoding. It puts as many bytes an event as the mesher handed to LevelDB, in batches of as many events
as the mesher had for each of its fsyncs in the run before, each with one fsync, and deletes each event some thousand events later, in a batch that is synced anyway. It has a key for each event, as whoever
keeps a queue in LevelDB would; a mesher writes one value for all events of a batch, and the last row says how much that leaves to gain.
`,
};
