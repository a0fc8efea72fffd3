// Scenario 7: what one more subscriber costs, at the publisher's mesher and in other clusters.

import { SIZES } from '../harness/payloads.ts';
import type { Row, Scenario } from '../harness/scenario.ts';
import type { Qos } from '../latency/roles.ts';
import { bytesPerLink } from './clusters.ts';
import { cpuPerDelivery, storedPerEvent } from './local.ts';

const PAYLOAD_BYTES = SIZES['1 KiB'];
const FAN_OUTS = [1, 10, 100, 1000] as const;
const COPIES_MAX = 1.1;
/** Gossip and acks are not the same in two runs. */
const SAME_MIN = 0.97;
/** Beside the event itself: a queue's entry names the events of a block that it still wants. */
const STORED_PER_SUBSCRIPTION_MAX = 20;

const falls: NonNullable<Row['goal']> = {
  text: 'less than at the smaller fan-out',
  met: ({ ratio }) => ratio !== undefined && ratio > 1,
};

function cpuRows(qos: Qos): Scenario['rows'] {
  return FAN_OUTS.slice(1).map((subscribers, i) => {
    const fewer = FAN_OUTS[i] ?? 1;
    return {
      id: `7.${qos}-${subscribers}`,
      what: `the mesher's CPU time for a delivery, ${qos}, 1 KiB: ${subscribers} subscribers against ${fewer}`,
      unit: 'µs/delivery',
      better: 'lower',
      short: false,
      subject: cpuPerDelivery({ qos, subscribers, payloadBytes: PAYLOAD_BYTES }),
      reference: cpuPerDelivery({ qos, subscribers: fewer, payloadBytes: PAYLOAD_BYTES }),
      goal: falls,
    };
  });
}

export const scenario: Scenario = {
  name: 'fan-out',
  number: 7,
  title: 'Fan-out: many subscribers, many clusters',
  rows: [
    ...cpuRows('best-effort'),
    ...cpuRows('durable'),
    {
      id: '7.stored-1000',
      what: 'what the journal grows by for a durable event of 1 KiB: 1,000 subscriptions against one',
      unit: 'bytes/event',
      better: 'lower',
      short: false,
      subject: storedPerEvent({ qos: 'durable', subscribers: 1000, payloadBytes: PAYLOAD_BYTES }),
      reference: storedPerEvent({ qos: 'durable', subscribers: 1, payloadBytes: PAYLOAD_BYTES }),
      goal: {
        text: `one copy, and ≤ ${STORED_PER_SUBSCRIPTION_MAX} bytes for each subscription`,
        met: ({ subject, reference }) =>
          reference !== undefined && subject.value <= reference.value + 1000 * STORED_PER_SUBSCRIPTION_MAX,
      },
    },
    {
      id: '7.clusters-10',
      what: 'what the busiest link carries, all told, for a durable event of 1 KiB to 10 clusters: ten subscribers in each against one in each',
      unit: 'bytes/event',
      better: 'lower',
      short: false,
      subject: bytesPerLink({ subscribersEach: 10, payloadBytes: PAYLOAD_BYTES }),
      reference: bytesPerLink({ subscribersEach: 1, payloadBytes: PAYLOAD_BYTES }),
      goal: {
        text: `one copy (≤ ${COPIES_MAX} × the record), however many subscribers (≥ ${SAME_MIN} ×)`,
        met: ({ ratio, subject }) =>
          ratio !== undefined &&
          ratio >= SAME_MIN &&
          subject.value <= COPIES_MAX * (subject.more?.['recordBytes'] ?? NaN),
      },
    },
  ],
  notes: `
Publishers and subscribers use the streaming client; all subscribers of a run are in one process.

- \`7.best-effort-…\` and \`7.durable-…\`: one mesher. Events come in bursts of 20, each when every subscriber has the last one whole (and, if durable, when its acks are on disk). Only the
  mesher's CPU time counts, all of it: taking the events from the publisher, storing them, delivering them and settling their acks. Each subscription must bring every event, once.
  What is done once for an event is spread over its deliveries, and is next to nothing of them at 100. What then is left is done for each subscriber (a hand-over in the core, a frame, the system's
  copy of its bytes into a socket), and at 1,000 touches more memory than caches hold.
- \`7.stored-1000\`: the size of all files of the journal before and after, while no subscriber takes any.
- \`7.clusters-10\`: eleven meshers. What counts is what the kernel says was sent on the busiest link's connection: events, encryption, muxer, control messages and gossip. \`record bytes\` is an event as it is
  stored; \`meshers count per event\` is what the mesher itself counts for its links, of events and what is said of where they are to go. By that count each link must have carried each event once.
`,
};
