// Where all who have the newest copy of a lost mesher are away, or lost as well, an older one makes the heir (ARCHITECTURE.md).
// Subscriptions that were deleted since are back with it, and somebody has to delete them again.

import type { NodeId } from '../../node/core/event.ts';
import type { CopyHead } from '../../node/core/ports.ts';
import type { Effect } from '../../node/core/steps.ts';
import type { SimMesher } from './mesher.ts';
import type { Subscriber } from './workload.ts';

export class OlderCopies {
  readonly #meshers: ReadonlyMap<NodeId, SimMesher>;
  /** Who took over from whom, though a peer that could be asked had a newer copy. */
  readonly #wrong = new Set<string>();

  constructor(meshers: ReadonlyMap<NodeId, SimMesher>) {
    this.#meshers = meshers;
  }

  stepped(mesher: SimMesher, effects: readonly Effect[]): void {
    for (const effect of effects) if (effect.kind === 'read-copy') this.#read(mesher, effect.owner);
  }

  /** `taker` begins to take over. */
  #read(taker: SimMesher, owner: NodeId): void {
    const head = headOf(taker, owner);
    for (const peer of this.#meshers.values()) {
      if (!peer.running || taker.core?.links.get(peer.node)?.up !== true) continue;
      if (isNewer(headOf(peer, owner), head)) this.#wrong.add(`${taker.node} ${owner}`);
    }
  }

  /** Those that were deleted, and are back where nobody could know better. */
  returned(subscribers: readonly Subscriber[]): Subscriber[] {
    return subscribers.filter(({ isDeleted, subscribed }) => isDeleted && this.#isBack(subscribed.name));
  }

  #isBack(name: string): boolean {
    for (const { node, core } of this.#meshers.values()) {
      const from = core?.subscriptions.get(name)?.subscription.adoptedFrom;
      if (from !== undefined && !this.#wrong.has(`${node} ${from}`)) return true;
    }
    return false;
  }
}

function headOf({ copies }: SimMesher, owner: NodeId): CopyHead | undefined {
  return copies.recover().find((copy) => copy.owner === owner)?.head;
}

function isNewer(one: CopyHead | undefined, other: CopyHead | undefined): boolean {
  if (!one || !other) return one !== undefined;
  return one.incarnation === other.incarnation
    ? one.batch > other.batch
    : one.incarnation > other.incarnation;
}
