// One target, over and over: takes an input of the corpus, changes it, runs it, and keeps it where it reached a block of
// code that none before had reached. Everything follows from the seed, but for what the target itself leaves to chance.
//
// Jazzer.js would be the tool for this, but it instruments what `require` loads (4.0.0), and all here are ES modules.
//
// Promises that are the same for every target, and how they are looked at:
//   ends        a watcher in another thread sees which input is under way (`started`) and for how long
//   work        executions of blocks, which V8 counts: at most so many for each byte of the input (no time is measured)
//   memory      V8's heap and buffers before and after: at most so much for each byte

import { hash } from 'node:crypto';
import { getHeapStatistics } from 'node:v8';
import { Chance } from '../simulation/chance.ts';
import type { Coverage } from './coverage.ts';
import { mutate } from './mutations.ts';
import type { Target } from './target.ts';

export interface Finding {
  readonly target: string;
  readonly kind: 'error' | 'work' | 'memory' | 'hang';
  readonly message: string;
  readonly stack: string;
  readonly input: Uint8Array;
}

export interface Tally {
  executions: number;
  taken: number;
  refused: number;
  /** Inputs that joined the corpus. */
  kept: number;
}

export interface FuzzerEvents {
  /** An input is about to run. */
  started(input: Uint8Array): void;
  /** It reached something new. */
  kept(input: Uint8Array): void;
  found(finding: Finding): void;
}

/** Executions between two looks at the coverage. */
const BATCH = 48;
const SAMPLES = 48;
/** How often a fresh valid input is run, or taken for the next mutant. */
const FRESH = 0.02;
const FINDINGS_MAX = 10;
const MINIMISING_MAX = 400;
const OPERATIONS_FREE = 20_000;
const OPERATIONS_PER_BYTE = 300;
const MEMORY_FREE_BYTES = 16 * 1024 * 1024;
const MEMORY_PER_BYTE = 2_000;

export class Fuzzer {
  readonly tally: Tally = { executions: 0, taken: 0, refused: 0, kept: 0 };
  readonly #target: Target;
  readonly #coverage: Coverage;
  readonly #events: FuzzerEvents;
  readonly #chance: Chance;
  readonly #dictionary: readonly Uint8Array[];
  readonly #corpus: Uint8Array[] = [];
  readonly #found = new Set<string>();

  constructor(target: Target, seed: number, coverage: Coverage, events: FuzzerEvents) {
    this.#target = target;
    this.#coverage = coverage;
    this.#events = events;
    this.#chance = new Chance(seed).fork(target.name);
    this.#dictionary = target.dictionary.map((word) => Buffer.from(word));
  }

  /** Runs what is given, as it is, and fresh valid inputs; those that reach something new are the first corpus. */
  async begin(inputs: readonly Uint8Array[]): Promise<void> {
    const samples = Array.from({ length: SAMPLES }, () => this.#target.sample(this.#chance));
    this.#coverage.take(); // what encoding them executed is no work of the first input's
    for (const input of [...inputs, ...samples, new Uint8Array(0)]) await this.#runAlone(input);
    if (this.#corpus.length === 0) this.#corpus.push(...samples);
  }

  /** Until `isOver` says so, which it is asked now and then. */
  async run(isOver: (executions: number) => boolean): Promise<void> {
    while (!isOver(this.tally.executions)) {
      const inputs = Array.from({ length: BATCH }, () => this.#next());
      let bytes = 0;
      for (const input of inputs) {
        await this.#execute(input);
        bytes += input.length;
      }
      const { fresh, operations } = this.#coverage.take(false);
      const tooMuch = operations > this.#operationsMax(bytes) + (BATCH - 1) * this.#operationsFree;
      if (fresh === 0 && !tooMuch) continue;
      for (const input of inputs) await this.#runAlone(input);
    }
  }

  #next(): Uint8Array {
    const chance = this.#chance;
    if (chance.is(FRESH)) return this.#target.sample(chance);
    // New ones more often: what they reached is hardly explored yet.
    const at = this.#corpus.length - 1 - Math.floor(chance.next() ** 2 * this.#corpus.length);
    const input = this.#corpus[Math.max(0, at)] ?? this.#target.sample(chance);
    return mutate(this.#target, input, chance, {
      dictionary: this.#dictionary,
      other: () => chance.pick(this.#corpus),
    });
  }

  /** With a look at the coverage of this one input. */
  async #runAlone(input: Uint8Array): Promise<void> {
    const passed = await this.#execute(input);
    const { fresh, operations } = this.#coverage.take();
    if (passed && operations > this.#operationsMax(input.length))
      this.#report('work', input, new Error(`${input.length} bytes took ${operations} executions of blocks`));
    if (fresh === 0) return;
    this.#corpus.push(Buffer.from(input));
    this.tally.kept++;
    this.#events.kept(input);
  }

  get #operationsFree(): number {
    return this.#target.operationsFree ?? OPERATIONS_FREE;
  }

  #operationsMax(bytes: number): number {
    return this.#operationsFree + bytes * (this.#target.operationsPerByte ?? OPERATIONS_PER_BYTE);
  }

