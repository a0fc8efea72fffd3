// Scenario 5: single events by HTTP, against a bare Fastify route that parses and validates the same messages; and batches
// against single events.

import { join } from 'node:path';
import { sampleOf, withRun, type Run } from '../harness/run.ts';
import type { Row, Sample, Scenario, Size, Subject } from '../harness/scenario.ts';
import type { HttpLoaded, HttpLoadRole } from './load.ts';
import type { FastifyRole } from './reference.ts';
import type { Mode } from './requests.ts';

interface Case {
  readonly connections: number;
  readonly mode: Mode;
  readonly events: number;
  readonly qos: 'durable' | 'best-effort';
}

const PAYLOAD_BYTES = 1024;
/** Enough that the server is never without a request; more only wait longer. */
const CONNECTIONS = 32;
const SECONDS = { full: { warmUp: 3, window: 5 }, short: { warmUp: 1.5, window: 1.5 } } as const;
const GOAL = 0.7;
const BATCH_EVENTS = 100;
const BATCH_GOAL = 10;
const TOPIC = 'bench/http';

const structured = {
  connections: CONNECTIONS,
  mode: 'structured',
  events: 1,
  qos: 'best-effort',
} as const;
const binary = { ...structured, mode: 'binary' } as const;
const batch: Case = { ...structured, mode: 'batch', events: BATCH_EVENTS };
const durable: Case = { ...structured, qos: 'durable' };
const durableBatch: Case = { ...batch, qos: 'durable' };

async function load(
  run: Run,
  size: Size,
  port: number,
  { connections, mode, events, qos }: Case,
): Promise<{ readonly loaded: HttpLoaded; readonly warmedUp: HttpLoaded; readonly sample: Sample }> {
  const client = run.role<HttpLoadRole>('client', join(import.meta.dirname, 'load.ts'));
  const request = { mode, events, qos, payloadBytes: PAYLOAD_BYTES, topic: TOPIC };
  await client.call('open', { ...request, port, connections });
  const { warmUp, window } = SECONDS[size];
  const warmedUp = await client.call('load', { seconds: warmUp });
  const { result, figures } = await run.measure(() => client.call('load', { seconds: window }));
  const { p50Ms, p99Ms } = result;
  const server = figures.serverCpuUs;
  const more = { p50Ms, p99Ms, ...(server !== undefined && { serverCpuUsPerEvent: server / result.events }) };
  const sample = sampleOf({ value: result.events / result.seconds, events: result.events, more }, figures);
  return { loaded: result, warmedUp, sample };
}

function mustBe(what: string, count: number, expected: number): void {
  if (count !== expected) throw new Error(`${what}: ${count} instead of ${expected}`);
}

/** A mesher that nobody else is with; durable events are kept for one subscription, which takes none meanwhile. */
function mesher(one: Case): Subject {
  const { qos, events, connections } = one;
  const name = `mesher, ${qos}${events > 1 ? `, batches of ${events}` : ''}${connections === 1 ? ', one connection' : ''}`;
  return {
    name,
    run: (size) =>
      withRun('http', async (run) => {
        const federation = await run.federation({ clusters: { a: 1 } });
        const a = federation.mesher('a');
        if (one.qos === 'durable') await a.putSubscription('kept', { topic: TOPIC });
        const { loaded, warmedUp, sample } = await load(run, size, Number(new URL(a.http).port), one);
        const acked = loaded.events + warmedUp.events;
        mustBe('events taken', await a.metric('causeway_events_published_total'), acked);
        if (one.qos === 'durable') {
          const { state } = await a.get<{ state: { depth: number } }>('/v1/subscriptions/kept');
          mustBe('events kept', state.depth, acked);
        }
        return sample;
      }),
  };
}

function fastify(one: Case & { readonly mode: 'structured' | 'binary' }): Subject {
  return {
    name: 'bare Fastify route',
    run: (size) =>
      withRun('http', async (run) => {
        const server = run.role<FastifyRole>('server', join(import.meta.dirname, 'reference.ts'));
        const { port } = await server.call('listen', { mode: one.mode });
        const { loaded, warmedUp, sample } = await load(run, size, port, one);
        mustBe('events taken', await server.call('taken', undefined), loaded.events + warmedUp.events);
        return sample;
      }),
  };
}

