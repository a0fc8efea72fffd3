// What clients saw and what was done to the mesh, one JSON line each, in the order it happened, with the monotonic time
// of this process. Lines are only ever added. The checker reads them and nothing else.

import { createReadStream, createWriteStream, type WriteStream } from 'node:fs';
import { createInterface } from 'node:readline';

/** The mesher's life, queue, block and index of an event in its subscription's queue: the same for each delivery of the same place. */
export type Place = string;

/** Publisher, its number there, place, attempt, origin mesher, its sequence, 0 or 1: the data is what was published. */
export type Received = readonly [string, number, Place, number, string, number, 0 | 1];

export type Happening =
  /** Who is who: subscriptions were known everywhere before the first event. */
  | {
      readonly op: 'start';
      readonly seed: number;
      /** Subscription → its mesher; each is owed every event. */
      readonly subscribers: Readonly<Record<string, string>>;
      /** The same of those that share the events: one of them is owed each. */
      readonly group: Readonly<Record<string, string>>;
      readonly publishers: Readonly<Record<string, string>>;
    }
  /** `publisher` asks its mesher to take events `first` … `first + count - 1`. */
  | {
      readonly op: 'publish';
      readonly publisher: string;
      readonly first: number;
      readonly count: number;
      readonly attempt: number;
    }
  /** Refused: surely not taken. Unknown: may have been taken, or may yet be. */
  | {
      readonly op: 'acked' | 'refused' | 'unknown';
      readonly publisher: string;
      readonly first: number;
      readonly attempt: number;
      readonly why?: string;
    }
  | { readonly op: 'delivered'; readonly subscriber: string; readonly events: readonly Received[] }
  | { readonly op: 'settle'; readonly subscriber: string; readonly places: readonly Place[] }
  /** The answer to the `settle` before: all but the stale ones are settled. */
  | { readonly op: 'settled'; readonly subscriber: string; readonly stale: readonly Place[] }
  | { readonly op: 'unsettled'; readonly subscriber: string; readonly why: string }
  /**
   * As a mesher counts them since its start: events that landed in doubt; lanes that moved, by cluster; events given up, by reason.
   * `landings`: by cluster, for each lane by its number, the mesher where it lands, '' where it has not begun. `copied`: another mesher has
   * all that it had, and goes on getting what comes. Both left out: not known.
   */
  | {
      readonly op: 'counted';
      readonly mesher: string;
      readonly doubtful: number;
      readonly moves: Readonly<Record<string, number>>;
      readonly drops?: Readonly<Record<string, number>>;
      readonly landings?: Readonly<Record<string, readonly string[]>>;
      readonly copied?: boolean;
    }
  | { readonly op: 'started' | 'ended'; readonly mesher: string; readonly how: string }
  /**
   * The name `node` is gone for good: what comes back in its place is another mesher, and others take over what it had. Its disk is lost; or
   * it found its journal damaged; or it was away for so long that others took over, and hands over what only it has.
   */
  | {
      readonly op: 'lost';
      readonly mesher: string;
      readonly node: string;
      readonly how: 'disk' | 'damage' | 'away';
    }
  /** All that was left of it is moved to others. */
  | { readonly op: 'taken-over'; readonly mesher: string; readonly node: string }
  | { readonly op: 'fault' | 'healed'; readonly nemesis: string; readonly facts: string }
  /** From here on no fault is left and nothing is published. */
  | { readonly op: 'quiet' }
  /** Nothing more is waited for; `queued`: what the meshers still hold. */
  | { readonly op: 'end'; readonly queued: Readonly<Record<string, number>> }
  | { readonly op: 'broken'; readonly promise: string; readonly facts: string };

export type Line = Happening & { readonly t: number };

export class History {
  readonly file: string;
  readonly #stream: WriteStream;
  readonly #startedAt = performance.now();
  #error: Error | undefined;

  constructor(file: string) {
    this.file = file;
    this.#stream = createWriteStream(file, { flags: 'ax' });
    this.#stream.on('error', (error) => (this.#error = error));
  }

  get nowMs(): number {
    return Math.round((performance.now() - this.#startedAt) * 10) / 10;
  }

  write(happening: Happening): void {
    if (this.#error) throw new Error(`the history ${this.file} cannot be written`, { cause: this.#error });
    this.#stream.write(`${JSON.stringify({ t: this.nowMs, ...happening })}\n`);
  }

  async close(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#stream.end((error?: Error | null) => (error ? reject(error) : resolve()));
    });
  }
}

export async function* readHistory(file: string): AsyncGenerator<Line> {
  for await (const line of createInterface({ input: createReadStream(file), crlfDelay: Infinity }))
    yield JSON.parse(line) as Line;
}
