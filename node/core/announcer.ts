// Counts the interests of this mesher's subscriptions and tells the route table when one appears or goes: only 0 → 1
// and 1 → 0 are announced, changes close in time travel together, and removals wait, cancelled by a re-add.

import { interestKey } from './interest-set.ts';
import type { Limits } from './limits.ts';
import type { Interest } from './messages.ts';
import type { RouteOp } from './route-record.ts';
import type { Now } from './steps.ts';
import type { Timing } from './timing.ts';

interface Counted {
  readonly filter: string;
  readonly group: string;
  durable: number;
  ephemeral: number;
  /** What the others were last told; undefined: nothing. */
  announced: Interest | undefined;
}

/** Deltas gossiped in one go; in a storm of subscriptions the others hear of the last and pull the rest. */
const GOSSIPED_AT_ONCE = 8;

export class Announcer {
  readonly #counted = new Map<string, Counted>();
  readonly #changed = new Set<string>();
  readonly #removals = new Map<string, number>();
  readonly #announce: (ops: readonly RouteOp[], gossip: boolean) => void;
  readonly #limits: Limits;
  readonly #timing: Timing;
  #nextAt = 0;

  constructor(limits: Limits, timing: Timing, announce: (ops: readonly RouteOp[], gossip: boolean) => void) {
    this.#limits = limits;
    this.#timing = timing;
    this.#announce = announce;
  }

  get size(): number {
    return this.#counted.size;
  }

  add(filter: string, group: string, durable: boolean): void {
    const key = interestKey(filter, group);
    let counted = this.#counted.get(key);
    if (!counted) {
      counted = { filter, group, durable: 0, ephemeral: 0, announced: undefined };
      this.#counted.set(key, counted);
    }
    if (durable) counted.durable++;
    else counted.ephemeral++;
    this.#removals.delete(key);
    if (counted.announced?.durable !== counted.durable > 0) this.#changed.add(key);
  }

  remove(filter: string, group: string, durable: boolean, now: Now): void {
    const key = interestKey(filter, group);
    const counted = this.#counted.get(key);
    if (!counted) return;
    if (durable) counted.durable--;
    else counted.ephemeral--;
    if (counted.durable + counted.ephemeral > 0) {
      if (counted.durable === 0) this.#changed.add(key);
    } else {
      this.#changed.delete(key);
      this.#removals.set(key, now.monotonic + this.#timing.removalDelayMs);
    }
  }

  /** Announces what is due. Also called for the first time at start, with nothing: an empty record is a record. */
  flush(now: Now, first = false): void {
    for (const [key, due] of this.#removals) {
      if (due > now.monotonic) break; // in order of time: the delay is the same for all
      this.#removals.delete(key);
      this.#changed.add(key);
    }
    if (!first && (this.#changed.size === 0 || now.monotonic < this.#nextAt)) return;
    this.#nextAt = now.monotonic + this.#timing.announceEveryMs;
    const ops: RouteOp[] = [];
    for (const key of this.#changed) {
      const counted = this.#counted.get(key);
      if (!counted) continue;
      const before = counted.announced;
      if (counted.durable + counted.ephemeral === 0) {
        this.#counted.delete(key);
        if (before) ops.push({ add: false, interest: before });
        continue;
      }
      const durable = counted.durable > 0;
      if (before?.durable === durable) continue;
      counted.announced = { filter: counted.filter, group: counted.group, durable };
      ops.push({ add: true, interest: counted.announced });
    }
    this.#changed.clear();
    this.#tell(ops, first);
  }

  #tell(ops: readonly RouteOp[], first: boolean): void {
    if (ops.length === 0 && !first) return;
    const size = this.#limits.deltaOpsMax;
    if (ops.length > size * GOSSIPED_AT_ONCE) {
      this.#announce(ops, false); // a storm: one version, fetched bucket by bucket
      return;
    }
    for (let at = 0; at === 0 || at < ops.length; at += size) this.#announce(ops.slice(at, at + size), true);
  }
}
