// Scenario 6: latency from a publisher in cluster A to a subscriber in cluster B, at half of the highest rate.

import { GRID_US } from '../harness/load.ts';
import { SIZES } from '../harness/payloads.ts';
import type { Row, Scenario } from '../harness/scenario.ts';
import { bound, boundText } from './bound.ts';
import { causeway } from './causeway.ts';
import type { Qos } from './roles.ts';

const BYTES = SIZES['256 B'];
/** Of a durable p99 to its p50. */
const TAIL_MAX = 5;

function row(qos: Qos, goal: NonNullable<Row['goal']>): Scenario['rows'][number] {
  return {
    id: `6.${qos}`,
    what: `p50 from due to received, ${qos}, 256 B, half of the highest rate`,
    unit: 'ms',
    better: 'lower',
    short: false,
    subject: causeway(qos, BYTES),
    reference: bound(qos, BYTES),
    goal,
  };
}

export const scenario: Scenario = {
  name: 'latency',
  number: 6,
  title: 'Latency, from one cluster to another',
  rows: [
    row('durable', {
      text: `p50 ≤ ${boundText('durable')}, p99 ≤ ${TAIL_MAX} × p50`,
      met: ({ ratio, subject }) =>
        ratio !== undefined &&
        ratio >= 1 &&
        (subject.more?.['p99Ms'] ?? Infinity) <= TAIL_MAX * subject.value,
    }),
    row('best-effort', {
      text: `p50 ≤ ${boundText('best-effort')}, nothing dropped`,
      met: ({ ratio, subject }) => ratio !== undefined && ratio >= 1 && subject.more?.['dropped'] === 0,
    }),
  ],
  notes: `
Each run first finds the highest rate from A to B by itself (published without pause for some seconds, and counted until the last event arrives), then publishes at half of it on a schedule that no answer slows, every ${GRID_US} µs what is due. Latency is from when an event was due to when the batch that
brings it is in the subscriber's hands, by one clock of the machine, so the generator's own lateness and whatever a stalled mesher kept from being sent are part of it. All durable events must arrive; of best-effort ones those that do not are counted.

- The reference is no other program but the goal's bound, with its parts measured in the same run: the median of an \`fdatasync\` after appending as many bytes to a file, and the median round trip of as many bytes by TCP between
  two processes, one at a time on an idle machine. A ratio of 1 and more is a median within the bound.
- That rate is of its own run, in the minute before, and not that of scenario 1: \`events per s\` is the half of it at which the latencies were taken.
- At this rate most events share their fsync with others; an event that comes while one is under way waits for its end and then for its own, in A and again in B.
- Publisher, two meshers and subscriber share the machine's cores with the generator's clock. Where \`generator late p99\` is not small against the latency, the figure says more of the machine than of Causeway.
`,
};
