// Runs one row: subject and reference by turns, the order swapped with each pair, so that neither always has the cold
// cache, the fuller disk or the hotter machine. The very first run is the subject's: a reference may go by what was seen of
// it. The first pair may be left out of the count, as a warm-up.

import { NotMeasured } from './not-measured.ts';
import { rowResult, type Pair, type RowResult } from './results.ts';
import type { Row, Size, Subject, Sample } from './scenario.ts';

export interface PairOptions {
  readonly size: Size;
  readonly pairs: number;
  /** Pairs run before those that count. */
  readonly warmUps: number;
  /** Told of each run as it ends. */
  readonly told?: (ran: Ran) => void;
}

export interface Ran {
  readonly row: string;
  /** From 1; warm-ups are 0. */
  readonly pair: number;
  readonly subject: string;
  readonly sample: Sample;
  readonly tookMs: number;
}

/** Throws NotMeasured, before any run, where the subject or the reference cannot be run here. */
export async function runRow(row: Row, options: PairOptions): Promise<RowResult> {
  const { pairs, warmUps, size, told = () => undefined } = options;
  // first of all: what lacks a program should not be found out after minutes of the other's warm-up
  await row.subject.ready?.();
  await row.reference?.ready?.();
  const ran: Pair[] = [];
  for (let i = -warmUps; i < pairs; i++) {
    const run = async (subject: Subject): Promise<Sample> => {
      const startedMs = performance.now();
      const sample = checked(row, subject, await subject.run(size).catch(because(row, subject)));
      const tookMs = performance.now() - startedMs;
      told({ row: row.id, pair: Math.max(0, i + 1), subject: subject.name, sample, tookMs });
      return sample;
    };
    const pair = await runPair(row, (i + warmUps) % 2 === 0, run);
    if (i >= 0) ran.push(pair);
  }
  return rowResult(row, ran);
}

async function runPair(
  row: Row,
  subjectFirst: boolean,
  run: (subject: Subject) => Promise<Sample>,
): Promise<Pair> {
  if (row.reference === undefined) return { subject: await run(row.subject) };
  if (subjectFirst) {
    const subject = await run(row.subject);
    return { subject, reference: await run(row.reference) };
  }
  const reference = await run(row.reference);
  return { subject: await run(row.subject), reference };
}

/** A long benchmark must say which run failed it. */
function because(row: Row, subject: Subject): (cause: unknown) => never {
  return (cause) => {
    if (cause instanceof NotMeasured) throw cause;
    throw new Error(`${row.id}: a run of ${subject.name} failed`, { cause });
  };
}

/** A figure that is none (0 events, 0/0) must not become a ratio. */
function checked(row: Row, subject: Subject, sample: Sample): Sample {
  const usable = Number.isFinite(sample.value) && sample.value > 0 && sample.events > 0;
  if (usable) return sample;
  throw new Error(
    `${row.id}: ${subject.name} gave no figure (${sample.value} ${row.unit}, ${sample.events} events)`,
  );
}
