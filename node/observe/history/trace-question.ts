// What a mesher is asked about one event, and what it may answer.

import Type, { type Static } from 'typebox';
import { HOP_KINDS, type HopKind } from '../../core/overview.ts';
import type { Question } from '../questions.ts';

/** Characters of a source or an id that may be asked for: far more than makes sense, and a question still fits. */
export const NAME_MAX = 8_192;
const TEXT_MAX = 2_048;
/** Hops that one mesher tells of one event, the newest. */
export const HOPS_TOLD_MAX = 256;
export const WAITS_TOLD_MAX = 64;

const Text = Type.String({ maxLength: TEXT_MAX });
const Time = Type.Number({ minimum: 0, maximum: 8.64e15 });

const asked = Type.Object({
  source: Type.String({ maxLength: NAME_MAX }),
  id: Type.String({ maxLength: NAME_MAX }),
});

const told = Type.Object({
  hops: Type.Array(
    Type.Object({
      at: Time,
      what: Type.Unsafe<HopKind>({ type: 'string', enum: HOP_KINDS }),
      peer: Text,
      subscription: Text,
      reason: Text,
      attempt: Type.Integer({ minimum: 0 }),
    }),
    { maxItems: HOPS_TOLD_MAX },
  ),
  /** Why it waits there, one sentence each. */
  waits: Type.Array(Text, { maxItems: WAITS_TOLD_MAX }),
  /** What was before this, the mesher may have forgotten. */
  since: Time,
});

export type LocalTrace = Static<typeof told>;
export type AskedTrace = Static<typeof asked>;

export const traceQuestion: Question<typeof asked, typeof told> = { kind: 'trace', asked, told };
