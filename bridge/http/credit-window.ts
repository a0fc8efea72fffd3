// How many events a stream may have coming to it. Starts small, doubles while the client keeps up, and shrinks with
// the size of events, so that what waits in one slow client's socket stays within `STREAM_BYTES`. Pure.

/** Until one has come, nobody knows how large they are: a reader that never reads holds one of the largest, not sixteen. */
const START_EVENTS = 1;
/** Above it a stream gains nothing: 256 small events fill a socket's buffer many times over. */
const EVENTS_MAX = 256;
const STREAM_BYTES = 1024 * 1024;

export class CreditWindow {
  readonly initial: number;
  readonly #max: number;
  #size: number;
  /** Granted and not yet delivered. */
  #outstanding: number;
  /** Of recent events; falls slowly, so that one large event is remembered for a while. */
  #eventBytes = 0;

  constructor(eventsMax = EVENTS_MAX) {
    this.#max = Math.max(1, Math.min(eventsMax, EVENTS_MAX));
    this.#size = Math.min(START_EVENTS, this.#max);
    this.initial = this.#size;
    this.#outstanding = this.#size;
  }

  delivered(events: number, bytes: number): void {
    this.#outstanding = Math.max(0, this.#outstanding - events);
    this.#eventBytes = Math.max(bytes / Math.max(1, events), this.#eventBytes * 0.95);
  }

  /** To be called when the socket takes more: how much to grant now. */
  refill(): number {
    if (this.#outstanding === 0) this.#size = Math.min(this.#max, this.#size * 2);
    const fitting = Math.max(1, Math.floor(STREAM_BYTES / Math.max(1, this.#eventBytes)));
    const grant = Math.max(0, Math.min(this.#size, fitting) - this.#outstanding);
    this.#outstanding += grant;
    return grant;
  }
}
