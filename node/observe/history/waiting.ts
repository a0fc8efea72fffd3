// Why an event that lies in a queue of this mesher is still there, in words for people.

import type { NodeId } from '../../core/event.ts';
import { comparePositions } from '../../core/event.ts';
import type { Lane } from '../../core/lane.ts';
import type { MesherCore } from '../../core/mesher-core.ts';
import type { Now } from '../../core/steps.ts';
import { DEAD_LETTERS, isNamed } from '../../core/subscription.ts';
import type { LocalHop, OpenEntry } from './recall.ts';

/** One sentence without its end: "for cluster b: the link to … is down since …: …". */
export type Wait = string;

/** Undefined: it has left the queue since, or nobody is to take it. */
export function whyWaiting(
  core: MesherCore,
  entry: OpenEntry,
  hops: readonly LocalHop[],
  now: Now,
): Wait | undefined {
  return entry.position ? inLane(core, entry, hops, now) : inSubscription(core, entry, hops);
}

function inSubscription(core: MesherCore, entry: OpenEntry, hops: readonly LocalHop[]): Wait | undefined {
  const name = entry.name.slice(2);
  const delivery = core.subscriptions.get(name);
  if (delivery?.queue.id !== entry.queue || !delivery.queue.stillHas(entry.block, entry.index))
    return undefined;
  const { adoptedFrom } = delivery.subscription;
  if (isNamed(name, DEAD_LETTERS, adoptedFrom)) return undefined; // it waits for people
  const { sessions, depth, inFlight } = delivery.state();
  const last = hops.findLast((hop) => hop.subscription === name);
  if (last?.what === 'retried')
    return `for subscription ${name}, which failed with it ${last.attempt} times and gets it again`;
  if (last?.what === 'delivered' && inFlight > 0)
    return `for subscription ${name}, which was handed it at ${clock(last.at)} and has not settled it`;
  if (sessions === 0) return `for subscription ${name}, from which nobody takes events now (${depth} wait)`;
  return `for subscription ${name}, where ${depth} events wait and ${inFlight} are not settled`;
}

function inLane(core: MesherCore, entry: OpenEntry, hops: readonly LocalHop[], now: Now): Wait | undefined {
  const lane = [...core.forwarder.lanes()].find(({ queue }) => queue.id === entry.queue);
  const first = lane?.queue.firstPosition();
  if (!lane || !first || !entry.position || comparePositions(entry.position, first) < 0) return undefined;
  const to = lane.name.scope === 'cluster' ? `cluster ${lane.destination}` : `mesher ${lane.destination}`;
  const { landing } = lane;
  if (landing === undefined || !core.links.isUp(landing)) return `for ${to}: ${whyNoLink(core, lane, now)}`;
  const sent = hops.findLast((hop) => hop.what === 'forwarded' && hop.peer === landing);
  if (sent) return `for ${to}: ${landing} was sent it at ${clock(sent.at)} and has not acked it`;
  return `for ${to}, behind others: ${lane.queue.depth} wait`;
}

function whyNoLink(core: MesherCore, lane: Lane, now: Now): string {
  const nodes =
    lane.name.scope === 'peer'
      ? [lane.destination]
      : [...core.members.all()]
          .filter(({ record }) => record.cluster === lane.destination)
          .map(({ record }) => record.node);
  if (nodes.length === 0) return 'no member of it is known now';
  if (nodes.some((node) => core.links.isUp(node))) return 'its lane is about to open';
  const [last] = nodes.map((node) => downSince(core, node, now)).sort((a, b) => b.since - a.since);
  return last?.text ?? 'there is no link to it';
}

function downSince(core: MesherCore, node: NodeId, now: Now): { since: number; text: string } {
  const link = core.links.get(node);
  if (!link)
    return {
      since: 0,
      text: `there was no link to ${node} since this mesher started at ${clock(core.startedAt.wall)}`,
    };
  const since = now.wall - (now.monotonic - link.since);
  return { since, text: `the link to ${node} is down since ${clock(since)}: ${link.reason}` };
}

/** In UTC, to the second: whoever reads it may be anywhere. */
export function clock(at: number): string {
  return new Date(at).toISOString().replace(/\.\d+Z$/, 'Z');
}
