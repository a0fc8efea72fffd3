// Compares this mesher's ledger with what one peer tells of its own, for both directions of their link. It asks nobody and knows no time:
// what is claimed is taken down (`claimed`) before the peer is asked, for what that has taken may only be more by then.

import type { LaneName, NodeId } from '../../core/event.ts';
import { clusterQueue, peerQueue } from '../../core/lane-queue.ts';
import type { LedgerDifference } from '../../core/metric-catalogue.ts';
import type { LaneLedger } from '../../core/overview.ts';
import type { Difference } from './difference.ts';
import type { Ledger } from './ledger.ts';
import { describeRanges, PositionSet } from './position-set.ts';
import {
  laneNameOf,
  positionOf,
  rangesOf,
  type ToldLanded,
  type ToldLedger,
  type ToldSent,
  toldRanges,
} from './question.ts';
import type { Claim, SentLane } from './sent-lane.ts';

export interface ComparisonPorts {
  readonly ledger: Ledger;
  /** Peers whose link is up. */
  readonly linked: () => readonly NodeId[];
  readonly clusterOf: (node: NodeId) => string | undefined;
  /** Meshers of a cluster that are not known to be gone, linked or not. */
  readonly meshersOf: (cluster: string) => readonly NodeId[];
}

/** What a peer had acked of each lane at some moment. */
export type Claimed = readonly { readonly lane: SentLane; readonly claims: readonly Claim[] }[];

export class Comparison {
  readonly #ports: ComparisonPorts;

  constructor(ports: ComparisonPorts) {
    this.#ports = ports;
  }

