// Where all who have the newest copy of a lost mesher are away, or lost as well, an older one makes the heir (ARCHITECTURE.md). It
// does not know what the lost mesher did since: subscriptions that were deleted are back, and somebody deletes them again; of whom it
// had taken over nobody is the heir until their own copies are claimed again, and what is published meanwhile may not come to them.

import type { NodeId } from '../../node/core/event.ts';
import type { CopyHead } from '../../node/core/ports.ts';
import type { Effect } from '../../node/core/steps.ts';
import type { Published, Subscribed } from './history.ts';
import type { SimMesher } from './mesher.ts';
import type { Subscriber } from './workload.ts';

/** From when to when nobody may have known what a mesher wanted; virtual ms. */
interface Gap {
  readonly from: number;
  upTo: number;
}

export class OlderCopies {
  readonly #meshers: ReadonlyMap<NodeId, SimMesher>;
  readonly #now: () => number;
  /** When a mesher first noted that it is another's heir. */
  readonly #heirs = new Map<string, number>();
  /** Names of subscriptions that are back. */
  readonly #back = new Set<string>();
  readonly #gaps = new Map<NodeId, Gap[]>();

  constructor(meshers: ReadonlyMap<NodeId, SimMesher>, now: () => number) {
    this.#meshers = meshers;
    this.#now = now;
  }

  stepped(mesher: SimMesher, effects: readonly Effect[]): void {
    for (const effect of effects) {
      if (effect.kind !== 'append') continue;
      for (const op of effect.ops)
        if (op.op === 'takeover' && op.takeover.isHeir)
          this.#takesOver(mesher, op.takeover.owner, op.takeover.isDone);
    }
  }

  /** `isDone`: the subscriptions came from another heir that is lost, not from a copy. */
  #takesOver(heir: SimMesher, owner: NodeId, isDone: boolean): void {
    const key = `${heir.node} ${owner}`;
    if (this.#heirs.has(key)) return;
    this.#heirs.set(key, this.#now());
    for (const gap of this.#gaps.get(owner) ?? []) gap.upTo = Math.min(gap.upTo, this.#now());
    const lost = this.#meshers.get(owner);
    const copy = isDone ? undefined : heir.copies.diskOf(owner);
    if (!lost || !copy || this.#couldKnowBetter(heir, owner)) return;
    for (const name of copy.subscriptions.keys())
      if (!lost.disk.subscriptions.has(name)) this.#back.add(name);
    for (const { owner: guest, isHeir } of lost.disk.takeovers.values()) {
      const from = this.#heirs.get(`${owner} ${guest}`);
      if (!isHeir || from === undefined || copy.takeovers.get(guest)?.isHeir === true) continue;
      this.#gaps.set(guest, [...(this.#gaps.get(guest) ?? []), { from, upTo: Infinity }]);
    }
  }

  /** A peer that it could ask has a newer copy: this must not be. */
  #couldKnowBetter(heir: SimMesher, owner: NodeId): boolean {
    const head = headOf(heir, owner);
    return [...this.#meshers.values()].some(
      (peer) =>
        peer.running && heir.core?.links.get(peer.node)?.up === true && isNewer(headOf(peer, owner), head),
    );
  }

  /** Those that were deleted, and are back. */
  returned(subscribers: readonly Subscriber[]): Subscriber[] {
    return subscribers.filter(
      ({ isDeleted, subscribed: { name } }) => isDeleted && this.#back.has(name) && this.#isThere(name),
    );
  }

  #isThere(name: string): boolean {
    return [...this.#meshers.values()].some(({ core }) => core?.subscriptions.get(name) !== undefined);
  }

  /** It was published while nobody may have known of this subscription. */
  isForgotten({ attempts }: Published, { mesher }: Subscribed): boolean {
    const gaps = this.#gaps.get(mesher) ?? [];
    return attempts.some(({ at }) => gaps.some(({ from, upTo }) => at >= from && at <= upTo));
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
