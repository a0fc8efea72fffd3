// Tries a call on one endpoint after the other until one answers or the time is up. The endpoint that answered last is
// asked first, so that a dead one costs its time once and not on every call.

import { pause } from './scheduler.ts';
import type { Scheduler } from './scheduler.ts';

export interface Failover<Endpoint> {
  readonly endpoints: readonly Endpoint[];
  readonly timeoutMs: number;
  readonly scheduler: Scheduler;
  /** Ends waiting between attempts. */
  readonly signal: AbortSignal;
}

/** Two rounds: the second finds the endpoint that was electing a leader, or whose kept socket had gone stale. */
const roundsMax = 2;
const betweenRoundsMs = 100;

export class EndpointPicker<Endpoint> {
  readonly #options: Failover<Endpoint>;
  #current = 0;

  constructor(options: Failover<Endpoint>) {
    this.#options = options;
  }

  get timeoutMs(): number {
    return this.#options.timeoutMs;
  }

  /**
   * `attempt` gets the endpoint and how long it may take; a hung endpoint gets a third of the whole, so that others still
   * have their turn. An error for which `tryNext` is false is thrown at once, else the last one is.
   */
  async call<Result>(
    attempt: (endpoint: Endpoint, ms: number) => Promise<Result>,
    tryNext: (error: unknown) => boolean,
  ): Promise<Result> {
    const { endpoints, timeoutMs, scheduler, signal } = this.#options;
    const deadline = scheduler.now() + timeoutMs;
    const shareMs = endpoints.length === 1 ? timeoutMs : timeoutMs / Math.min(endpoints.length, 3);
    for (let tried = 1; ; tried += 1) {
      const at = this.#current;
      const endpoint = endpoints[at];
      if (endpoint === undefined) throw new Error('there is always an endpoint');
      try {
        return await attempt(endpoint, Math.max(1, Math.min(shareMs, deadline - scheduler.now())));
      } catch (error) {
        // Another call may have moved on already: move only from the endpoint that failed here.
        if (this.#current === at) this.#current = (at + 1) % endpoints.length;
        const isLast = tried >= roundsMax * endpoints.length || scheduler.now() + betweenRoundsMs >= deadline;
        if (isLast || signal.aborted || !tryNext(error)) throw error;
      }
      if (tried % endpoints.length === 0) await pause(scheduler, betweenRoundsMs, signal);
    }
  }
}
