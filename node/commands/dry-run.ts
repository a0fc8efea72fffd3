// `causeway publish --dry-run`: takes the place of the publisher and sends nothing. Each event is checked as the front door checks it,
// under the limits that meshers have unless they are set otherwise; the mesher is asked who would get an event on its topic.

import { Admission } from '../admission.ts';
import { LIMITS } from '../core/limits.ts';
import type { Api } from './api.ts';
import type { Output } from './command.ts';
import { printLine } from './command.ts';
import { routesText } from './routes.ts';
import { formatNumber, printable } from './table.ts';
import { fetchRoutes } from './views.ts';

export interface DryRunOptions {
  readonly topic: string | undefined;
  readonly json: boolean;
  readonly output: Output;
  readonly signal: AbortSignal;
}

/** Topics whose routes are shown; of more, only how many events each has. */
const TOPICS_SHOWN_MAX = 20;
/** Topics that are counted at all. */
const TOPICS_MAX = 100_000;

export class DryRun {
  readonly inDoubt = 0;
  readonly #api: Api;
  readonly #options: DryRunOptions;
  readonly #admission = new Admission(LIMITS);
  /** Events of each topic. */
  readonly #topics = new Map<string, number>();

  constructor(api: Api, options: DryRunOptions) {
    this.#api = api;
    this.#options = options;
  }

  /** Throws for the first event that the door would refuse. */
  async publish(events: readonly Uint8Array[]): Promise<void> {
    for (const event of events) {
      const { topic } = this.#admission.admitOne(event, this.#options.topic);
      if (this.#topics.has(topic) || this.#topics.size < TOPICS_MAX)
        this.#topics.set(topic, (this.#topics.get(topic) ?? 0) + 1);
    }
  }

  /** Shows where they would go. */
  async flush(): Promise<void> {
    const { json, output, signal } = this.#options;
    const shown = [...this.#topics].slice(0, TOPICS_SHOWN_MAX);
    this.#topics.clear();
    for (const [topic, count] of shown) {
      const routes = await fetchRoutes(this.#api, topic, signal);
      if (json) await printLine(output, JSON.stringify({ events: count, ...routes }));
      else {
        const events = count === 1 ? '1 event' : `${formatNumber(count)} events`;
        await printLine(output, `${events} on ${printable(topic)} would go:\n`);
        await printLine(output, routesText(routes));
      }
    }
  }

  async close(): Promise<void> {
    // nothing was opened
  }
}
