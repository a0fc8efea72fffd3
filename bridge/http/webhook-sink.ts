// One subscription's webhook: asks the sink for its consent, delivers while it has it, and asks again daily. Without
// consent no session is attached, so the events wait in the subscription's queue. Retries, dead letters and order are
// the core's: a sink's answer only becomes a settlement.

import { backoffMs } from '../../node/core/backoff.ts';
import type { Settlement } from '../../node/core/delivery-types.ts';
import type {
  Clock,
  DecodedDelivery,
  FrontDoor,
  Random,
  Session,
  TraceCarrier,
} from '../../node/core/ports.ts';
import type { Subscription } from '../../node/core/subscription.ts';
import { MeshError } from '../../node/core/errors.ts';
import type { WebhookOptions } from './config.ts';
import { SINK_CONCURRENCY_MAX } from './config.ts';
import type { SinkClient } from './webhook-client.ts';
import type { Verdict } from './webhook-handshake.ts';
import { deliveryMessage, handshakeHeaders, judgeDelivery, judgeHandshake } from './webhook-handshake.ts';

/**
 * `asking`: no answer yet. `refused`: no consent (it is asked again, with back-off). `active`: deliveries go out.
 * `gone`: the sink answered 410; nothing is sent until the subscription is put again.
 */
export type SinkStatus = 'asking' | 'refused' | 'active' | 'gone';

/** What is shown of a sink in its subscription. Times are wall clock, ISO 8601. */
export interface SinkState {
  readonly status: SinkStatus;
  readonly why: string;
  readonly since: string;
  /** null: no limit. */
  readonly ratePerMinute: number | null;
  readonly pausedUntil: string | null;
  readonly lastFailure: string;
}

export interface Timers {
  /** Calls `run` after `ms`; returns what cancels it. */
  after(ms: number, run: () => void): () => void;
}

export interface SinkLog {
  warn(fields: object, message: string): void;
}

export interface SinkPorts {
  readonly door: FrontDoor;
  readonly client: SinkClient;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly random: Random;
  readonly log: SinkLog;
  /** Left out: deliveries carry no trace context beside what their events have. */
  readonly trace?: TraceCarrier | undefined;
}

const HANDSHAKE_TIMEOUT_MS = 10_000;
const REVALIDATE_MS = 24 * 60 * 60_000;
const ASK_AGAIN_MS = 5_000;
const ASK_AGAIN_MS_MAX = 10 * 60_000;
/** After the session was closed under us and nobody has told us of a change. */
const ATTACH_AGAIN_MS = 1_000;

export class WebhookSink {
  /** Names this sink in the callback's address; not to be guessed. */
  readonly key: string;
  #subscription: Subscription;
  readonly #url: string;
  readonly #options: WebhookOptions;
  readonly #ports: SinkPorts;
  readonly #stop = new AbortController();
  #status: SinkStatus = 'asking';
  #why = 'the sink has not been asked yet';
  #sinceMs: number;
  #perMinute: number | undefined;
  #lastFailure = '';
  #askedInVain = 0;
  #session: Session | undefined;
  #queue: DecodedDelivery[] = [];

  /** Monotonic: before it nothing is sent. */
  #notBeforeMs = 0;
  #cancelAsk: () => void = () => undefined;
  #cancelPump: () => void = () => undefined;
  #cancelAttach: () => void = () => undefined;

  constructor(
    subscription: Subscription,
    url: string,
    key: string,
    options: WebhookOptions,
    ports: SinkPorts,
  ) {
    this.#subscription = subscription;
    this.#url = url;
    this.key = key;
    this.#options = options;
    this.#ports = ports;
    this.#sinceMs = ports.clock.wall();
  }

  get url(): string {
    return this.#url;
  }