  /** False: it was a finding. */
  async #execute(input: Uint8Array): Promise<boolean> {
    const failure = await this.#failureOf(input);
    if (!failure) return true;
    const key = keyOf(failure.kind, failure.error);
    if (this.#found.has(key) || this.#found.size >= FINDINGS_MAX) return false;
    const small = failure.kind === 'error' ? await this.#minimised(input, key) : input;
    this.#report(failure.kind, small, failure.error);
    return false;
  }

  #report(kind: Finding['kind'], input: Uint8Array, error: unknown): void {
    const key = keyOf(kind, error);
    if (this.#found.has(key) || this.#found.size >= FINDINGS_MAX) return;
    this.#found.add(key);
    const { name } = this.#target;
    const message = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
    const stack = error instanceof Error ? (error.stack ?? '') : '';
    this.#events.found({ target: name, kind, message, stack, input });
  }

  async #failureOf(
    input: Uint8Array,
  ): Promise<{ readonly kind: Finding['kind']; readonly error: unknown } | undefined> {
    this.#events.started(input);
    this.tally.executions++;
    const before = heldBytes();
    try {
      const outcome = this.#target.run(input);
      if (typeof outcome === 'boolean' ? outcome : await outcome) this.tally.taken++;
      else this.tally.refused++;
    } catch (error) {
      return { kind: 'error', error };
    }
    const grown = heldBytes() - before;
    const { memoryFree = MEMORY_FREE_BYTES } = this.#target;
    if (grown <= memoryFree + input.length * MEMORY_PER_BYTE) return undefined;
    return { kind: 'memory', error: new Error(`${input.length} bytes took ${grown} bytes of memory`) };
  }

  /** Pieces are left out as long as it fails in the same way. */
  async #minimised(input: Uint8Array, key: string): Promise<Uint8Array> {
    let best = Buffer.from(input);
    let tries = 0;
    for (
      let size = Math.ceil(best.length / 2);
      size >= 1 && tries < MINIMISING_MAX;
      size = size === 1 ? 0 : Math.ceil(size / 2)
    ) {
      for (let at = 0; at < best.length && tries < MINIMISING_MAX; tries++) {
        const shorter = Buffer.concat([best.subarray(0, at), best.subarray(at + size)]);
        const failure = await this.#failureOf(shorter);
        if (failure && keyOf(failure.kind, failure.error) === key) best = shorter;
        else at += size;
      }
    }
    return best;
  }
}

export function nameOf(input: Uint8Array): string {
  return hash('sha256', input).slice(0, 16);
}

/** The same fault has the same words (but for numbers and texts in them) and place. */
function keyOf(kind: string, error: unknown): string {
  if (!(error instanceof Error)) return `${kind} ${String(error)}`;
  if (kind !== 'error') return kind;
  const words =
    error.message
      .split('\n', 1)[0]
      ?.replace(/\d+|".*"|'.*'/g, '_')
      .slice(0, 60) ?? '';
  const places = (error.stack ?? '').split('\n').filter((line) => line.includes('file:'));
  return `${error.name} ${words} ${places.slice(0, 2).join(' ')}`;
}

function heldBytes(): number {
  const { used_heap_size: heap, external_memory: external } = getHeapStatistics();
  return heap + external;
}
