// What a benchmark is made of. A scenario is a table of rows; a row compares one subject with at most one reference, in
// interleaved pairs within one run, because on shared machines only ratios within one run mean anything. A row without a reference
// measures something whose bound is absolute (bytes per filter, bytes on a link).

/** What one run of a subject gave. Every run starts afresh, warms up, measures, and checks that nothing was lost. */
export interface Sample {
  /** In the row's unit. */
  readonly value: number;
  /** Events (matches, requests) that the value rests on. */
  readonly events: number;
  /** User and system CPU of all processes of the run, clients too, per event. */
  readonly cpuUsPerEvent?: number;
  /** fsync, fdatasync and their kin of the servers; per event. Counted, not timed. */
  readonly fsyncsPerEvent?: number;
  /** The largest of the servers. */
  readonly rssMaxBytes?: number;
  /** The largest of the servers' event loops. */
  readonly loopDelayP99Ms?: number;
  /** More figures worth keeping, by name with unit: `p99Ms`, `bytesPerFilter`. */
  readonly more?: Readonly<Record<string, number>>;
}

export interface Subject {
  readonly name: string;
  /** Asked before anything of the row is run. Rejects with NotMeasured where something is missing that every run needs. */
  ready?(): Promise<void>;
  /**
   * Rejects when something was lost, or when the run could not be made (with NotMeasured where that is no fault, such as a
   * program that is not installed); never returns a made-up figure.
   */
  run(size: Size): Promise<Sample>;
  /** The same, in parts, for rows that have `rounds`. Left out: it can only be run as a whole. */
  open?(size: Size): Promise<OpenSubject>;
}

/** Started and warm, and idle until it is asked. */
export interface OpenSubject {
  /** As often as one likes. Rejects where something was lost. */
  sample(): Promise<Sample>;
  close(): Promise<void>;
}

/** What `run` is, of a subject that can be open. */
export async function runOnce(open: Required<Subject>['open'], size: Size): Promise<Sample> {
  const opened = await open(size);
  try {
    return await opened.sample();
  } finally {
    await opened.close();
  }
}

/** `short`: for the regression check, a few seconds a run. `full`: for docs/performance.md. */
export type Size = 'short' | 'full';

export interface Row {
  /** Stable: the baseline and the table name it so: `1.durable-256`. */
  readonly id: string;
  readonly what: string;
  readonly unit: string;
  /** Whether a larger value is the better one; ratio = subject / reference, or its inverse where smaller is better. */
  readonly better: 'higher' | 'lower';
  readonly subject: Subject;
  readonly reference?: Subject;
  /**
   * Both are open and sampled at the same time, so often for each start of the two; every round is a pair. For differences that are smaller
   * than what makes two runs, or two seconds, differ: what the machine does, it does to both. Both must want all of it that they can get, so
   * that each has half. Left out: one runs after the other.
   */
  readonly rounds?: number;
  /** The goal in words, and whether medians (and the median of the pairs' ratios, undefined without a reference) meet it. */
  readonly goal?: {
    readonly text: string;
    met(result: {
      readonly ratio: number | undefined;
      readonly subject: Sample;
      readonly reference: Sample | undefined;
    }): boolean;
  };
}

/** What a drawing may show of a row. */
export interface Drawn {
  readonly id: string;
  readonly medians: { readonly subject: Sample };
}

export interface Scenario {
  /** As `npm run bench -- <name>` names it: `durable`, `link`, `http`. */
  readonly name: string;
  /** The number of the scenario in docs/performance.md. */
  readonly number: number;
  readonly title: string;
  /** Rows of the short form are those whose `short` is true; the others need minutes, or other programs. */
  readonly rows: readonly (Row & { readonly short: boolean })[];
  /** What a reader has to know beside the figures, in Markdown: how it is measured, what stands in the way. */
  readonly notes: string;
  /** Drawings that the notes show, by file name, made of what was measured: written beside docs/performance.md. */
  drawings?(rows: readonly Drawn[]): Readonly<Record<string, string>>;
  /** Other programs that take part, by name, with their versions: asked once, before the first row. */
  programs?(): Promise<Readonly<Record<string, string>>>;
}
