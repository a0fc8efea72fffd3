// A role of a benchmark that runs in a process of its own: a publisher, a subscriber, a reference server. The role's module
// calls `playRole` with its methods; the scenario calls them by `Role.call`, which is a message over Node's IPC channel.
// A method that throws rejects the call; a process that ends takes its open calls with it.
//
//   publisher.ts   export interface PublisherRole { publish(load: Load): Promise<Published> }
//                  playRole<PublisherRole>({ publish: async (load) => … });
//   scenario.ts    const publisher = run.role<PublisherRole>('client', join(import.meta.dirname, 'publisher.ts'));
//                  const published = await publisher.call('publish', load);

import type { ChildProcess } from 'node:child_process';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Every method takes one argument that the structured clone algorithm can copy, and answers with another. */
export type Methods<T> = { readonly [Name in keyof T]: (argument: never) => unknown };
export type ArgumentOf<T, Name extends keyof T> = T[Name] extends (argument: infer A) => unknown ? A : never;
export type AnswerOf<T, Name extends keyof T> = T[Name] extends (argument: never) => infer R
  ? Awaited<R>
  : never;

interface Call {
  readonly call: number;
  readonly method: string;
  readonly argument: unknown;
}

interface Answer {
  readonly call: number;
  readonly value?: unknown;
  readonly error?: string;
}

/** How often the event loop's delay is sampled: the finest that does not wake an idle process too often. */
const DELAY_RESOLUTION_MS = 10;
const OUTPUT_KEPT = 20_000;

/** In the role's process. It ends when its parent does. */
export function playRole<T extends Methods<T>>(methods: T): void {
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  delay.enable();
  const all = new Map<string, (argument: never) => unknown>(
    Object.entries<(argument: never) => unknown>({ ...methods, ...ownMethods(delay) }),
  );
  process.on('disconnect', () => process.exit());
  process.on('message', ({ call, method, argument }: Call) => {
    const answer = (rest: Omit<Answer, 'call'>): void => void process.send?.({ call, ...rest });
    Promise.resolve()
      .then(() => {
        const play = all.get(method);
        if (!play) throw new Error(`this role has no ${method}`);
        return play(argument as never);
      })
      .then((value) => answer({ value }))
      .catch((error: unknown) =>
        answer({ error: error instanceof Error ? (error.stack ?? '') : String(error) }),
      );
  });
}

/** What every role can be asked. */
export interface OwnMethods {
  /** What was measured of the event loop's delay is forgotten. */
  $forgetDelay(nothing: undefined): void;
  /** Beyond the sampling interval; since it was last forgotten. */
  $delayP99Ms(nothing: undefined): number;
}

function ownMethods(delay: ReturnType<typeof monitorEventLoopDelay>): OwnMethods {
  return {
    $forgetDelay: () => delay.reset(),
    // An empty histogram has placeholders for figures.
    $delayP99Ms: () =>
      delay.count === 0 ? 0 : Math.max(0, delay.percentile(99) / 1e6 - DELAY_RESOLUTION_MS),
  };
}

/** In the scenario's process. */
export class Role<T extends Methods<T>> {
  readonly #child: ChildProcess;
  readonly #name: string;
  readonly #calls = new Map<
    number,
    { readonly resolve: (value: unknown) => void; readonly reject: (e: Error) => void }
  >();
  #nextCall = 1;
  #output = '';
  #ended: string | undefined;

  /** `child`: just started, with an IPC channel. */
  constructor(name: string, child: ChildProcess) {
    this.#name = name;
    this.#child = child;
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk: Buffer) => {
        this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_KEPT);
      });
    }
    child.on('message', ({ call, value, error }: Answer) => {
      const waiting = this.#calls.get(call);
      this.#calls.delete(call);
      if (error === undefined) waiting?.resolve(value);
      else waiting?.reject(new Error(`${name}: ${error}`));
    });
    child.on('error', (error) => this.#end(`could not be started: ${error.message}`));
    child.on('close', (code, signal) => this.#end(`ended (${signal ?? code}); it printed:\n${this.#output}`));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  call<Name extends keyof T & string>(
    method: Name,
    argument: ArgumentOf<T, Name>,
  ): Promise<AnswerOf<T, Name>> {
    return this.#call(method, argument) as Promise<AnswerOf<T, Name>>;
  }

  async forgetDelay(): Promise<void> {
    await this.#call('$forgetDelay', undefined);
  }

  async delayP99Ms(): Promise<number> {
    return (await this.#call('$delayP99Ms', undefined)) as number;
  }

  #call(method: string, argument: unknown): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (this.#ended !== undefined) {
        reject(new Error(`${this.#name} ${this.#ended}`));
        return;
      }
      const call = this.#nextCall++;
      this.#calls.set(call, { resolve, reject });
      this.#child.send({ call, method, argument } satisfies Call);
    });
  }

  #end(how: string): void {
    this.#ended = how;
    for (const { reject } of this.#calls.values()) reject(new Error(`${this.#name} ${how}`));
    this.#calls.clear();
  }
}
