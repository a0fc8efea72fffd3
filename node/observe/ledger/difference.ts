// What two ledgers, or a ledger and the mesher it is of, do not agree on.

import type { NodeId } from '../../core/event.ts';
import type { LedgerDifference } from '../../core/metric-catalogue.ts';

export interface Difference {
  readonly kind: LedgerDifference;
  /** Name of the lane's queue at its sender. */
  readonly lane: string;
  /** Whose ledger differs from ours; undefined: ours differs from what this mesher itself did. */
  readonly peer: NodeId | undefined;
  /** Exactly what, in one sentence without its full stop. */
  readonly text: string;
}
