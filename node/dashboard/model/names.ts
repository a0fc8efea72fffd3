// What people call things: meshers have ids of 52 characters, of which the last tell them apart.

import type { NodeId } from '../../core/event.ts';
import type { MesherOverview, Overview } from '../../core/overview.ts';

const TAIL = 6;

/** The label `name` where the mesher has one, else the end of its id. */
export function mesherName({ node, labels }: Pick<MesherOverview, 'node' | 'labels'>): string {
  return labels['name'] ?? shortId(node);
}

export function shortId(node: NodeId): string {
  return node.length <= TAIL + 2 ? node : `…${node.slice(-TAIL)}`;
}

export function findMesher(overview: Overview, node: NodeId): MesherOverview | undefined {
  return overview.meshers.find((each) => each.node === node);
}

/** `aws-eu-west-1 / blue`; the cluster alone where the mesher is its only one. */
export function whereabouts(overview: Overview, node: NodeId): string {
  const mesher = findMesher(overview, node);
  if (mesher === undefined) return shortId(node);
  const alone = overview.meshers.filter(({ cluster }) => cluster === mesher.cluster).length === 1;
  return alone ? mesher.cluster : `${mesher.cluster} / ${mesherName(mesher)}`;
}
