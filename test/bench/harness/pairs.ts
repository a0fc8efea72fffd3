// Runs one row: subject and reference by turns, the order swapped with each pair, so that neither always has the cold
// cache, the fuller disk or the hotter machine. The very first run is the subject's: a reference may go by what was seen of
// it. The first pair may be left out of the count, as a warm-up; rows whose subjects are open side by side need none.

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
  // first of all: what lacks a program should not be found out after minutes of the other's warm-up
  await row.subject.ready?.();
  await row.reference?.ready?.();
  return rowResult(
    row,
    row.rounds === undefined ? await runPairs(row, options) : await runTogether(row, options),
  );
}

type Told = Required<PairOptions>['told'];
type Take = () => Promise<Sample>;

/** Takes a sample of a row, looks at it, and tells of it. */
async function taken(row: Row, subject: Subject, pair: number, take: Take, told: Told): Promise<Sample> {
  const startedMs = performance.now();
  const sample = checked(row, subject, await take().catch(because(row, subject)));
  const tookMs = performance.now() - startedMs;
  told({ row: row.id, pair, subject: subject.name, sample, tookMs });
  return sample;
}

async function runPairs(
  row: Row,
  { pairs, warmUps, size, told = () => undefined }: PairOptions,
): Promise<Pair[]> {
  const ran: Pair[] = [];
  for (let i = -warmUps; i < pairs; i++) {
    const take = (subject: Subject) => () =>
      taken(row, subject, Math.max(0, i + 1), () => subject.run(size), told);
    const reference = row.reference && take(row.reference);
    const pair = await runPair(take(row.subject), reference, (i + warmUps) % 2 === 0);
    if (i >= 0) ran.push(pair);
  }
  return ran;
}

/** `pairs` times both are started anew: how fast a process is, of those that do the same, is partly chance. */
async function runTogether(row: Row, { pairs, size, told = () => undefined }: PairOptions): Promise<Pair[]> {
  const ran: Pair[] = [];
  for (let i = 0; i < pairs; i++) {
    await using open = new AsyncDisposableStack();
    const opened = async (subject: Subject): Promise<Take> => {
      if (!subject.open) throw new Error(`${row.id} has rounds, and ${subject.name} cannot stay open`);
      const one = await subject.open(size).catch(because(row, subject));
      open.defer(() => one.close());
      return () => taken(row, subject, ran.length + 1, () => one.sample(), told);
    };
    // who is opened first has waited for longer when it is loaded
    const first = i % 2 === 0 ? await opened(row.subject) : undefined;
    const reference = row.reference && (await opened(row.reference));
    const subject = first ?? (await opened(row.subject));
    for (let round = 0; round < (row.rounds ?? 0); round++) {
      const [one, other] = await Promise.all([subject(), reference?.()]);
      ran.push(other === undefined ? { subject: one } : { subject: one, reference: other });
    }
  }
  return ran;
}

async function runPair(subject: Take, reference: Take | undefined, subjectFirst: boolean): Promise<Pair> {
  if (reference === undefined) return { subject: await subject() };
  if (subjectFirst) {
    const first = await subject();
    return { subject: first, reference: await reference() };
  }
  const first = await reference();
  return { subject: await subject(), reference: first };
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
