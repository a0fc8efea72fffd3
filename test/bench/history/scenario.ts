// Scenario 11: what it costs to look on at the cores' steps: to remember what became of each event (node/observe/history), and to find
// those that are traced (node/observe/otel).

import { EventHash } from '../../../node/observe/history/event-hash.ts';
import { EventHistory } from '../../../node/observe/history/event-history.ts';
import type { Row, Sample, Scenario, Size } from '../harness/scenario.ts';
import { TraceObserver } from '../../../node/observe/otel/observer.ts';
import { Tracer } from '../../../node/observe/otel/traced-event.ts';
import type { MesherCore } from '../../../node/core/mesher-core.ts';
import { Pair, type Watcher } from './pair.ts';

const EVENTS = { short: 200_000, full: 2_000_000 } as const;
const WARM_UP = 50_000;
const REMEMBERED = 200_000;
const PAYLOAD_BYTES = 256;
const SAMPLED = 0.001;
/** One event of ten thousand ns in a mesher that is busy with nothing else: 3 % of that, in all meshers on its way. */
const NS_MAX = 300;

type Watch = (core: MesherCore) => Watcher;

function history(core: MesherCore): Watcher {
  const clusterOf = (node: string): string | undefined => core.members.clusterOf(node);
  const { node, incarnation } = core;
  const hash = new EventHash(Math.random);
  return new EventHistory({ node, incarnation, events: REMEMBERED, hash, clusterOf });
}

function spans({ node }: MesherCore): Watcher {
  const nobody = (): void => undefined;
  return new TraceObserver(node, new Tracer(SAMPLED, nobody), { ended: nobody, dropped: nobody });
}

async function run(size: Size, perRequest: number, watch: Watch): Promise<Sample> {
  const pair = new Pair(PAYLOAD_BYTES, watch);
  const publish = (count: number): void => {
    for (let left = count; left > 0; left -= perRequest) pair.publish(pair.events(perRequest));
  };
  publish(WARM_UP);
  pair.coreUs = pair.watchUs = pair.delivered = 0;
  const events = perRequest === 1 ? EVENTS[size] / 10 : EVENTS[size];
  publish(events);
  if (pair.delivered !== events) throw new Error(`${pair.delivered} of ${events} were delivered`);
  const nsPerEvent = (pair.watchUs * 1_000) / events;
  const coreNs = (pair.coreUs * 1_000) / events;
  return { value: nsPerEvent, events, more: { coreNs, shareOfCore: nsPerEvent / coreNs } };
}

function row(perRequest: number, what: string): Row & { readonly short: boolean } {
  return {
    id: `11.requests-of-${perRequest}`,
    what,
    unit: 'ns of CPU/event',
    better: 'lower',
    short: false,
    subject: { name: 'the history of two meshers', run: (size) => run(size, perRequest, history) },
    ...(perRequest > 1 && {
      goal: { text: `≤ ${NS_MAX} ns`, met: ({ subject: { value } }) => value <= NS_MAX },
    }),
  };
}

const SPANS: Row & { readonly short: boolean } = {
  ...row(400, `400 at a time, ${SAMPLED * 100} % of them traced`),
  id: '11.spans',
  subject: { name: 'the spans of two meshers', run: (size) => run(size, 400, spans) },
};

export const scenario: Scenario = {
  name: 'history',
  number: 11,
  title: 'Remembering what became of each event',
  rows: [
    row(400, 'published, sent to another cluster, delivered and acked there, 400 at a time'),
    row(20, 'the same, 20 at a time'),
    row(1, 'the same, one at a time'),
    SPANS,
  ],
  notes: `
Two cores in one process, with a journal in memory and the bytes of a link between them: an event is published at one, stored, sent, landed, stored, streamed to a durable subscription and acked. CPU time of the
thread in the histories of both, by event (in the last row to find what is traced and to make its spans, without exporting them); \`core ns\` is what both cores' steps took, without disk, network, HTTP or encryption, which are most of what an event costs.
`,
};
