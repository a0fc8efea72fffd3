// What a soak does when, and what of the disk its longest outage may take.

export interface Plan {
  /** Under load, before the baseline is taken and between outages. */
  readonly steadySeconds: number;
  readonly outageSeconds: readonly number[];
}

const STEADY_SHARE = 0.1;
const STEADY_SECONDS = [5, 120] as const;

/** Outages share `minutes` one to two, unless their lengths are given (minutes); recovery takes what it takes beyond that. */
export function planOf(minutes: number, outages: readonly number[] = [minutes / 3, (2 * minutes) / 3]): Plan {
  const all = outages.reduce((sum, each) => sum + each, 0);
  const [low, high] = STEADY_SECONDS;
  return {
    steadySeconds: Math.min(high, Math.max(low, all * 60 * STEADY_SHARE)),
    outageSeconds: outages.map((each) => each * 60),
  };
}

/** Of an event beside its payload: attributes, routing header, its place in queues. */
const OVERHEAD_BYTES = 200;
/** LevelDB has what it merges twice, and what is delivered waits to be merged away. */
const ON_DISK_FACTOR = 2;
/** Of what is free: others use the disk too. */
const DISK_SHARE = 0.5;

/** Events per second that the backlog of the longest outage leaves room for, where each has so many bytes of payload. */
export function rateThatFits({ outageSeconds }: Plan, payloadBytes: number, freeBytes: number): number {
  const perEvent = (payloadBytes + OVERHEAD_BYTES) * ON_DISK_FACTOR;
  return Math.floor((freeBytes * DISK_SHARE) / perEvent / Math.max(...outageSeconds));
}
