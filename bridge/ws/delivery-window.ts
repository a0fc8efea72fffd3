// How many events a stream may have coming to it. Starts small, doubles each time the stream was handed all of them, and shrinks
// with the size of events, so that what is on its way into one socket stays within `bytes`. Pure.

const START_EVENTS = 16;
/** What one turn of a mesher under load hands to one stream; more gains nothing. */
const EVENTS_MAX = 8192;

export class DeliveryWindow {
  #size = START_EVENTS;
  /** Granted and not yet delivered. */
  #outstanding = 0;
  /** Of recent events; falls slowly, so that one large event is remembered for a while. */
  #eventBytes = 0;

  delivered(events: number, bytes: number): void {
    this.#outstanding = Math.max(0, this.#outstanding - events);
    this.#eventBytes = Math.max(bytes / events, this.#eventBytes * 0.95);
  }

  /** How much of `wanted` to grant now. `bytes`: the stream's share of what the socket may hold. */
  refill(wanted: number, bytes: number): number {
    if (this.#outstanding === 0) this.#size = Math.min(EVENTS_MAX, this.#size * 2);
    const fitting = Math.max(1, Math.floor(bytes / Math.max(1, this.#eventBytes)));
    const grant = Math.min(wanted, Math.max(0, Math.min(this.#size, fitting) - this.#outstanding));
    this.#outstanding += grant;
    return grant;
  }
}
