// What became of the probes from this cluster to another: minutes for an hour, hours for a month, no more.

import Type, { type Static } from 'typebox';
import type { CanaryFigures } from '../../core/overview.ts';
import { BUCKETS, Spread } from './spread.ts';

const MINUTE_MS = 60_000;
/** What tells whether probes arrive now: over by then, a fault is no alarm any more. */
const LATELY_MS = 5 * MINUTE_MS;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
export const MONTH_MS = 30 * DAY_MS;

const Count = Type.Integer({ minimum: 0 });
const SavedSlots = Type.Array(
  Type.Object({
    start: Type.Number(),
    sent: Count,
    arrived: Count,
    spread: Type.Array(Type.Tuple([Type.Integer({ minimum: 0, maximum: BUCKETS - 1 }), Count]), {
      maxItems: BUCKETS,
    }),
  }),
  { maxItems: MONTH_MS / HOUR_MS + 1 },
);
export const SavedPair = Type.Object({
  lastAt: Type.Number(),
  minutes: SavedSlots,
  hours: SavedSlots,
});
export type SavedPair = Static<typeof SavedPair>;

interface Slot {
  readonly start: number;
  sent: number;
  arrived: number;
  readonly spread: Spread;
}

/** Slots of one length, the oldest first, and how far back they are kept. */
class Slots {
  readonly #eachMs: number;
  readonly #keptMs: number;
  #slots: Slot[];

  constructor(eachMs: number, keptMs: number, saved: SavedPair['minutes'] = []) {
    this.#eachMs = eachMs;
    this.#keptMs = keptMs;
    this.#slots = saved.map((slot) => ({ ...slot, spread: Spread.of(slot.spread) }));
  }

  save(): SavedPair['minutes'] {
    return this.#slots.map(({ spread, ...slot }) => ({ ...slot, spread: spread.counts }));
  }

  /** A clock that was set back goes on with the newest slot until it is there again. */
  now(at: number): Slot {
    const start = Math.floor(at / this.#eachMs) * this.#eachMs;
    const last = this.#slots.at(-1);
    if (last && last.start >= start && last.start - start < this.#keptMs) return last;
    const slot: Slot = { start, sent: 0, arrived: 0, spread: new Spread() };
    this.#slots = [...this.#slots.filter((one) => one.start > at - this.#keptMs && one.start < start), slot];
    return slot;
  }

  figures(at: number, overMs: number): CanaryFigures {
    let [sent, arrived] = [0, 0];
    const spread = new Spread();
    for (const slot of this.#slots) {
      if (slot.start + this.#eachMs <= at - overMs) continue;
      sent += slot.sent;
      arrived += slot.arrived;
      spread.addAll(slot.spread);
    }
    return {
      sent,
      arrived,
      availability: sent === 0 ? undefined : arrived / sent,
      latencyMs: spread.percentiles(),
    };
  }
}

export class PairRecord {
  #lastAt: number;
  readonly #minutes: Slots;
  readonly #hours: Slots;

  constructor(saved?: SavedPair) {
    this.#lastAt = saved?.lastAt ?? 0;
    this.#minutes = new Slots(MINUTE_MS, HOUR_MS, saved?.minutes);
    this.#hours = new Slots(HOUR_MS, MONTH_MS, saved?.hours);
  }

  /** Wall clock, ms, at which the last one arrived; 0: none did. */
  get lastAt(): number {
    return this.#lastAt;
  }

  save(): SavedPair {
    return { lastAt: this.#lastAt, minutes: this.#minutes.save(), hours: this.#hours.save() };
  }

  /** `ms`: one way; undefined: it did not arrive in time. */
  note(at: number, ms: number | undefined): void {
    if (ms !== undefined) this.#lastAt = at;
    for (const slot of [this.#minutes.now(at), this.#hours.now(at)]) {
      slot.sent++;
      if (ms === undefined) continue;
      slot.arrived++;
      slot.spread.observe(ms);
    }
  }

  /** Minutes and hours that have begun within count whole. */
  figures(at: number): Record<'lately' | 'hour' | 'day' | 'month', CanaryFigures> {
    return {
      lately: this.#minutes.figures(at, LATELY_MS),
      hour: this.#minutes.figures(at, HOUR_MS),
      day: this.#hours.figures(at, DAY_MS),
      month: this.#hours.figures(at, MONTH_MS),
    };
  }
}
