// What the queues of lanes are called in the journal: `c:<cluster>:<lane>` and `p:<node>`.

import type { NodeId } from './event.ts';

export type LaneDestination =
  | { readonly scope: 'cluster'; readonly cluster: string; readonly lane: number }
  | { readonly scope: 'peer'; readonly node: NodeId };

const CLUSTER = /^c:([^:]+):(\d+)$/;

/** Undefined: not the queue of a lane. */
export function laneDestination(queue: string): LaneDestination | undefined {
  if (queue.startsWith('p:')) return { scope: 'peer', node: queue.slice(2) };
  const [, cluster, lane] = CLUSTER.exec(queue) ?? [];
  if (cluster === undefined) return undefined;
  return { scope: 'cluster', cluster, lane: Number(lane) };
}

export function peerQueue(node: NodeId): string {
  return `p:${node}`;
}

export function clusterQueue(cluster: string, lane: number): string {
  return `c:${cluster}:${lane}`;
}
