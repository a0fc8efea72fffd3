// Scenarios 1 and 2: durable publishing in cluster A, acked by a durable subscriber in cluster B, against NATS JetStream.

import { payloadSource, SIZES } from '../harness/payloads.ts';
import type { Row, Scenario } from '../harness/scenario.ts';
import { natsVersions } from '../references/nats/install.ts';
import { causeway } from './causeway.ts';
import { jetStream } from './jetstream.ts';
import { TRACED_EVENTS } from './throughput.ts';

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
Four processes on loopback: a publisher at the server of cluster A, the servers of A and B, and a subscriber at B's. Events are published for some seconds with a window of them under way, each with an ack of
its own, and then all of them are taken, until the server in B has confirmed the last ack; the rate is that of the whole, so what piles up between the two ends is paid for. Payloads are ${payloadSource()}.
In the end every number that was published must have arrived, and nothing else; what arrived twice is counted.

- **Causeway**: one mesher in each cluster, publisher and subscriber with the streaming client, all of it with its defaults. The publisher's ack comes after an fsync in A, and A's after an fsync in B.
- **JetStream**: one server in each cluster, each with its own JetStream domain, joined by a leaf node connection; the stream in B sources the one in A. Files, one replica, a durable pull consumer with
  explicit acks. A leaf node with domains is what NATS's documentation describes for JetStreams that are independent of each other; servers joined by gateways share one JetStream, whose
  metadata needs a majority of all of them. By default it acks before anything is synced (\`sync_interval\`: two minutes), so an acked event survives a crash of the process, not of the machine;
  with \`sync_interval: always\` it syncs each message by itself, on both servers.
- The reference is driven by NATS's own Node client as fast as we know how: acks are counted on reply subjects instead of awaited one by one (the client's \`publish\` of JetStream takes 24 µs of CPU per event, this way 2),
  and the consumer is asked ahead. A publisher and a subscriber in Go took as much CPU, and its fast ingest too: what is measured are the servers. Its messages are the bare payload, while Causeway's events have an id, a source, a type and a content type beside theirs.
- What \`sync_interval: always\` costs is the disk's fsync for every message, twice; Causeway shares one among all that waited, so its rate hardly depends on it. On virtual disks an fsync often takes 0.1 ms and
  less; \`1.durable-256-always-1ms\` is the same as \`1.durable-256-always\` with every fsync of all servers held up for 1 ms by strace, which stops them at no other call.
- fsyncs of JetStream are counted by strace over ${TRACED_EVENTS.toLocaleString('en')} more events, after the figures were taken; those of Causeway by its own metric, which strace confirms.
`,
};
