// Two kinds of load. `saturate` keeps a number of requests under way and says how many came through: throughput. `openLoop`
// sends on a schedule that no answer can slow: latency, measured from the moment at which each was due, so that what a stalled
// server kept from being sent counts as late too (what closed loops leave out: "coordinated omission").

import { Latencies, type LatencyFigures, monotonicUs } from './latencies.ts';
import { startTicker } from './ticker.ts';

export interface Saturation {
  readonly seconds: number;
  /** Requests under way at any time. */
  readonly concurrency: number;
  /** Sends number `n`, from 0, each once; resolves when it is answered. `lane`: which of the `concurrency`, from 0. */
  readonly send: (n: number, lane: number) => Promise<void>;
}

export interface Throughput {
  readonly done: number;
  /** Until the last one was answered. */
  readonly seconds: number;
  readonly perSecond: number;
  readonly latency: LatencyFigures;
}

/** Ends at once when any request fails. */
export async function saturate({ seconds, concurrency, send }: Saturation): Promise<Throughput> {
  const latencies = new Latencies();
  const startUs = monotonicUs();
  const endUs = startUs + seconds * 1e6;
  let next = 0;
  let failed = false;
  const lane = async (which: number): Promise<void> => {
    for (let sentUs = monotonicUs(); sentUs < endUs && !failed;) {
      await send(next++, which).catch((error: unknown) => {
        failed = true;
        throw error;
      });
      const nowUs = monotonicUs();
      latencies.add(nowUs - sentUs);
      sentUs = nowUs;
    }
  };
  await Promise.all(Array.from({ length: concurrency }, (_, which) => lane(which)));
  const took = (monotonicUs() - startUs) / 1e6;
  return { done: next, seconds: took, perSecond: next / took, latency: latencies.figures() };
}

/** When each is due: number `n` at `startUs + n / ratePerS`, moved up to the next tick of the grid. */
export interface Schedule {
  /** By `monotonicUs`, which all processes share: a subscriber elsewhere can tell how late an event is by its number alone. */
  readonly startUs: number;
  readonly ratePerS: number;
  readonly everyUs: number;
}

/** The grid of arrivals: fine enough for latencies of a millisecond, and a few thousand wake-ups a second at most. */
export const GRID_US = 500;

export function dueUs({ startUs, ratePerS, everyUs }: Schedule, n: number): number {
  return startUs + Math.ceil((n * 1e6) / ratePerS / everyUs) * everyUs;
}

export interface OpenLoop {
  readonly schedule: Schedule;
  /** Numbers from 0 up to, not including, this one. */
  readonly count: number;
  /** Resolves when number `n` is done; what it waits for holds up no other. */
  readonly send: (n: number) => Promise<void>;
}

export interface OpenLoopFigures {
  /** From due to done. */
  readonly latency: LatencyFigures;
  /** From due to sent: what the generator itself was late. It is part of `latency`; above it nothing is said of the server. */
  readonly late: LatencyFigures;
}

/** Rejects with the first failure, once all that were sent have ended. */
export async function openLoop({ schedule, count, send }: OpenLoop): Promise<OpenLoopFigures> {
  const [latency, late] = [new Latencies(), new Latencies()];
  const open = new Set<Promise<void>>();
  let failure: Error | undefined;
  let next = 0;
  const sendOne = (n: number, nowUs: number): void => {
    const due = dueUs(schedule, n);
    late.add(nowUs - due);
    const done = send(n)
      .then(() => latency.add(monotonicUs() - due))
      .catch((cause: unknown) => {
        failure ??= new Error(`number ${n} failed`, { cause });
      })
      .finally(() => open.delete(done));
    open.add(done);
  };
  await new Promise<void>((resolve) => {
    const ticker = startTicker(schedule.everyUs, () => {
      const nowUs = monotonicUs();
      while (next < count && dueUs(schedule, next) <= nowUs && failure === undefined) sendOne(next++, nowUs);
      if (next < count && failure === undefined) return;
      void ticker.stop().then(resolve);
    });
  });
  await Promise.all(open);
  if (failure !== undefined) throw failure;
  return { latency: latency.figures(), late: late.figures() };
}
