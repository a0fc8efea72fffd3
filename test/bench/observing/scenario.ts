// Scenario 12: what it costs durable publishing that everything of a federation is watched, against the same with what can be switched off
// switched off.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type Beside, causeway } from '../durable/causeway.ts';
import { SIZES } from '../harness/payloads.ts';
import type { Row, Scenario } from '../harness/scenario.ts';

const BYTES = SIZES['256 B'];
/** No slower than this. */
const RATIO_MIN = 0.97;
const SAMPLED = 0.001;
const OFF: Beside = { name: 'Causeway, unwatched', flags: ['--trace-events', '0', '--canary-every-ms', '0'] };
const CANARY = ['--canary-every-ms', '5000'];

/** Somebody has the dashboard open. */
async function watched(address: string): Promise<() => void> {
  const end = new AbortController();
  const stream = await fetch(`${address}/v1/overview/stream`, { signal: end.signal });
  void stream.text().catch(() => undefined); // it ends when it is aborted
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

function row(id: string, what: string, subject: Row['subject']): Row & { readonly short: boolean } {
  return {
    id,
    what,
    unit: 'events/s',
    better: 'higher',
    short: false,
    subject,
    reference: causeway(BYTES, {}, OFF),
    goal: { text: `≥ ${RATIO_MIN} ×`, met: ({ ratio }) => ratio !== undefined && ratio >= RATIO_MIN },
  };
}

const DEFAULTS = causeway(
  BYTES,
  {},
  {
    name: 'Causeway, watched',
    flags: CANARY,
    begin: (federation) => watched(federation.mesher('a').http),
  },
);

/** The collector is of this process, and lives for one run. */
const ALL: Row['subject'] = {
  name: 'Causeway, watched and traced',
  run: async (size) => {
    const { endpoint, close } = await collector();
    const flags = [...CANARY, `--tracing-endpoint=${endpoint}`, `--tracing-sample-ratio=${SAMPLED}`];
    const begin: Beside['begin'] = (federation) => watched(federation.mesher('a').http);
    try {
      return await causeway(BYTES, {}, { name: 'Causeway', flags, begin }).run(size);
    } finally {
      close();
    }
  },
};

export const scenario: Scenario = {
  name: 'observing',
  number: 12,
  title: 'Watching everything',
  rows: [
    row('12.defaults', 'what is on by default, and somebody has the dashboard open', DEFAULTS),
    row('12.traced', `and ${SAMPLED * 100} % of events are traced with OpenTelemetry`, ALL),
  ],
  notes: `
Scenario 1 with 256 B. The reference remembers no event's way (\`trace.events: 0\`) and sends no probes; ledgers, metrics and counts of topics cannot be switched off, and are in both. In the first row both are on, and a client follows \`/v1/overview/stream\` of the mesher in A;
in the second ${SAMPLED * 100} % of events are sampled by the mesher and exported by OTLP to a collector that throws spans away, in the benchmark's own process.
`,
};
