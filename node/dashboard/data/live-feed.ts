// The overview as it comes over SSE. A stream that ends or goes silent is opened again for as long as the page is there; until then
// what came last is kept, and known to be old.

import type { Overview } from '../../core/overview.ts';

export interface Live {
  readonly state: 'connecting' | 'live' | 'lost';
  readonly overview: Overview | undefined;
  /** When it came, on this browser's monotonic clock. */
  readonly receivedAt: number;
}

/** The mesher sends one every 2 s. */
const SILENT_MS = 10_000;
const RETRY_MIN_MS = 1_000;
const RETRY_MAX_MS = 5_000;

export class LiveFeed {
  #live: Live = { state: 'connecting', overview: undefined, receivedAt: 0 };
  #source: EventSource | undefined;
  #retryMs = RETRY_MIN_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  readonly #url: string;
  readonly #changed: (live: Live) => void;

  constructor(url: string, changed: (live: Live) => void) {
    this.#url = url;
    this.#changed = changed;
    this.#open();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#source?.close();
  }

  #open(): void {
    this.close();
    const source = new EventSource(this.#url);
    this.#source = source;
    this.#await(SILENT_MS);
    source.addEventListener('overview', (event: Event) => {
      if (!('data' in event)) return;
      this.#retryMs = RETRY_MIN_MS;
      this.#await(SILENT_MS);
      const overview = JSON.parse(String(event.data)) as Overview;
      this.#set({ state: 'live', overview, receivedAt: performance.now() });
    });
    // The browser's own retry gives up on an answer that is no stream, and tells nobody.
    source.addEventListener('error', () => this.#lose());
  }

  #await(ms: number): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#lose(), ms);
  }

  #lose(): void {
    this.close();
    this.#set({ ...this.#live, state: 'lost' });
    this.#timer = setTimeout(() => this.#open(), this.#retryMs);
    this.#retryMs = Math.min(RETRY_MAX_MS, 2 * this.#retryMs);
  }

  #set(live: Live): void {
    this.#live = live;
    this.#changed(live);
  }
}
