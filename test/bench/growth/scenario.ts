// Scenario 9: what a mesher does when there is much of something: a backlog on disk, or durable subscriptions.

import type { Row, Scenario } from '../harness/scenario.ts';
import { EVENTS_UNDER_WAY } from '../durable/window.ts';
import { type Backlog, backlog, EVENTS_PER_BLOCK, PAYLOAD_BYTES } from './backlog.ts';
import { draining, drainingLanes, publishingOnTop } from './loaded.ts';
import { emptyStart, startUp } from './start-up.ts';
import { allWaiting, oneBusy } from './subscriptions.ts';

const START_MAX_S = 5;
const RSS_MAX_BYTES = 400e6;
const RATIO_MIN = 0.9;

const SIZES = { '1e5': 1e5, '1e6': 1e6, '1e7': 1e7 } as const;
type SizeName = keyof typeof SIZES;

const NAMES = { '1e5': '10⁵ events', '1e6': '10⁶ events', '1e7': '10⁷ events' } as const;

type GrowthRow = Scenario['rows'][number];

const starts: NonNullable<Row['goal']> = {
  text: `≤ ${START_MAX_S} s, ≤ ${RSS_MAX_BYTES / 1e6} MB`,
  met: ({ subject }) => subject.value <= START_MAX_S && (subject.rssMaxBytes ?? 0) <= RSS_MAX_BYTES,
};

const keepsUp: NonNullable<Row['goal']> = {
  text: `≥ ${RATIO_MIN} ×, ≤ ${RSS_MAX_BYTES / 1e6} MB`,
  met: ({ ratio, subject }) =>
    ratio !== undefined && ratio >= RATIO_MIN && (subject.rssMaxBytes ?? 0) <= RSS_MAX_BYTES,
};

function startRow(id: string, what: string, name: string, of: Backlog, short = false): GrowthRow {
  return {
    id: `9.start-${id}`,
    what: `from the start of the process until it is ready, with ${what}`,
    unit: 's',
    better: 'lower',
    subject: startUp(name, of),
    reference: emptyStart,
    goal: starts,
    short,
  };
}

function throughput(id: string, what: string, rest: Pick<Row, 'subject' | 'reference'>): GrowthRow {
  return { id: `9.${id}`, what, unit: 'events/s', better: 'higher', goal: keepsUp, short: false, ...rest };
}

function publish(size: SizeName): GrowthRow {
  return throughput(
    `publish-${size}`,
    `durable publishing on top of ${NAMES[size]}, against ${NAMES['1e5']}`,
    {
      subject: publishingOnTop(`all-${size}`, backlog(SIZES[size])),
      reference: publishingOnTop('all-1e5', backlog(SIZES['1e5'])),
    },
  );
}

const drain: GrowthRow = throughput('drain-1e7', `taking from ${NAMES['1e7']}, against ${NAMES['1e6']}`, {
  subject: draining('all-1e7', backlog(1e7)),
  reference: draining('all-1e6', backlog(1e6)),
});

const drainLanes: GrowthRow = throughput(
  'drain-lanes-1e7',
  `to another cluster and taken there, from ${NAMES['1e7']} in 8 lanes, against ${NAMES['1e6']}`,
  {
    subject: drainingLanes('lanes-1e7', backlog(1e7, 'lanes')),
    reference: drainingLanes('lanes-1e6', backlog(1e6, 'lanes')),
  },
);

function subscriptions(count: number): GrowthRow[] {
  const shown = count.toLocaleString('en');
  return [
    throughput(
      `idle-${count}`,
      `published to and taken from one of ${shown} durable subscriptions, against one alone`,
      {
        subject: oneBusy(count),
        reference: oneBusy(1),
      },
    ),
    throughput(`wanting-${count}`, `published to ${shown} durable subscriptions by turns, against one`, {
      subject: allWaiting(count),
      reference: allWaiting(1),
    }),
  ];
}

export const scenario: Scenario = {
  name: 'growth',
  number: 9,
  title: 'Growth: backlogs and subscriptions',
  rows: [
    startRow('1e5', `${NAMES['1e5']} queued`, 'all-1e5', backlog(1e5), true),
    startRow('1e7', `${NAMES['1e7']} queued`, 'all-1e7', backlog(1e7)),
    startRow('lanes-1e7', `${NAMES['1e7']} in 8 lanes`, 'lanes-1e7', backlog(1e7, 'lanes')),
    startRow(
      'singles-1e6',
      `${NAMES['1e6']} that came one by one`,
      'singles-1e6',
      backlog(1e6, 'subscription', 1),
    ),
    publish('1e6'),
    publish('1e7'),
    drain,
    drainLanes,
    ...subscriptions(10_000),
  ],
  notes: `
One mesher (two for the lanes: one with the backlog, and one in another cluster), and a process each for publishing and taking. Events carry ${PAYLOAD_BYTES} bytes, durable publishing has ${EVENTS_UNDER_WAY.toLocaleString('en')} under way.

- **The backlogs are written beforehand**, not published: by the mesher's own journal, with the records and entries that the core would have it write, ${EVENTS_PER_BLOCK} events to a block (or one, where they _came one by one_), without
  fsyncs. LevelDB then compacts them, as it would have meanwhile. It is done once for each backlog; a run starts a mesher on links to those tables, and copies of the few other files. A run reads them through the
  system's page cache: the disk itself is not what is measured.
- **Start** is from the moment at which the process is made until the mesher says that it is ready, and it must then hold as many events as were written. The reference is a mesher that has nothing:
  most of the time goes into loading the program. The memory is the most that the process had by then. Events that came in batches are read back as blocks, and 10⁷ of them take hardly longer than none. Events that came _one by one_ are a
  block each: 10⁶ of those took 3.98 s, nearly three of them for the events, so 10⁷ would take some 30 s. The goal of ${START_MAX_S} s holds for blocks, whatever their number, and for single events up to some 1.3 million.
- **Publishing** adds to the backlog, and nobody takes: afterwards as many more events must be queued as were acknowledged. **Taking** begins at the front of the backlog; what was taken and what is left must be
  all of it, and nothing comes twice (between clusters: no less than all, where what was on its way when the sender was stopped is in both). It compares with ${NAMES['1e6']}, since ${NAMES['1e5']} are gone in half a second.
- **Subscriptions** are written beforehand too. One busy among ${(10_000).toLocaleString('en')} is compared with one alone: the shares of a profile are the same for both. Where each of ${(10_000).toLocaleString('en')} wants its share, an event is a key of its own in the
  journal, with its own entry in a queue, where one subscription has one for a whole block; by a profile the mesher collected garbage for 44 % of the time that it was busy. To cost less there,
  many queues would have to share an entry.
- **Memory** is that of the largest mesher, at its peak; the table has it in MiB, of 2²⁰ bytes, and the goal is in MB, of 10⁶: ${RSS_MAX_BYTES / 1e6} MB are ${Math.floor(RSS_MAX_BYTES / 2 ** 20)} MiB. A mesher that has done nothing has some 210 MiB already: 65 are the program of Node, 80 its heap. At full speed there are two tables in LevelDB's memory, 32 MiB each, two halves of
  V8's young generation, 16 MiB each, and 16 MiB each of blocks written and read lately, whatever the backlog is. When it was looked into (November 2026, 590 MiB where one mesher sends to another), V8's heap was at 155 MiB and buffers at 74: the rest lay
  outside of V8, in LevelDB and in what the C library keeps of buffers that were let go.
`,
};
