// One open Server-Sent-Events response (WHATWG HTML §9.2) fed by one session. Grants credit only while the socket
// takes more, so a slow reader holds a window of events and no more. Ends once: by the client, the mesher, or `end`.

import type { ServerResponse } from 'node:http';
import { formatToken, NO_TOKEN } from '../../node/core/delivery-token.ts';
import type { DecodedDelivery, DecodedSessionEvents, Session } from '../../node/core/ports.ts';
import { CreditWindow } from './credit-window.ts';

export interface EventStreamOptions {
  readonly keepAliveMs: number;
  /** Bound on events coming at once, beside the window's own. */
  readonly creditMax?: number;
  readonly format: (delivery: DecodedDelivery) => string;
  /** The deliveries have left this process. */
  readonly flushed?: (deliveries: readonly DecodedDelivery[]) => void;
  /** Called on each keep-alive. */
  readonly idle?: () => void;
  readonly ended: () => void;
}

export type EndReason = 'deleted' | 'replaced' | 'shutting-down' | 'settle-failed';

/** What a client is asked to wait before it connects again. */
const RECONNECT_MS = 1_000;

export class EventStream implements DecodedSessionEvents {
  readonly #response: ServerResponse;
  readonly #options: EventStreamOptions;
  readonly #window: CreditWindow;
  #session: Session | undefined;
  #keepAlive: NodeJS.Timeout | undefined;
  /** What came while `attach` was still running. */
  #early: DecodedDelivery[] = [];
  #status: 'attaching' | 'open' | 'ended' = 'attaching';
  #refillAsked = false;

  constructor(response: ServerResponse, options: EventStreamOptions) {
    this.#response = response;
    this.#options = options;
    this.#window = new CreditWindow(options.creditMax);
  }

  /** Attaches, and only then begins the response: what `attach` throws can still be answered as a problem. */
  open(attach: (credit: number, events: DecodedSessionEvents) => Session): void {
    const session = attach(this.#window.initial, this);
    // Closed while attaching (the mesher stops): `closed` has seen no session to close.
    this.#session = session;
    this.#response.writeHead(200, {
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-store',
      'x-accel-buffering': 'no',
    });
    this.#response.write(`retry: ${RECONNECT_MS}\n\n`);
    if (this.#status === 'ended') {
      this.#response.end();
      this.#options.ended();
      return;
    }
    this.#status = 'open';
    this.#response.on('drain', () => this.#askRefill());
    this.#response.on('close', () => this.#finish());
    this.#response.on('error', () => this.#finish());
    this.#keepAlive = setInterval(() => this.#tick(), this.#options.keepAliveMs);
    const early = this.#early;
    this.#early = [];
    if (early.length > 0) this.deliver(early);
  }

  deliver(deliveries: readonly DecodedDelivery[]): void {
    if (this.#status === 'attaching') return void this.#early.push(...deliveries);
    if (this.#status === 'ended') return;
    let text = '';
    for (const delivery of deliveries) {
      if (delivery.token !== NO_TOKEN) text += `id: ${formatToken(delivery.token)}\n`;
      text += `event: message\ndata: ${this.#options.format(delivery)}\n\n`;
    }
    const bytes = Buffer.from(text);
    this.#window.delivered(deliveries.length, bytes.length);
    this.#response.write(bytes, (error) => {
      if (!error && this.#status === 'open') this.#options.flushed?.(deliveries);
    });
    this.#askRefill();
  }

  closed(reason: EndReason): void {
    this.end(reason);
  }

  /** Tells the client why and ends the response; what is unsettled goes back to the queue. */
  end(reason: EndReason): void {
    if (this.#status === 'attaching') {
      this.#status = 'ended';
      return;
    }
    if (this.#status === 'ended') return;
    this.#response.end(`event: closed\ndata: {"reason":"${reason}"}\n\n`);
    this.#finish();
  }

  /** Later, so that a door which delivers while it is granted more does not call itself ever deeper. */
  #askRefill(): void {
    if (this.#refillAsked) return;
    this.#refillAsked = true;
    queueMicrotask(() => {
      this.#refillAsked = false;
      if (this.#status !== 'open' || this.#response.writableNeedDrain) return;
      const grant = this.#window.refill();
      if (grant > 0) this.#session?.grant(grant);
    });
  }

  #tick(): void {
    this.#options.idle?.();
    // A reader that has stopped is left to the server's idle time-out.
    if (this.#status === 'open' && !this.#response.writableNeedDrain)
      this.#response.write(': keep-alive\n\n');
  }

  #finish(): void {
    if (this.#status === 'ended') return;
    this.#status = 'ended';
    clearInterval(this.#keepAlive);
    this.#session?.close();
    this.#options.ended();
  }
}
