// Every duration of the core, in ms, with its reason. Tests and the simulator shorten some of them.

export interface Timing {
  /** How often the core is ticked: the grain of every time-out below. */
  readonly tickMs: number;
  /** Least time between two route deltas: changes within it travel together. */
  readonly announceEveryMs: number;
  /** A removed interest is announced this much later, so that a re-add in between costs nothing. */
  readonly removalDelayMs: number;
  /** Mean time between two route exchanges with a random peer; jittered by half. */
  readonly exchangeEveryMs: number;
  /**
   * Changes of others' durable interests are written this often: a bucket that changes all the time is written once in
   * it, and a crash forgets no more than it. Far below `deadAfterMs`: what was forgotten is asked for meanwhile.
   */
  readonly rememberEveryMs: number;
  /** A route pull without progress for this long is tried with another peer. */
  readonly pullTimeoutMs: number;
  /** Members are listed anew this often (jittered up to twice): watches are hints. */
  readonly relistEveryMs: number;
  /** Least time between two lists, or two registrations, whatever the hints. */
  readonly registryPauseMs: number;
  /** Time between two probes of a link. */
  readonly pingEveryMs: number;
  /** A link without a sign of life for this long is closed and dialled again. */
  readonly linkSilenceMs: number;
  /** A lane waits this long for its landing mesher's link to come back before it moves to another. */
  readonly linkGraceMs: number;
  /** A lane without an ack for this long, though data is in flight, is opened again. */
  readonly laneStallMs: number;
  /** A suspect whose link stays down this long is dead. */
  readonly deadAfterMs: number;
  /** A dead mesher is remembered, and its durable subscriptions' events kept, this long: longer than the longest partition. */
  readonly forgetAfterMs: number;
}

export const TIMING: Timing = Object.freeze({
  tickMs: 25,
  announceEveryMs: 10,
  removalDelayMs: 3_000,
  exchangeEveryMs: 5_000,
  rememberEveryMs: 5_000,
  pullTimeoutMs: 5_000,
  relistEveryMs: 30_000,
  registryPauseMs: 500,
  pingEveryMs: 1_000,
  linkSilenceMs: 15_000,
  linkGraceMs: 5_000,
  laneStallMs: 15_000,
  deadAfterMs: 60_000,
  forgetAfterMs: 7 * 24 * 3_600_000,
});
