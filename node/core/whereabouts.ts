// Where a durable subscription lives, by the mesher where it was made: there, or, when that is gone for good, at its heir
// (heirs.ts). Whoever remembers where it was made finds it through any mesher of the federation.
//
// Invariant: as long as the mesher where it was made, or an heir of that, is known here, no other mesher says that the subscription
// is here: so nobody who asks makes a second one. Changes nothing.

import { MeshError } from './errors.ts';
import type { NodeId } from './event.ts';
import { notReady } from './inspection.ts';
import type { MesherCore } from './mesher-core.ts';
import type { Now } from './steps.ts';
import { adoptedName, DEAD_LETTERS } from './subscription.ts';
import type { Neighbour } from './views.ts';

/** Neighbours that are named to one client: enough to find one that is there. */
const NEIGHBOURS_MAX = 16;

/**
 * The name that the subscription has here, or would be given: it may be none of this mesher's. Where `madeOn` is not known to anybody, it
 * is the name that was asked for. Throws `subscription-elsewhere`, with `node`, `http` and `memberStatus` of the mesher that has it or had it
 * last, and `not-ready` as long as others' heirs may not be known.
 */
export function nameHere(core: MesherCore, name: string, madeOn: NodeId, now: Now): string {
  if (madeOn === core.node) return name;
  const renamed = adoptedName(name, madeOn);
  const found = core.subscriptions.get(name)?.subscription;
  if (core.subscriptions.get(renamed)) return renamed;
  if (found?.adoptedFrom === madeOn) return name;
  // one of the same name that was always here is another
  if (core.takeovers.isGuest(madeOn)) return found === undefined || name === DEAD_LETTERS ? name : renamed;
  const node = core.table.heirs.of(madeOn) ?? madeOn;
  const member = core.members.get(node);
  if (member) throw elsewhere(name, node, member.record.http, member.status);
  const why = notReady(core, now);
  if (node === madeOn && why.length === 0) return name;
  throw new MeshError(
    'not-ready',
    `this mesher does not know yet where the subscription ${JSON.stringify(name.slice(0, 130))} of ${madeOn.slice(0, 130)} lives: ${why[0] ?? `nothing is known of its heir ${node}`}`,
    { details: { why } },
  );
}

function elsewhere(name: string, node: NodeId, http: string, status: string): MeshError {
  const what = status === 'alive' ? 'go there' : `it is ${status}: try there and here again`;
  return new MeshError(
    'subscription-elsewhere',
    `the subscription ${JSON.stringify(name.slice(0, 130))} lives on ${node} at ${http}; ${what}`,
    { details: { name: name.slice(0, 130), node, http, memberStatus: status } },
  );
}

/** Live meshers of the same cluster: one of them is the heir, should this one be lost for good. */
export function neighboursOf(core: MesherCore): Neighbour[] {
  const neighbours: Neighbour[] = [];
  for (const { record, status } of core.members.all()) {
    const { node, cluster, http } = record;
    if (cluster !== core.cluster || status !== 'alive') continue;
    neighbours.push({ node, http });
    if (neighbours.length === NEIGHBOURS_MAX) break;
  }
  return neighbours;
}
