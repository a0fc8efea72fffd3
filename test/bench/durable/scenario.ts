// Scenarios 1 and 2: durable publishing in cluster A, acked by a durable subscriber in cluster B, against NATS JetStream.

import { SIZES } from '../harness/payloads.ts';
import type { Row, Scenario } from '../harness/scenario.ts';
import { natsVersions } from '../references/nats/install.ts';
import { BYTES_UNDER_WAY as NATS_BYTES, MESSAGES_AHEAD } from '../references/nats/names.ts';
import { causeway } from './causeway.ts';
import { jetStream } from './jetstream.ts';
import { SECONDS, TRACED_EVENTS } from './throughput.ts';
import { BYTES_UNDER_WAY, EVENTS_UNDER_WAY } from './window.ts';

const GOAL_ALWAYS = 20;
const GOAL_DEFAULT = 1;

function goal(ratioMin: number): NonNullable<Row['goal']> {
  return {
    text: `≥ ${ratioMin} ×`,
    met: ({ ratio }) => ratio !== undefined && ratio >= ratioMin,
  };
}

function row(id: string, title: keyof typeof SIZES): Scenario['rows'][number] {
  const bytes = SIZES[title];
  return {
    id,
    what: `durable from A to B, ${title}`,
    unit: 'events/s',
    better: 'higher',
    short: false,
    subject: causeway(bytes),
    reference: jetStream('default', bytes),
    goal: goal(GOAL_DEFAULT),
  };
}

const MIB = 1024 * 1024;

/** What an fsync takes on a disk that has no memory of its own to hide it in; see the notes. */
const SLOWER = { fsyncSlowerMs: 1 } as const;

export const scenario: Scenario = {
  name: 'durable',
  number: 1,
  title: 'Durable, from one cluster to another',
  rows: [
    row('1.durable-256', '256 B'),
    {
      ...row('1.durable-256-always', '256 B'),
      what: 'durable from A to B, 256 B, the reference syncing too',
      reference: jetStream('always', SIZES['256 B']),
      goal: goal(GOAL_ALWAYS),
    },
    {
      ...row('1.durable-256-always-1ms', '256 B'),
      what: `durable from A to B, 256 B, the reference syncing too, each fsync ${SLOWER.fsyncSlowerMs} ms slower`,
      subject: causeway(SIZES['256 B'], SLOWER),
      reference: jetStream('always', SIZES['256 B'], SLOWER),
      goal: goal(GOAL_ALWAYS),
    },
    row('2.durable-1k', '1 KiB'),
    row('2.durable-16k', '16 KiB'),
  ],
  programs: natsVersions,
  notes: `
Four processes on loopback: a publisher at the server of cluster A, the servers of A and B, and a subscriber at B's. After a pass of ${SECONDS.full.warmUp} s that does not count, events are published for ${SECONDS.full.window} s with a window of them under way, each with an ack of
its own, and then all of them are taken, until the server in B has confirmed the last ack; the rate is that of the whole, so what piles up between the two ends is paid for.
In the end every number that was published must have arrived, and nothing else; what arrived twice is counted. Rows \`1.…\` have 256 B, rows \`2.…\` more.

- **Causeway**: one mesher in each cluster, publisher and subscriber with the streaming client, all of it with its defaults. The publisher's ack comes after an fsync in A, and A's after an fsync in B. An event is deleted where its last owner has let
  go of it: in A when B has it, in B when it is acked.
- **JetStream**: one server in each cluster, each with its own JetStream domain, joined by a leaf node connection; the stream in B sources the one in A. Files, one replica, a durable pull consumer with
  explicit acks and no bound on what waits for them. A leaf node with domains is what NATS's documentation describes for JetStreams that are independent of each other; servers joined by gateways share one JetStream, whose
  metadata needs a majority of all of them. By default it acks before anything is synced (\`sync_interval\`: two minutes), so an acked event survives a crash of the process, not of the machine;
  with \`sync_interval: always\` it syncs each message by itself, on both servers. Retention is the default one, by limits, of which none is set: it deletes nothing during a run, which saves it the work and costs it disk and page cache. All that is not named here is NATS's default; the
  configuration is written by \`test/bench/references/nats/configuration.ts\`, streams and consumer by \`clusters.ts\` beside it.
- **Windows** are each one's own. Both publishers have at most ${EVENTS_UNDER_WAY.toLocaleString('en')} events under way, and no more bytes of payloads than ${BYTES_UNDER_WAY / MIB} MiB (Causeway: what keeps a mesher's window full) and ${NATS_BYTES / MIB} MiB
  (JetStream): of 1 KiB that is ${under(BYTES_UNDER_WAY, 1024)} and ${under(NATS_BYTES, 1024)} events, of 16 KiB ${under(BYTES_UNDER_WAY, 16_384)} and ${under(NATS_BYTES, 16_384)}. With 256 B JetStream's CPU time for an event was the same from 512 to 16,384 under way; with 16 KiB it did
  better with fewer, and the smaller window is in its favour. The subscribers are sent ahead what their clients ask for: Causeway's its default of 4,096 deliveries, JetStream's ${MESSAGES_AHEAD.toLocaleString('en')} messages (from 500 to 5,000 its CPU time for an event is the same).
- The reference is driven by NATS's own Node client as fast as we know how: acks are counted on reply subjects instead of awaited one by one (the client's \`publish\` of JetStream takes 24 µs of CPU per event, this way 2),
  and the consumer is asked ahead. It has not been driven from another language here. Its messages are the bare payload, while Causeway's events have an id, a source, a type and a content type beside theirs.
- What \`sync_interval: always\` costs is the disk's fsync for every message, twice; Causeway shares one among all that waited, so its rate hardly depends on it. On virtual disks an fsync often takes 0.1 ms and
  less; \`1.durable-256-always-1ms\` is the same as \`1.durable-256-always\` with every fsync of all servers held up for 1 ms by strace, which stops them at no other call.
- fsyncs of JetStream are counted by strace over ${TRACED_EVENTS.toLocaleString('en')} more events, after the figures were taken; those of Causeway by its own metric, which strace confirms.
`,
};

/** Events of so many bytes that a publisher has under way within that many bytes. */
function under(windowBytes: number, payloadBytes: number): string {
  return Math.min(EVENTS_UNDER_WAY, windowBytes / payloadBytes).toLocaleString('en');
}
