// What a mesher tells a peer of its ledger: what landed here of the lanes that the peer sends, and what the peer has acked of those
// that are sent to it. Bounded, and cut at the bounds: the oldest pieces are then believed.

import Type, { type Static } from 'typebox';
import { comparePositions, type LaneName, type Position, START } from '../../core/event.ts';
import type { Question } from '../questions.ts';
import type { PositionRange } from './position-set.ts';

const LANES_MAX = 1024;
/** Of one lane: lives of who acked. */
const CLAIMS_MAX = 8;
const RANGES_MAX = 256;
const NAME_LENGTH_MAX = 512;

const Count = Type.Integer({ minimum: 0 });
/** Incarnation, first, last. */
const Range = Type.Array(Count, { minItems: 3, maxItems: 3 });
const Ranges = Type.Array(Range, { maxItems: RANGES_MAX });
const lane = {
  scope: Type.Union([Type.Literal('cluster'), Type.Literal('peer')]),
  lane: Count,
  of: Type.Optional(Type.String({ maxLength: NAME_LENGTH_MAX })),
};

const Landed = Type.Object({
  ...lane,
  /** Incarnation and sequence: all up to there had been taken before. */
  carried: Type.Array(Count, { minItems: 2, maxItems: 2 }),
  taken: Ranges,
  received: Count,
  duplicate: Count,
});

const Sent = Type.Object({
  ...lane,
  sent: Count,
  acked: Count,
  expired: Count,
  /** Sequences of the last incarnation that were covered. */
  from: Count,
  to: Count,
  claims: Type.Array(Type.Object({ life: Count, places: Ranges }), { maxItems: CLAIMS_MAX }),
});

export const LEDGER = {
  kind: 'ledger',
  asked: Type.Object({}),
  told: Type.Object({
    /** Of whom tells this. */
    incarnation: Count,
    landed: Type.Array(Landed, { maxItems: LANES_MAX }),
    sent: Type.Array(Sent, { maxItems: LANES_MAX }),
  }),
} satisfies Question<Type.TObject, Type.TObject>;

export type ToldLedger = Static<(typeof LEDGER)['told']>;
export type ToldLanded = Static<typeof Landed>;
export type ToldSent = Static<typeof Sent>;

/** The newest of them. */
export function toldRanges(ranges: readonly PositionRange[]): number[][] {
  return ranges.slice(-RANGES_MAX).map(({ incarnation, from, to }) => [incarnation, from, to]);
}

/** What a peer says may be nonsense: of its ranges those count that are ranges, and come after the one before. */
export function rangesOf(told: readonly (readonly number[])[]): PositionRange[] {
  const ranges: PositionRange[] = [];
  let last = START;
  for (const [incarnation = 0, from = 0, to = 0] of told) {
    if (from > to || comparePositions({ incarnation, sequence: from }, last) <= 0) continue;
    ranges.push({ incarnation, from, to });
    last = { incarnation, sequence: to };
  }
  return ranges;
}

export function positionOf([incarnation = 0, sequence = 0]: readonly number[]): Position {
  return { incarnation, sequence };
}

export function laneNameOf({ scope, lane, of }: LaneName | ToldLanded): LaneName {
  return of === undefined ? { scope, lane } : { scope, lane, of };
}