  claimed(peer: NodeId): Claimed {
    return this.#ports.ledger.sentLanes().map((lane) => ({
      lane,
      claims: (lane.dealingsWith(peer)?.claims ?? []).map(({ life, places }) => ({
        life,
        places: PositionSet.of(places.ranges),
      })),
    }));
  }

  /** Notes what differs in the ledger; returns what cannot be known, a sentence each. */
  compare(peer: NodeId, claimed: Claimed, told: ToldLedger): string[] {
    const unsure: string[] = [];
    for (const { lane, claims } of claimed) {
      const landed = told.landed.find((one) => isSame(one, nameAt(lane, peer)));
      for (const claim of claims) {
        const forgotten = this.#holdClaim(peer, lane, claim, landed, told.incarnation);
        if (forgotten !== undefined) unsure.push(forgotten);
      }
      this.#explainHoles(lane, peer, landed);
    }
    for (const sent of told.sent) this.#holdTheirs(peer, sent);
    return unsure;
  }

  /** Returns what the peer forgot when it was started again: marks of what nobody wanted there are not synced. */
  #holdClaim(
    peer: NodeId,
    lane: SentLane,
    { life, places }: Claim,
    landed: ToldLanded | undefined,
    lifeNow: number,
  ): string | undefined {
    lane.compared(peer, life, places);
    const missing = notIn(places, landed);
    if (missing.isEmpty) return undefined;
    const which = `${describeRanges(missing.ranges, this.#ports.ledger.incarnation)} of lane ${lane.name}`;
    if (life !== lifeNow)
      return `${which} were acked before ${peer} was started again, and it does not remember them`;
    this.#note('not-taken', lane.name, peer, `${which} were acked by ${peer}, which has not taken them`);
    return undefined;
  }

  /** What the peer says that we have acked. */
  #holdTheirs(peer: NodeId, sent: ToldSent): void {
    const { ledger } = this.#ports;
    const landed = ledger.landed(peer, laneNameOf(sent));
    const told = landed && {
      carried: [landed.carried.incarnation, landed.carried.sequence],
      taken: toldRanges(landed.taken.ranges),
    };
    for (const { life, places } of sent.claims) {
      if (life !== ledger.incarnation) continue; // of a life that is not remembered here
      const missing = notIn(PositionSet.of(rangesOf(places)), told);
      if (missing.isEmpty) continue;
      const lane = nameIn(sent);
      const which = describeRanges(missing.ranges, missing.last?.incarnation ?? 0);
      this.#note(
        'not-taken',
        lane,
        peer,
        `${which} of its lane ${lane} were acked here, as ${peer} says, and not taken`,
      );
    }
  }

  /** What was missing at the start had been settled, if any mesher of the destination has it. */
  #explainHoles(lane: SentLane, peer: NodeId, landed: ToldLanded | undefined): void {
    if (lane.holes.isEmpty || !this.#leadsTo(lane, peer)) return;
    lane.explain(lane.holes.minus(notIn(lane.holes, landed)), peer);
    const meshers = lane.to.scope === 'peer' ? [lane.to.node] : this.#ports.meshersOf(lane.to.cluster);
    if (meshers.every((mesher) => lane.wasExplainedBy(mesher))) lane.giveUpHoles();
  }

  #leadsTo({ to }: SentLane, peer: NodeId): boolean {
    return to.scope === 'peer' ? to.node === peer : to.cluster === this.#ports.clusterOf(peer);
  }

  #note(kind: LedgerDifference, lane: string, peer: NodeId, text: string): void {
    this.#ports.ledger.note({ kind, lane, peer, text });
  }

  // ─────────────────────────────────────────────────────────── what is shown

  /** Those with this peer, and of lanes that land there now, or would. */
  differencesWith(peer: NodeId): Difference[] {
    const { ledger, linked, clusterOf } = this.#ports;
    const lanes = new Map(ledger.sentLanes().map((lane) => [lane.name, lane]));
    return ledger.differences.filter((difference) => {
      if (difference.peer !== undefined) return difference.peer === peer;
      const lane = lanes.get(difference.lane);
      const landing = lane?.landing;
      if (landing !== undefined) return landing === peer;
      if (difference.lane === peerQueue(peer)) return true;
      const cluster = clusterOf(peer) ?? '';
      const isThere = difference.lane.startsWith(clusterQueue(cluster, 0).slice(0, -1));
      return isThere && linked().find((node) => clusterOf(node) === cluster) === peer;
    });
  }

  lanesOf(peer: NodeId, told: ToldLedger | undefined): LaneLedger[] {
    const differences = this.differencesWith(peer);
    const differenceOf = (lane: string): string =>
      differences
        .filter((one) => one.lane === lane)
        .map(({ text }) => text)
        .join('; ');
    const found: LaneLedger[] = [];
    for (const lane of this.#ports.ledger.sentLanes()) {
      const dealings = lane.dealingsWith(peer);
      if (!dealings && differenceOf(lane.name) === '') continue;
      const landed = told?.landed.find((one) => isSame(one, nameAt(lane, peer)));
      found.push({
        lane: lane.name,
        direction: 'out',
        ...coverOf(lane),
        sent: dealings?.sent ?? 0,
        acked: dealings?.acked ?? 0,
        received: landed?.received ?? 0,
        duplicate: landed?.duplicate ?? 0,
        refused: lane.expired > 0 ? { expired: lane.expired } : {},
        difference: differenceOf(lane.name),
      });
    }
    for (const landed of this.#ports.ledger.landedFrom(peer)) {
      const sent = told?.sent.find((one) => isSame(one, landed.name));
      const { incarnation = 0, from = 0, to = 0 } = landed.taken.ranges.at(-1) ?? {};
      const lane = nameIn(landed.name);
      found.push({
        lane,
        direction: 'in',
        incarnation,
        from,
        to,
        sent: sent?.sent ?? 0,
        acked: sent?.acked ?? 0,
        received: landed.received,
        duplicate: landed.duplicate,
        refused: sent && sent.expired > 0 ? { expired: sent.expired } : {},
        difference: differenceOf(lane),
      });
    }
    return found;
  }

  /** To a peer that asks. */
  tell(peer: NodeId): ToldLedger {
    const { ledger } = this.#ports;
    ledger.audit();
    const landed = ledger.landedFrom(peer).map(({ name, carried, taken, received, duplicate }) => ({
      ...name,
      carried: [carried.incarnation, carried.sequence],
      taken: toldRanges(taken.ranges),
      received,
      duplicate,
    }));
    const sent = ledger.sentLanes().flatMap((lane) => {
      const dealings = lane.dealingsWith(peer);
      if (!dealings) return [];
      const { from, to } = coverOf(lane);
      return {
        ...nameAt(lane, peer),
        sent: dealings.sent,
        acked: dealings.acked,
        expired: lane.expired,
        from,
        to,
        claims: dealings.claims.map(({ life, places }) => ({ life, places: toldRanges(places.ranges) })),
      };
    });
    return { incarnation: ledger.incarnation, landed, sent };
  }
}

/** What is not carried over nor taken there. */
function notIn(places: PositionSet, landed: Pick<ToldLanded, 'carried' | 'taken'> | undefined): PositionSet {
  if (!landed) return places;
  return places.after(positionOf(landed.carried)).minus(PositionSet.of(rangesOf(landed.taken)));
}

function isSame(a: LaneName, b: LaneName): boolean {
  return a.scope === b.scope && a.lane === b.lane && a.of === b.of;
}

/** What the lane is called where it lands: an heir has lanes of its own from us, too. */
function nameAt({ to }: SentLane, peer: NodeId): LaneName {
  if (to.scope === 'cluster') return { scope: 'cluster', lane: to.lane };
  return to.node === peer ? PEER_LANE : { ...PEER_LANE, of: to.node };
}

const PEER_LANE: LaneName = { scope: 'peer', lane: 0 };

/** Of a lane that lands here. */
export function nameIn({ scope, lane, of }: LaneName): string {
  return scope === 'cluster' ? `${lane} to this cluster` : of === undefined ? 'to this mesher' : `to ${of}`;
}

/** Sequences that are covered, of the last incarnation only. */
function coverOf({ first, last }: SentLane): { incarnation: number; from: number; to: number } {
  if (!first || !last) return { incarnation: 0, from: 0, to: 0 };
  const from = first.incarnation === last.incarnation ? first.sequence : 1;
  return { incarnation: last.incarnation, from, to: last.sequence };
}
