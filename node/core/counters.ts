// Counts what happened, by name and labels. Names, help and labels are stated here once; metrics are made from it.

import type { MetricFamily } from './views.ts';

/** name → [help, label names]. Every drop and refusal has a `reason`. */
export const COUNTERS = {
  events_published_total: ['Events accepted from publishers', ['qos']],
  events_unwanted_total: ['Events accepted or landed that nobody behind this mesher wanted', ['from']],
  events_delivered_total: ['Events handed to consumers, redeliveries included', ['to']],
  events_redelivered_total: ['Deliveries after the first', ['reason']],
  events_settled_total: ['Deliveries settled by consumers', ['how']],
  events_dropped_total: ['Events given up', ['reason']],
  events_dead_lettered_total: ['Events sent to a dead-letter topic', ['reason']],
  events_forwarded_total: ['Events sent over links, resent ones included', ['cluster', 'qos']],
  events_forward_acked_total: ['Events whose custody the other end has taken', ['cluster']],
  events_landed_total: ['Events taken from links', ['cluster', 'qos']],
  events_duplicate_total: ['Events that came again over a link and were dropped', ['cluster']],
  events_doubtful_total: [
    'Events that came over a link and may have reached the cluster before',
    ['cluster'],
  ],
  lane_gaps_total: ['Gaps seen on lanes by their receiver', ['cluster']],
  lane_moves_total: ['Lanes that changed their landing mesher', ['cluster', 'reason']],
  publish_refused_total: ['Publish requests refused', ['reason']],
  routes_refused_total: ['Route messages refused', ['reason']],
  routes_applied_total: ['Route changes applied', ['by']],
  routes_gapped_total: ['Times a route record was found to lack changes', ['by']],
  members_refused_total: ['Member records refused', ['reason']],
  takeovers_total: ['Copies of lost meshers that this one began to take over', ['as']],
  events_taken_over_total: ['Events moved from the copy of a lost mesher', []],
  copies_started_total: ['Times a copy of this journal was begun anew on another mesher', []],
  copies_gaps_total: ['Times a copy kept here was sent what does not follow on what it has', []],
  messages_refused_total: ['Link messages refused', ['reason']],
} as const satisfies Record<string, readonly [string, readonly string[]]>;

export type CounterName = keyof typeof COUNTERS;

export class Counters {
  readonly #values = new Map<CounterName, Map<string, { values: readonly string[]; count: number }>>();

  /** `labels` in the order stated in COUNTERS. */
  add(name: CounterName, count: number, ...labels: readonly string[]): void {
    if (count === 0) return;
    let family = this.#values.get(name);
    if (!family) {
      family = new Map();
      this.#values.set(name, family);
    }
    const key = labels.length === 1 ? (labels[0] ?? '') : labels.join('\u0000');
    const slot = family.get(key);
    if (slot) slot.count += count;
    else family.set(key, { values: labels, count });
  }

  /** Sum over all label values, or of those whose first label is `first`. */
  total(name: CounterName, first?: string): number {
    let sum = 0;
    for (const { values, count } of this.#values.get(name)?.values() ?? []) {
      if (first === undefined || values[0] === first) sum += count;
    }
    return sum;
  }

  families(): MetricFamily[] {
    return Object.entries(COUNTERS).map(([name, [help, labelNames]]) => ({
      name,
      help,
      type: 'counter' as const,
      samples: [...(this.#values.get(name as CounterName)?.values() ?? [])].map(({ values, count }) => ({
        labels: Object.fromEntries(labelNames.map((label, i) => [label, values[i] ?? ''])),
        value: count,
      })),
    }));
  }
}