const ofRoute: NonNullable<Row['goal']> = {
  text: `≥ ${GOAL} ×`,
  met: ({ ratio }) => ratio !== undefined && ratio >= GOAL,
};
const ofSingle: NonNullable<Row['goal']> = {
  text: `≥ ${BATCH_GOAL} ×`,
  met: ({ ratio }) => ratio !== undefined && ratio >= BATCH_GOAL,
};

function row(id: string, what: string, short: boolean, rest: Pick<Row, 'subject' | 'reference' | 'goal'>) {
  return { id: `5.${id}`, what, unit: 'events/s', better: 'higher' as const, short, ...rest };
}

export const scenario: Scenario = {
  name: 'http',
  number: 5,
  title: 'HTTP: single events and batches',
  rows: [
    row('structured', 'structured mode, 1 KiB', true, {
      subject: mesher(structured),
      reference: fastify(structured),
      goal: ofRoute,
    }),
    row('binary', 'binary mode, 1 KiB', false, {
      subject: mesher(binary),
      reference: fastify(binary),
      goal: ofRoute,
    }),
    row('structured-durable', 'structured mode, 1 KiB, on disk before the answer', false, {
      subject: mesher(durable),
      reference: fastify(structured),
    }),
    row('binary-durable', 'binary mode, 1 KiB, on disk before the answer', false, {
      subject: mesher({ ...binary, qos: 'durable' }),
      reference: fastify(binary),
    }),
    row('batch', `batches of ${BATCH_EVENTS} of 1 KiB, against single events`, false, {
      subject: mesher(batch),
      reference: mesher(structured),
      goal: ofSingle,
    }),
    row(
      'batch-durable',
      `batches of ${BATCH_EVENTS} of 1 KiB on disk, against single events on disk`,
      false,
      {
        subject: mesher(durableBatch),
        reference: mesher(durable),
        goal: ofSingle,
      },
    ),
    row('batch-one', 'the same from a client that has one connection, and waits for each answer', false, {
      subject: mesher({ ...durableBatch, connections: 1 }),
      reference: mesher({ ...durable, connections: 1 }),
      goal: ofSingle,
    }),
  ],
  notes: `
One client process with ${CONNECTIONS} keep-alive connections (one in the last row), each with one request under way, against one server process.

- The goals against Fastify are those of the **HTTP path**: rows \`5.structured\` and \`5.binary\` publish best-effort events that nobody subscribes to, so what is compared is
  receiving, parsing, checking, encoding, routing and answering. The reference parses with Fastify's JSON parser, validates with Ajv against the schema that describes the API, and answers as much
  with the serialiser made from the schema; it keeps nothing. It checks less: not that source and time are what CloudEvents says, and not that no member is given twice.
- The rows with _durable_ are what most publishers do: each answer comes when the event is on disk, for one durable subscription that takes nothing meanwhile. Their reference is the same route, which has
  no disk to wait for: the ratio says what durability costs, and has no goal.
- **Batches.** A client with one connection that waits for each answer gains what its waits were. With ${CONNECTIONS} connections there are no waits to save: what is left is
  CPU time, of which a single request of 1 KiB takes some 27 µs and an event in a batch 13. By the profile of the mesher, of those 13 µs 45 % are JSON (3 µs checking that
  data is JSON, the rest finding where it begins and ends), 15 % writing the event's bytes, 15 % collecting garbage, 7 % checking attributes, 5 % the core. Ten times the events of single requests
  would leave 2.7 µs for each (a tenth of what the server takes for a single one, \`server cpu us per event\`), and JSON.parse alone takes 2.5 µs and more for 1 KiB: checking, routing, encoding and all else would have to cost next to nothing. What carries producers past that is the binary batches of
  \`/v1/ws\`, which are checked and stored as the bytes that came.
- Afterwards the mesher must have counted as many events as were answered 202, and for durable ones must hold as many for the subscription.
`,
};
