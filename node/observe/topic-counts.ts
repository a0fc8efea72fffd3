// Who publishes on which topic is not counted by the core, whose counters must not grow with what users name. Here it is, in a bounded
// table, from each publish that is taken: one look-up for a batch of one topic. Topics that are seldom published on make room.

import { TOLD_MAX } from './bounds.ts';
import { refusedIn } from './refused-requests.ts';
import { hash32 } from '../core/event.ts';
import { rounded } from './samples.ts';
import type { Effect, Input } from '../core/steps.ts';
import { isInternal } from '../core/topic.ts';

interface Count {
  count: number;
  /** Of the look before. */
  seen: number;
  /** Published lately: forgets by half in some twenty seconds. */
  warmth: number;
  perSecond: number;
}

export interface TopicCount {
  readonly topic: string;
  readonly publishedPerSecond: number;
  /** Since it is in the table. */
  readonly published: number;
}

/** New topics are let in up to here between two looks; then the coldest go. */
const TABLE_MAX = 2 * TOLD_MAX;
/** How much of its warmth a topic keeps from one look to the next. */
const COOLING = 0.93;
/** Bits of the sketch that estimates how many topics there were: within some per cent up to 100,000. */
const SKETCH_BITS = 65_536;

export class TopicCounts {
  readonly #counts = new Map<string, Count>();
  #sketch = new Uint8Array(SKETCH_BITS / 8);
  #bits = 0;
  #lastTopic = '';
  #last: Count | undefined;

  /** For the driver: called with each step. */
  stepped(inputs: readonly Input[], effects: readonly Effect[]): void {
    let refused: ReadonlySet<number> | undefined;
    for (const input of inputs) {
      if (input.kind !== 'publish' || isInternal(input.events[0]?.topic ?? '')) continue;
      refused ??= refusedIn(effects);
      if (refused.has(input.request)) continue;
      let [topic, count] = ['', 0];
      for (const event of input.events) {
        if (event.topic !== topic) {
          if (count > 0) this.add(topic, count);
          [topic, count] = [event.topic, 0];
        }
        count++;
      }
      if (count > 0) this.add(topic, count);
    }
  }

  add(topic: string, count: number): void {
    if (topic === this.#lastTopic && this.#last) {
      this.#last.count += count;
      return;
    }
    const known = this.#counts.get(topic);
    if (known) {
      known.count += count;
      this.#lastTopic = topic;
      this.#last = known;
    } else this.#open(topic, count);
  }

  #open(topic: string, count: number): void {
    this.#note(topic);
    if (this.#counts.size >= TABLE_MAX) return;
    // a text of its own: it may be a part of a request's, and would keep all of that
    this.#counts.set(Buffer.from(topic).toString(), { count, seen: 0, warmth: 0, perSecond: 0 });
  }

  #note(topic: string): void {
    const bit = hash32(topic) % SKETCH_BITS;
    const [at, mask] = [bit >> 3, 1 << (bit & 7)];
    if (((this.#sketch[at] ?? 0) & mask) !== 0) return;
    this.#sketch[at] = (this.#sketch[at] ?? 0) | mask;
    this.#bits++;
  }

  /** Rates since the look before, `ms` ago, and room for others where the table is too full. */
  look(ms: number): void {
    for (const one of this.#counts.values()) {
      const news = one.count - one.seen;
      one.seen = one.count;
      one.warmth = one.warmth * COOLING + news;
      one.perSecond = (one.perSecond + (ms > 0 ? (news * 1000) / ms : 0)) / 2;
      if (one.perSecond < 0.005) one.perSecond = 0;
    }
    if (this.#counts.size > TOLD_MAX) {
      const ranked = [...this.#counts].sort(([, a], [, b]) => b.warmth - a.warmth);
      for (const [topic] of ranked.slice(TOLD_MAX)) this.#counts.delete(topic);
      this.#last = undefined;
    }
  }

  has(topic: string): boolean {
    return this.#counts.has(topic);
  }

  /** The busiest first. */
  all(): TopicCount[] {
    return [...this.#counts]
      .map(([topic, { count, perSecond }]) => ({
        topic,
        published: count,
        publishedPerSecond: rounded(perSecond),
      }))
      .sort((a, b) => b.publishedPerSecond - a.publishedPerSecond || b.published - a.published);
  }

  /** Topics that there were, about, since this was asked to forget. */
  get distinct(): number {
    if (this.#bits >= SKETCH_BITS) return Infinity;
    const estimate = -SKETCH_BITS * Math.log(1 - this.#bits / SKETCH_BITS);
    return Math.max(this.#counts.size, Math.round(estimate));
  }

  /** Begins to count topics anew: what is in the table stays. */
  forgetDistinct(): void {
    this.#sketch = new Uint8Array(SKETCH_BITS / 8);
    this.#bits = 0;
    for (const topic of this.#counts.keys()) this.#note(topic);
  }
}