  get state(): SinkState {
    const { wall, monotonic } = { wall: this.#ports.clock.wall(), monotonic: this.#ports.clock.monotonic() };
    const paused =
      this.#notBeforeMs > monotonic ? new Date(wall + this.#notBeforeMs - monotonic).toISOString() : null;
    return {
      status: this.#status,
      why: this.#why,
      since: new Date(this.#sinceMs).toISOString(),
      ratePerMinute: this.#perMinute ?? null,
      pausedUntil: paused,
      lastFailure: this.#lastFailure,
    };
  }

  /**
   * Asks for consent, at once. Also how a sink that is gone, or waits for its next question, is tried again. Never rejects:
   * after a fault of ours it asks again, too.
   */
  async ask(): Promise<void> {
    try {
      await this.#ask();
    } catch (error) {
      this.#fault(error, 'a webhook sink could not be asked');
      if (!this.#stop.signal.aborted) this.#askLater();
    }
  }

  async #ask(): Promise<void> {
    this.#cancelAsk();
    if (this.#status !== 'active') this.#become('asking', 'the sink is being asked');
    const response = await this.#ports.client.send({
      method: 'OPTIONS',
      url: this.#url,
      headers: handshakeHeaders(this.#options, this.key),
      body: undefined,
      timeoutMs: HANDSHAKE_TIMEOUT_MS,
      signal: this.#stop.signal,
    });
    if (this.#stop.signal.aborted) return;
    // Consent holds until it is withdrawn: not being reached is no answer.
    if (response.kind === 'failure' && this.#status === 'active') return this.#askLater();
    if (response.kind === 'failure') return this.#decide({ allowed: false, why: response.why });
    // A callback may have granted it while the answer, which then says nothing, was on its way.
    const isSilent = response.headers['webhook-allowed-origin'] === undefined;
    if (isSilent && this.#status === 'active' && this.#grantedByCallback) return;
    this.#decide(judgeHandshake(this.#options, response.status, response.headers));
  }

  /** The sink's consent, or its refusal, by answer or by callback. */
  decide(verdict: Verdict): void {
    this.#grantedByCallback = verdict.allowed;
    this.#decide(verdict);
  }
  #grantedByCallback = false;

  #decide(verdict: Verdict): void {
    this.#cancelAsk();
    if (!verdict.allowed) {
      this.#detach();
      this.#become('refused', verdict.why);
      this.#ports.log.warn(
        { subscription: this.#subscription.name, sink: redact(this.#url), why: verdict.why },
        'webhook sink has not agreed',
      );
      return this.#askLater();
    }
    this.#askedInVain = 0;
    this.#perMinute = verdict.perMinute;
    if (this.#status !== 'active') this.#become('active', '');
    this.#cancelAsk = this.#ports.timers.after(REVALIDATE_MS, () => void this.ask());
    this.#attach();
  }

  /** The subscription was put again with the same sink: new settings, same consent. */
  update(subscription: Subscription): void {
    this.#subscription = subscription;
    if (this.#status === 'asking') return;
    if (this.#status !== 'active') return void this.ask();
    this.#detach();
    this.#attach();
  }

  /** Ends what is under way; unsettled events go back to their queue. */
  stop(): void {
    this.#stop.abort();
    this.#cancelAsk();
    this.#detach();
  }

  #become(status: SinkStatus, why: string): void {
    if (this.#status !== status) this.#sinceMs = this.#ports.clock.wall();
    this.#status = status;
    this.#why = why;
  }

  #askLater(): void {
    this.#cancelAsk();
    const waitMs = backoffMs(this.#askedInVain, ASK_AGAIN_MS, ASK_AGAIN_MS_MAX, this.#ports.random);
    this.#askedInVain += 1;
    this.#cancelAsk = this.#ports.timers.after(waitMs, () => void this.ask());
  }

  #attach(): void {
    this.#cancelAttach();
    if (this.#session || this.#status !== 'active' || this.#stop.signal.aborted) return;
    const { name, delivery } = this.#subscription;
    const credit = Math.min(delivery.maxInFlight, SINK_CONCURRENCY_MAX);
    try {
      this.#session = this.#ports.door.attach(
        name,
        { credit },
        {
          deliver: (deliveries) => {
            this.#queue.push(...deliveries);
            this.#pump();
          },
          closed: (reason) => {
            this.#session = undefined;
            this.#queue = [];
            if (reason === 'replaced') this.#attachLater();
          },
        },
      );
    } catch (error) {
      // Deleted a moment ago: the door says so next, and this sink is stopped. Else the mesher has too much in hand.
      this.#fault(error, 'a webhook sink could not be attached');
      this.#attachLater();
    }
    this.#pump();
  }

  #attachLater(): void {
    this.#cancelAttach();
    this.#cancelAttach = this.#ports.timers.after(ATTACH_AGAIN_MS, () => this.#attach());
  }

  #detach(): void {
    this.#cancelAttach();
    this.#cancelPump();
    const session = this.#session;
    this.#session = undefined;
    this.#queue = [];
    session?.close();
  }

  /** Sends what may be sent now. The door's credit bounds both the queue and what is under way. */
  #pump(): void {
    this.#cancelPump();
    for (;;) {
      const session = this.#session;
      if (!session || this.#queue.length === 0) return;
      const now = this.#ports.clock.monotonic();
      if (now < this.#notBeforeMs) {
        this.#cancelPump = this.#ports.timers.after(this.#notBeforeMs - now, () => this.#pump());
        return;
      }
      const delivery = this.#queue.shift();
      if (!delivery) return;
      if (this.#perMinute !== undefined) this.#notBeforeMs = now + 60_000 / this.#perMinute;
      void this.#deliver(delivery, session);
    }
  }

  /** Never rejects: an event that cannot be sent is a failure like others, and ends in the dead letters. */
  async #deliver(delivery: DecodedDelivery, session: Session): Promise<void> {
    const settlement = await this.#post(delivery).catch((error: unknown): Settlement => {
      this.#fault(error, 'an event could not be sent to its webhook sink');
      return { kind: 'retry', token: delivery.token, delayMs: undefined };
    });
    // Closed meanwhile: the event is back in its queue, and its token means nothing any more.
    if (!settlement || this.#session !== session) return;
    try {
      await this.#ports.door.settle(this.#subscription.name, [settlement]);
    } catch (error) {
      this.#fault(error, 'what a webhook sink answered could not be settled');
      if (this.#session !== session) return;
      this.#detach();
      return this.#attachLater();
    }
    if (this.#session === session) session.grant(1);
  }

  /** A MeshError is the door's answer, and shown; all else is a fault of ours, and logged as well. */
  #fault(error: unknown, message: string): void {
    this.#lastFailure = error instanceof Error ? error.message : String(error);
    if (error instanceof MeshError) return;
    this.#ports.log.warn({ err: error, subscription: this.#subscription.name }, message);
  }

  /** Undefined: nothing is to be settled, the event goes back with the session. */
  async #post(delivery: DecodedDelivery): Promise<Settlement | undefined> {
    const { content, token } = delivery;
    const { headers, body } = deliveryMessage(content, this.#options.origin);
    const response = await this.#ports.client.send({
      headers: { ...headers, ...this.#ports.trace?.headersFor(this.#subscription.name, delivery) },
      body,
      method: 'POST',
      url: this.#url,
      timeoutMs: this.#subscription.delivery.ackTimeoutMs,
      signal: this.#stop.signal,
    });
    if (this.#stop.signal.aborted) return undefined;
    const outcome =
      response.kind === 'failure'
        ? ({ kind: 'retry', why: response.why, pauseMs: undefined } as const)
        : judgeDelivery(response.status, response.headers, this.#ports.clock.wall());
    if (outcome.kind === 'done') return { kind: 'ack', token };
    this.#lastFailure = outcome.why;
    if (outcome.kind === 'reject') return { kind: 'reject', token, reason: outcome.why };
    if (outcome.kind === 'retry') {
      this.#notBeforeMs = Math.max(this.#notBeforeMs, this.#ports.clock.monotonic() + (outcome.pauseMs ?? 0));
      return { kind: 'retry', token, delayMs: outcome.pauseMs };
    }
    this.#detach();
    this.#cancelAsk();
    this.#become('gone', `${outcome.why}: put the subscription again to go on`);
    return undefined;
  }
}

/** Without the query, which may hold an access token (webhook spec §3.2). */
export function redact(url: string): string {
  const { origin, pathname } = new URL(url);
  return origin + pathname;
}
