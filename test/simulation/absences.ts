// Who joins while others are away hears of them from those who know them: what it takes meanwhile is kept for them, too.

import type { NodeId } from '../../node/core/event.ts';
import { interestKey } from '../../node/core/interest-set.ts';
import type { MesherCore } from '../../node/core/mesher-core.ts';
import type { History } from './history.ts';
import type { SimMesher } from './mesher.ts';

export class Absences {
  readonly #history: History;
  /** Whom each mesher, apart from those that mean harm, ever knew: what it has forgotten since, nobody needs to tell it again. */
  readonly #known = new Map<NodeId, Set<NodeId>>();

  constructor(history: History) {
    this.#history = history;
  }

  /** To be called often: who is known for a shorter time than it takes is not seen. */
  look(meshers: readonly SimMesher[]): void {
    for (const { node, core } of meshers) {
      let known = this.#known.get(node);
      if (!known) this.#known.set(node, (known = new Set()));
      for (const { record, hearsay } of core?.members.all() ?? []) {
        known.add(record.node);
        if (hearsay && this.#known.has(record.node))
          this.#history.meet('a member is known by hearsay', `${node} ${record.node}`);
      }
    }
  }

  /**
   * Members that one mesher knows to be away, and another with a link to it never heard of. Both have been so for `graceMs`.
   * `withRoutes`: also meshers of which it knows less than what they want.
   */
  untold(meshers: readonly SimMesher[], graceMs: number, withRoutes: boolean): string[] {
    const wrong: string[] = [];
    for (const teller of meshers) {
      for (const away of awayFor(teller, graceMs)) {
        for (const { node, core } of meshers) {
          if (!core || node === away || !isLinked(teller, node, graceMs)) continue;
          if (core.table.heirs.has(away) || core.takeovers.isGuest(away)) continue;
          if (!core.members.get(away)) {
            if (this.#known.get(node)?.has(away) !== true)
              wrong.push(`${node} never heard of ${away}, which ${teller.node} knows to be away`);
          } else if (withRoutes && this.#known.has(away) && isBehind(core, teller, away))
            wrong.push(`${node} knows less of what ${away} wants than ${teller.node}`);
        }
      }
    }
    return wrong;
  }
}

function awayFor(mesher: SimMesher, graceMs: number): NodeId[] {
  const away: NodeId[] = [];
  for (const { record, awayMs } of mesher.core?.members.away(mesher.now()) ?? [])
    if (awayMs > graceMs) away.push(record.node);
  return away;
}

/** For so long, and of a version that has the message. */
function isLinked(mesher: SimMesher, node: NodeId, graceMs: number): boolean {
  const { core } = mesher;
  const link = core?.links.get(node);
  const isLong = link?.up === true && mesher.now().monotonic - link.since > graceMs;
  return isLong && core?.links.speaks(node, 'members-away') === true;
}

/** Whoever heard of a later version is gapped, for good where nobody has that: it is behind only if it lacks what the teller has. */
function isBehind(core: MesherCore, { core: teller }: SimMesher, away: NodeId): boolean {
  if (!teller) return false;
  const theirs = teller.table.describe(away);
  if (!theirs.complete || theirs.gapped) return false;
  const own = core.table.describe(away);
  if (!own.complete) return true;
  const known = new Set(
    [...core.table.routesOf(away)].map(({ filter, group }) => interestKey(filter, group)),
  );
  const lacks = [...teller.table.routesOf(away)].some(
    ({ filter, group }) => !known.has(interestKey(filter, group)),
  );
  return own.gapped && lacks;
}
