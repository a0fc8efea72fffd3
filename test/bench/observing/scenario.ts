// Scenario 12: what it costs durable publishing that everything of a federation is watched, against the same with what can be switched off
// switched off.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { type Beside, causeway } from '../durable/causeway.ts';
import type { Seconds } from '../durable/throughput.ts';
import { SIZES } from '../harness/payloads.ts';
import { type OpenSubject, type Row, runOnce, type Scenario, type Size } from '../harness/scenario.ts';

const BYTES = SIZES['256 B'];
/** No slower than this. */
const RATIO_MIN = 0.97;
/** Parts of the events that are sampled. */
const FEW = 0.0001;
const MORE = 0.001;
/** What happens to one event in thousands is compiled late, and is dear until then: a mesher runs for months. */
const SECONDS: Seconds = { warmUp: 20, window: 10 };
const ROUNDS = 6;
/** Who opens the dashboard is sent an hour of history first: that is not what it costs to have it open. */
const OPENED_FOR_MS = 2_000;
const OFF: Beside = {
  name: 'Causeway, unwatched',
  flags: ['--trace-events', '0', '--canary-every-ms', '0'],
  seconds: SECONDS,
  begin: () => wait(OPENED_FOR_MS, () => undefined), // as long as the subject takes
};
const CANARY = ['--canary-every-ms', '5000'];

/** Somebody has the dashboard open. */
async function watched(address: string): Promise<() => void> {
  const end = new AbortController();
  const stream = await fetch(`${address}/v1/overview/stream`, { signal: end.signal });
  void stream.text().catch(() => undefined); // it ends when it is aborted
  await wait(OPENED_FOR_MS);
  return () => end.abort();
}

/** Takes spans, and forgets them. */
async function collector(): Promise<{ readonly endpoint: string; readonly close: () => void }> {
  const server = createServer((request, response) => {
    request.resume().on('end', () => response.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return { endpoint: `http://127.0.0.1:${port}`, close: () => void server.close() };
}

function row(
  id: string,
  what: string,
  subject: Row['subject'],
  hasGoal = true,
): Row & { readonly short: boolean } {
  return {
    id,
    what,
    unit: 'events/s',
    better: 'higher',
    short: false,
    subject,
    reference: causeway(BYTES, {}, OFF),
    rounds: ROUNDS,
    ...(hasGoal && {
      goal: {
        text: `≥ ${RATIO_MIN} ×`,
        met: ({ ratio }) => ratio !== undefined && ratio >= RATIO_MIN,
      },
    }),
  };
}

const DEFAULTS = causeway(
  BYTES,
  {},
  {
    name: 'Causeway, watched',
    flags: CANARY,
    seconds: SECONDS,
    begin: (federation) => watched(federation.mesher('a').http),
  },
);

/** The collector is of this process, and lives as long as what it collects from. */
function traced(sampleRatio: number): Row['subject'] {
  const name = 'Causeway, watched and traced';
  const open = async (size: Size): Promise<OpenSubject> => {
    const { endpoint, close } = await collector();
    const flags = [...CANARY, `--tracing-endpoint=${endpoint}`, `--tracing-sample-ratio=${sampleRatio}`];
    const begin: Beside['begin'] = (federation) => watched(federation.mesher('a').http);
    try {
      const opened = await causeway(BYTES, {}, { name, flags, seconds: SECONDS, begin }).open(size);
      return { sample: () => opened.sample(), close: () => opened.close().finally(close) };
    } catch (error) {
      close();
      throw error;
    }
  };
  return { name, open, run: (size) => runOnce(open, size) };
}

const percent = (ratio: number): string => `${Number((ratio * 100).toFixed(4))} %`;

export const scenario: Scenario = {
  name: 'observing',
  number: 12,
  title: 'Watching everything',
  rows: [
    row('12.defaults', 'what is on by default, and somebody has the dashboard open', DEFAULTS),
    row('12.traced', `and OpenTelemetry, which traces ${percent(FEW)} of the events`, traced(FEW)),
    row('12.sampled', `and ten times as many: ${percent(MORE)}`, traced(MORE), false),
  ],
  notes: `
Scenario 1 with 256 B, after a pass of ${SECONDS.warmUp} s. Two runs, and two seconds of one, differ by far more than what is looked for here, so subject and reference are loaded at the same time, each with half of the machine, ${ROUNDS} times for ${SECONDS.window} s; each round is a pair, and both are started anew some times. What is done by the second, such as the dashboard's figures, so costs twice the share that it would cost alone; what the collector and the dashboard's client take, and what the slower of the two has still to do when the other has done with a round, some tenths of a second, costs both, or neither. The reference remembers no event's way (\`trace.events: 0\`) and sends no probes; ledgers, metrics and counts of topics cannot be switched off, and are in both. In the first row both are on, and a client follows
\`/v1/overview/stream\` of the mesher in A; in the others all events are looked at for a trace context, and part of those without one are sampled (${percent(FEW)} of 90,000 events/s are nine traces, of six spans each, a second) and exported by OTLP to a collector that throws spans
away, in the benchmark's own process. What a trace costs does not depend on how many events there are: who samples more pays for each.
`,
};
