// What changed hands, and when, as far as a history tells: lanes that landed elsewhere from some time on, and meshers that were lost, until
// others had taken over all that they had. That is what order and duplicates may be excused with, and nothing else of what was done to
// the mesh is. Meshers are looked at every second or so, so each change lies between two looks.

import { hash32 } from '../../node/core/event.ts';
import { LIMITS } from '../../node/core/limits.ts';
import { partitionKeyOf } from './load/events.ts';
import type { Line } from './load/history.ts';

/** What a copy is behind its journal, that was looked at and found well: it may be cut off, and that not yet known. */
const LAST_MOMENTS_MS = 10_000;
/** What was handed out may be taken down so much later: a request's patience. */
const ANSWER_MS = 8_000;
/** When all is moved, others may hear so much later of who has it now. */
const LOOK_MS = 3_000;

/** What was seen of a mesher at one look. */
interface Look {
  readonly at: number;
  /** When the look before it was. */
  readonly earlier: number;
  /** When it was last seen to have a copy of what it had; undefined: never. */
  readonly copiedAt: number | undefined;
  readonly doubtful: number;
  readonly moves: Readonly<Record<string, number>>;
  readonly landings: Readonly<Record<string, readonly string[]>> | undefined;
}

const NO_LOOK: Look = {
  at: 0,
  earlier: 0,
  copiedAt: undefined,
  doubtful: 0,
  moves: {},
  landings: undefined,
};

/** Some time between two looks. */
interface Move {
  readonly from: number;
  to: number;
  /** Undefined: which one is not known, so it may be any. */
  readonly lane: number | undefined;
}

interface Loss {
  readonly node: string;
  readonly cluster: string;
  /** From here on its copies may not have heard of what it did. */
  readonly from: number;
  /** From here on others may serve what it had. */
  readonly servedFrom: number;
  /** From here on it serves nothing. */
  readonly at: number;
  /** From here on nothing is left to move. */
  takenOverAt: number;
}

/** A time from which to which something was so. */
export type Span = readonly [from: number, to: number];

export class Upheavals {
  readonly #looks = new Map<string, Look>();
  /** Mesher and cluster → when lanes of the one to the other moved, or may have. */
  readonly #moves = new Map<string, Move[]>();
  readonly #losses: Loss[] = [];
  /** Doubtful landings over all lives, by cluster. */
  readonly #doubtful = new Map<string, number>();

  /** Events that landed in doubt on meshers of the cluster, as they counted them. */
  doubtfulIn(cluster: string): number {
    return this.#doubtful.get(cluster) ?? 0;
  }

  takeCounted(line: Extract<Line, { op: 'counted' }>, clusters: Iterable<string>): void {
    const { mesher, doubtful, moves, landings, copied, t: at } = line;
    const before = this.#looks.get(mesher) ?? NO_LOOK;
    const cluster = clusterOf(mesher);
    this.#doubtful.set(cluster, this.doubtfulIn(cluster) + doubtful - before.doubtful);
    for (const to of clusters) {
      const known = this.#movesOf(mesher, to);
      for (const move of known) move.to = Math.min(move.to, at);
      const seen = lanesThatMoved(before.landings?.[to], landings?.[to]);
      for (const lane of seen) known.push({ from: before.at, to: at, lane });
      // as the two are not of one moment, a move may be counted one look after it was seen
      if ((moves[to] ?? 0) - (before.moves[to] ?? 0) > seen.length)
        known.push({ from: before.earlier, to: at, lane: undefined });
    }
    const copiedAt = copied === true ? at : before.copiedAt;
    this.#looks.set(mesher, { at, earlier: before.at, copiedAt, doubtful, moves, landings });
  }

  /** A new life counts from nothing, and its lanes may begin elsewhere: that is known from the next look on. */
  takeStarted(
    { mesher, t }: { readonly mesher: string; readonly t: number },
    clusters: Iterable<string>,
  ): void {
    const before = this.#looks.get(mesher);
    const from = before?.at ?? t;
    for (const cluster of clusters)
      this.#movesOf(mesher, cluster).push({ from, to: Infinity, lane: undefined });
    this.#looks.set(mesher, { ...NO_LOOK, at: from, earlier: from, copiedAt: before?.copiedAt });
  }

  takeLost({ mesher, node, how, t: at }: Extract<Line, { op: 'lost' }>): void {
    const from = Math.min(at, this.#looks.get(mesher)?.copiedAt ?? at) - LAST_MOMENTS_MS;
    // who was away goes on serving, where clients reach it, while others do already
    const servedFrom = how === 'away' ? from : at;
    this.#losses.push({ node, cluster: clusterOf(mesher), from, servedFrom, at, takenOverAt: Infinity });
  }

  takeTakenOver({ node, t }: Extract<Line, { op: 'taken-over' }>): void {
    const loss = this.#losses.find((one) => one.node === node);
    if (loss) loss.takenOverAt = t;
  }

  /** What came `before` came to somebody in the cluster that was lost before its copies heard of it, and came `again` from them. */
  isLostBetween(cluster: string, before: number, again: number): boolean {
    return this.#losses.some(
      (loss) =>
        loss.cluster === cluster &&
        before >= loss.from &&
        before <= loss.at + ANSWER_MS &&
        again >= loss.servedFrom,
    );
  }

  /** Why event `n` of a publisher on mesher `origin` may have been overtaken on its way to a cluster; undefined: it may not. */
  whyOvertaken(
    { publisher, n }: { readonly publisher: string; readonly n: number },
    origin: string,
    cluster: string,
    [from, to]: Span,
  ): string | undefined {
    const lane = hash32(partitionKeyOf(publisher, n)) % LIMITS.lanesPerCluster;
    const moves = this.#movesOf(origin, cluster).filter(
      (move) => move.from <= to && move.to >= from && (move.lane ?? lane) === lane,
    );
    if (moves.some((move) => move.lane === lane)) return 'its lane moved';
    if (moves.length > 0) return 'some lane moved, and which is not known';
    const isBetween = (loss: Loss): boolean => loss.from <= to && loss.takenOverAt + LOOK_MS >= from;
    const clusters = [clusterOf(origin), cluster];
    return this.#losses.some((loss) => clusters.includes(loss.cluster) && isBetween(loss))
      ? 'a mesher was lost, and taken over'
      : undefined;
  }

  #movesOf(mesher: string, cluster: string): Move[] {
    const key = `${mesher}>${cluster}`;
    const moves = this.#moves.get(key) ?? [];
    this.#moves.set(key, moves);
    return moves;
  }
}

/** Lanes that land elsewhere than before; those that had not begun did not move. */
function lanesThatMoved(before: readonly string[] | undefined, now: readonly string[] | undefined): number[] {
  if (!before || !now) return [];
  return before.flatMap((landing, lane) => (landing !== '' && now[lane] !== landing ? [lane] : []));
}

/** Meshers are named for their cluster: b2 is the second of b. */
export function clusterOf(mesher: string): string {
  return mesher.replace(/\d+$/, '');
}
