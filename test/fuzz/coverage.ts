// Which blocks of the project's code were executed, by V8's own precise coverage. Looking costs a fifth of a millisecond
// (only functions that ran since the last look are told), and executions cost what they did without it.
//
// V8 tells ranges of a function's text, the inner ones after the outer, each with a count. A block is new where its text
// was never executed before. What a function calls is told apart from it, so texts are kept for each function.

import { Session } from 'node:inspector';
import type { Profiler } from 'node:inspector';

export interface Reached {
  /** Blocks that were never executed before. */
  readonly fresh: number;
  /** Executions of blocks, all together: how much work it was. */
  readonly operations: number;
}

interface Seen {
  readonly executed: Uint8Array;
  /** Sets of ranges that brought nothing new. */
  readonly known: Set<string>;
}

export class Coverage {
  readonly #session = new Session();
  readonly #isOurs: (url: string) => boolean;
  readonly #seen = new Map<string, Seen>();
  #blocks = 0;

  constructor(isOurs: (url: string) => boolean) {
    this.#isOurs = isOurs;
  }

  /** Blocks executed so far. */
  get blocks(): number {
    return this.#blocks;
  }

  start(): void {
    this.#session.connect();
    this.#session.post('Profiler.enable');
    this.#session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });
    this.take();
  }

  stop(): void {
    this.#session.disconnect();
  }

  /** What was executed since the last call. `remember`: it is not fresh a second time. */
  take(remember = true): Reached {
    let scripts: readonly Profiler.ScriptCoverage[] = [];
    this.#session.post('Profiler.takePreciseCoverage', (_error, { result }) => {
      scripts = result;
    });
    let fresh = 0;
    let operations = 0;
    for (const { url, functions } of scripts) {
      if (!this.#isOurs(url)) continue;
      for (const each of functions) {
        fresh += this.#freshOf(url, each.ranges, remember);
        for (const { count } of each.ranges) operations += count;
      }
    }
    if (remember) this.#blocks += fresh;
    return { fresh, operations };
  }

  #freshOf(url: string, ranges: readonly Profiler.CoverageRange[], remember: boolean): number {
    const [whole] = ranges;
    if (whole === undefined || whole.count === 0) return 0;
    const { startOffset: start, endOffset: end } = whole;
    const key = `${url}:${start}:${end}`;
    let seen = this.#seen.get(key);
    let signature = '';
    for (const { startOffset, endOffset, count } of ranges)
      signature += `${startOffset},${endOffset},${count > 0 ? 1 : 0};`;
    if (seen?.known.has(signature) === true) return 0;
    const executed = new Uint8Array(end - start);
    for (const { startOffset, endOffset, count } of ranges)
      executed.fill(count > 0 ? 1 : 0, startOffset - start, endOffset - start);
    let fresh = 0;
    let isFresh = false;
    for (let i = 0; i < executed.length; i++) {
      const wasFresh = isFresh;
      isFresh = executed[i] === 1 && seen?.executed[i] !== 1;
      if (isFresh && !wasFresh) fresh++;
    }
    if (fresh > 0 && !remember) return fresh;
    if (!seen) this.#seen.set(key, (seen = { executed, known: new Set() }));
    else for (let i = 0; i < executed.length; i++) if (executed[i] === 1) seen.executed[i] = 1;
    seen.known.add(signature);
    return fresh;
  }
}
