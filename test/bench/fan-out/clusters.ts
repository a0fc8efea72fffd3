// One publisher in a cluster of its own, and ten clusters with subscribers: what each link carries for every event, as the kernel
// counts it at the sockets, and by the mesher's own count beside it.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { encodeRecord } from '../../../node/core/event-record.ts';
import type { LinkView } from '../../../node/core/views.ts';
import { encodeEvent } from '../../../sdk/typescript/client.ts';
import type { Federation, RunningMesher } from '../../support/federation.ts';
import { benchEvent } from '../durable/bench-event.ts';
import { TOPIC } from '../durable/topic.ts';
import { NotMeasured } from '../harness/not-measured.ts';
import { Payloads } from '../harness/payloads.ts';
import { type Run, sampleOf, withRun } from '../harness/run.ts';
import type { Sample, Size, Subject } from '../harness/scenario.ts';
import type { PacedPublisherRole } from '../latency/roles.ts';
import type { SubscribersRole } from './roles.ts';

const PUBLISHER = join(import.meta.dirname, '../latency/publisher.ts');
const SUBSCRIBERS = join(import.meta.dirname, 'subscribers.ts');
const CLUSTERS = 10;
const EVENTS = { full: 5000, short: 2000 } as const;

export interface ClustersCase {
  readonly subscribersEach: number;
  readonly payloadBytes: number;
}

/** Bytes for each event on the link that carries most. */
export function bytesPerLink(one: ClustersCase): Subject {
  return {
    name: `${one.subscribersEach} in each`,
    run: (size) => withRun('fan-out', (run) => measure(run, size, one)),
  };
}

async function measure(
  run: Run,
  size: Size,
  { subscribersEach, payloadBytes }: ClustersCase,
): Promise<Sample> {
  const names = Array.from({ length: CLUSTERS }, (_, i) => `c${i}`);
  const clusters = { a: 1, ...Object.fromEntries(names.map((name) => [name, 1])) };
  const federation = await run.federation({ clusters });
  const a = federation.mesher('a');
  const publisher = run.role<PacedPublisherRole>('client', PUBLISHER);
  const subscribers = run.role<SubscribersRole>('client', SUBSCRIBERS);
  const addresses = names.map((name) => federation.mesher(name).http);
  await subscribers.call('open', { addresses, each: subscribersEach, qos: 'durable' });
  await publisher.call('open', { address: a.http, payloadBytes, qos: 'durable' });
  await federation.whenRouted(a, TOPIC, names);
  const count = EVENTS[size];
  const before = { links: await linksOf(a), sockets: sentBySockets(federation, a) };
  const { figures } = await run.measure(async () => {
    await publisher.call('publish', { count });
    await subscribers.call('take', { upTo: count });
  });
  const after = { links: await linksOf(a), sockets: sentBySockets(federation, a) };
  const more = {
    recordBytes: recordBytes((await a.federation()).self.node, payloadBytes),
    meshersCountPerEvent: busiest(before.links, after.links, count) / count,
  };
  const value = busiestSocket(before.sockets, after.sockets) / count;
  return sampleOf({ value, events: count, more }, figures);
}

async function linksOf(mesher: RunningMesher): Promise<ReadonlyMap<string, LinkView>> {
  const { links } = await mesher.links();
  return new Map(links.map((link) => [link.peer, link]));
}

/** What the mesher counts for the link with the most. Every link must have carried every event, and once. */
function busiest(
  before: ReadonlyMap<string, LinkView>,
  after: ReadonlyMap<string, LinkView>,
  count: number,
): number {
  const grown = [...after].map(([peer, { sentEvents, sentBytes }]) => ({
    events: sentEvents - (before.get(peer)?.sentEvents ?? 0),
    bytes: sentBytes - (before.get(peer)?.sentBytes ?? 0),
  }));
  if (grown.length !== CLUSTERS) throw new Error(`${grown.length} links instead of ${CLUSTERS}`);
  for (const { events } of grown)
    if (events !== count) throw new Error(`a link carried ${events} events, ${count} were published`);
  return Math.max(...grown.map(({ bytes }) => bytes));
}

/** Of the first event's record, as the mesher `node` makes it; all others are as long. */
function recordBytes(node: string, payloadBytes: number): number {
  const cloudEvent = encodeEvent(benchEvent(new Payloads({ bytes: payloadBytes }), 0));
  const from = {
    origin: node,
    incarnation: 1,
    sequence: 1,
    acceptedAt: 0,
    path: ['a'],
    deadLetter: undefined,
  };
  return encodeRecord({ topic: TOPIC, expiresAt: 0, key: '', hash: 0, cloudEvent }, from).bytes;
}

/** What the kernel says was sent on each TCP connection of the mesher's that is a link, by its ends. */
function sentBySockets(federation: Federation, mesher: RunningMesher): ReadonlyMap<string, number> {
  const others = [mesher.http, federation.registryAddress].map((address) => new URL(address).port);
  const bytes = new Map<string, number>();
  for (const line of established().split('\n')) {
    const [, , from = '', to = ''] = line.trim().split(/\s+/);
    const sent = /\bbytes_sent:(\d+)/.exec(line)?.[1];
    if (!line.includes(`pid=${mesher.program.pid},`) || sent === undefined) continue;
    if (others.some((port) => from.endsWith(`:${port}`) || to.endsWith(`:${port}`))) continue;
    bytes.set(`${from} ${to}`, Number(sent));
  }
  if (bytes.size !== CLUSTERS)
    throw new NotMeasured(`${bytes.size} connections of ${CLUSTERS} links were found by ss`);
  return bytes;
}

function established(): string {
  try {
    return execFileSync('ss', ['-tinpHO', 'state', 'established'], { encoding: 'utf8', stdio: 'pipe' });
  } catch (cause) {
    throw new NotMeasured('ss must be on PATH (Debian: iproute2), which says what sockets have sent', {
      cause,
    });
  }
}

/** A connection that was not there before makes it NaN, which is no figure. */
function busiestSocket(before: ReadonlyMap<string, number>, after: ReadonlyMap<string, number>): number {
  return Math.max(...[...after].map(([ends, bytes]) => bytes - (before.get(ends) ?? NaN)));
}
