// One subscription: its stream, opened again whenever it was lost; its deliveries, on their way to one consumer; and what
// became of them, on its way back.
//
// A delivery waits here, is held by the consumer, is settled by it, and is done with when the mesher has answered. When the
// stream is lost before that, the mesher delivers it again. What waits is then dropped here; what is held goes on being the
// same delivery when it comes again; what was acked or rejected is so again, and the consumer does not see it.
//
// Bounds: `credit` deliveries wait or are held, and four times as many are not done with.

import { splitBatch } from '../../bridge/ws/frames/batch.ts';
import type { RangeSettlement } from '../../bridge/ws/frames/client-frames.ts';
import {
  encodeClose,
  encodeCredit,
  encodeOpen,
  encodePublishBatch,
  encodeSettle,
} from '../../bridge/ws/frames/client-frames.ts';
import type { DeliverFrame } from '../../bridge/ws/frames/deliver-frame.ts';
import type { WireProblem } from '../../bridge/ws/frames/json.ts';
import { backoffMs } from '../../node/core/backoff.ts';
import { WireError } from '../../node/wire/wire-error.ts';
import { Chunk, HELD, SETTLED, WAITS } from './delivery.ts';
import type { StreamDelivery } from './delivery.ts';
import { CausewayError, causewayErrorOf, refusalOf } from './errors.ts';
import { Inbox } from './inbox.ts';
import type { Link, StreamEvents } from './link.ts';
import { OpenChunks } from './open-chunks.ts';
import { Remembered } from './remembered.ts';
import { Settlements } from './settlements.ts';
import type { Outcome } from './settlements.ts';
import type { Timers } from './timers.ts';
import type { Delivery, Subscription } from './types.ts';
import type { Place } from './whereabouts.ts';

export interface StreamOptions {
  readonly source: 'durable' | 'ephemeral';
  readonly group: string;
  readonly credit: number;
  readonly closeTimeoutMs: number;
}

export interface StreamPorts {
  readonly timers: Timers;
  /** Where it is to be opened, by the mesh's own link, if there is one. Undefined: nowhere, as things are. Rejects with CausewayError. */
  readonly place: (main: Link | undefined) => Place | Promise<Place> | undefined;
  /** The mesher where it was made, as far as is known. */
  readonly madeOn: () => string | undefined;
  /** The first time that it is open. */
  readonly opened: (link: Link) => void;
  /** Told of what is refused for the moment. */
  readonly refused: (error: CausewayError) => void;
  /** Nothing comes of it any more. */
  readonly ended: () => void;
}

/** Deliveries settled and unanswered, in terms of the credit: a mesher whose disk is slow is not sent for more. */
const UNANSWERED_CREDITS = 3;
/** Kinds of settlement in one SETTLE: a thousand characters of reason each. */
const GROUPS_MAX = 256;
const CREDIT_PORTIONS = 4;
const REMEMBERED_CREDITS = 4;
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 5_000;
const NO_EVENTS = new Uint8Array();

export class SubscriptionStream implements Subscription, StreamEvents {
  readonly #options: StreamOptions;
  readonly #ports: StreamPorts;
  readonly #inbox: Inbox;
  readonly #remembered: Remembered;
  #status: 'down' | 'opening' | 'open' | 'closed' = 'down';
  /** The mesh's own. */
  #main: Link | undefined;
  /** Where it is open, or was closed by the consumer: settlements are under way. */
  #place: Place | undefined;
  #attempts = 0;
  /** Its number on the link, while it is open. */
  #stream = 0;
  /** Of the next delivery. */
  #next = 1;
  #failures = 0;
  #cancelRetry: (() => void) | undefined;
  /** What the mesher may still send. */
  #granted = 0;
  #waiting = 0;
  #held = 0;
  #unanswered = 0;
  #chunks = new OpenChunks();
  #settlements = new Settlements();
  /** SETTLEs without an answer. */
  #sent = new Set<readonly RangeSettlement[]>();
  /** Those of them that were refused for the moment: how to give up sending them again. */
  readonly #resends = new Map<readonly RangeSettlement[], () => void>();
  #turnEnds = false;
  #whenSettled: (() => void)[] = [];
  #opened: 'no' | 'yes' | CausewayError = 'no';
  #whenOpened: { resolve: () => void; reject: (error: CausewayError) => void }[] = [];
  #closing: Promise<void> | undefined;

  constructor(options: StreamOptions, ports: StreamPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#remembered = new Remembered(options.credit * REMEMBERED_CREDITS);
    this.#inbox = new Inbox({
      taken: (chunk, count) => this.#taken(chunk, count),
      settle: (delivery, outcome) => this.#settle(delivery, outcome),
      left: () => this.close(),
    });
  }

  // ── for the consumer

  [Symbol.asyncIterator](): AsyncIterator<Delivery, undefined> {
    return this.#inbox.deliveries();
  }

  get madeOn(): string | undefined {
    return this.#ports.madeOn();
  }

  batches(): AsyncIterable<readonly Delivery[]> {
    return { [Symbol.asyncIterator]: () => this.#inbox.batches() };
  }

  opened(): Promise<void> {
    if (this.#opened === 'yes') return Promise.resolve();
    if (this.#opened !== 'no') return Promise.reject(this.#opened);
    return new Promise((resolve, reject) => this.#whenOpened.push({ resolve, reject }));
  }

  settled(): Promise<void> {
    if (this.#isSettled()) return Promise.resolve();
    return new Promise((resolve) => this.#whenSettled.push(resolve));
  }

  #isSettled(): boolean {
    return this.#settlements.groups === 0 && this.#sent.size === 0;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    if (this.#status === 'closed') return;
    this.#sendSettlements();
    if (this.#status === 'open') this.#place?.link.send(encodeClose(this.#stream));
    this.#finish(new CausewayError('closed', 'the subscription was closed'), undefined);
    const late = new Promise<void>((resolve) => {
      const cancel = this.#ports.timers.after(this.#options.closeTimeoutMs, resolve);
      void this.settled().then(cancel).then(resolve);
    });
    await late;
    this.#forgetSettlements();
    this.#ended();
  }

  #ended(): void {
    this.#leave();
    this.#ports.ended();
  }

  #leave(): void {
    this.#place?.leave();
    this.#place = undefined;
  }

  // ── from the connection

  /** The mesh has a connection. One that is open elsewhere stays there. */
  up(main: Link): void {
    if (this.#status === 'closed') return;
    this.#main = main;
    this.#failures = 0;
    if (this.#status === 'down') this.#openAgain();
  }

  /** The mesh's link is lost, or another one. */
  down(link: Link, error: CausewayError): void {
    const isMain = this.#main === link;
    if (isMain) this.#main = undefined;
    if (this.#place?.link !== link && !(isMain && this.#status === 'opening')) return;
    this.#lose();
    if (this.#main !== undefined && this.#status === 'down') this.#tryLater(error);
  }

  /** None of the mesh's own addresses answers. */
  seek(): void {
    if (this.#status === 'down' && this.#cancelRetry === undefined) this.#openAgain();
  }

  #openAgain(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    const place = this.#ports.place(this.#main);
    if (place === undefined) return;
    if (!(place instanceof Promise)) {
      this.#openOn(place);
      return;
    }
    this.#status = 'opening';
    const attempt = ++this.#attempts;
    const isCurrent = (): boolean => this.#status === 'opening' && this.#attempts === attempt;
    place.then(
      (found) => {
        if (isCurrent()) this.#openOn(found);
        else found.leave();
      },
      (error: unknown) => {
        if (isCurrent()) this.#notOpened(causewayErrorOf(error));
      },
    );
  }

  #openOn(place: Place): void {
    const { source, group } = this.#options;
    const { link, name: subject } = place;
    this.#place = place;
    this.#status = 'open';
    this.#stream = link.stream(this);
    this.#next = 1;
    this.#granted = this.#room();
    link.send(encodeOpen({ stream: this.#stream, source, credit: this.#granted, subject, group }));
    if (this.#opened === 'no') this.#askOpened(link);
  }

  /** Frames are taken in order: what is sent after OPEN, and answered, says that it was taken. Here, a PUBLISH of nothing. */
  #askOpened(link: Link): void {
    const stream = this.#stream;
    const request = link.request({
      accepted: () => {
        if (this.#status !== 'open' || this.#stream !== stream) return;
        this.#opened = 'yes';
        this.#ports.opened(link);
        for (const { resolve } of this.#whenOpened.splice(0)) resolve();
      },
      refused: () => undefined, // CLOSED, or the end of the connection, says what has happened to the stream
    });
    link.send(encodePublishBatch({ request, qos: 'best-effort', report: false, topics: [] }, NO_EVENTS));
  }

  closed(problem: WireProblem): void {
    if (this.#status !== 'open') return;
    this.#lose();
    this.#notOpened(refusalOf(problem));
  }

  /** The mesher has ended it, or has not begun it. */
  #notOpened(error: CausewayError): void {
    if (!error.retryable) {
      this.#finish(error, error);
      this.#ended();
      return;
    }
    this.#status = 'down';
    this.#tryLater(error);
  }

  /** Without a link of the mesh it is tried again when there is one, or when its addresses have been tried in vain again. */
  #tryLater(error: CausewayError): void {
    this.#ports.refused(error);
    if (this.#main === undefined) return;
    const waitMs = backoffMs(this.#failures++, FIRST_RETRY_MS, LONGEST_RETRY_MS, this.#ports.timers.random);
    this.#cancelRetry = this.#ports.timers.after(waitMs, () => {
      this.#cancelRetry = undefined;
      if (this.#status === 'down') this.#openAgain();
    });
  }

  /** For good. `error`: how the loop ends, where it is not by the consumer's own doing. */
  #finish(reason: CausewayError, error: CausewayError | undefined): void {
    if (this.#status === 'open') this.#place?.link.forget(this.#stream);
    this.#status = 'closed';
    this.#cancelRetry?.();
    this.#inbox.end(error);
    this.#remembered.clear();
    if (this.#opened === 'no') this.#opened = reason;
    for (const { reject } of this.#whenOpened.splice(0)) reject(reason);
    if (error === undefined) this.#giveUpResends();
    else this.#forgetSettlements();
  }

  /** The stream is gone: what was not done with comes again, if there is another one. */
  #lose(): void {
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    if (this.#status !== 'closed') {
      this.#rememberAll();
      this.#status = 'down';
    }
    this.#leave();
    this.#inbox.drop();
    this.#granted = 0;
    this.#waiting = 0;
    this.#unanswered = 0;
    this.#forgetSettlements();
  }

  #rememberAll(): void {
    const now = this.#ports.timers.now();
    for (const settlements of [...this.#sent, this.#settlements.take()]) {
      for (const { ranges, ...outcome } of settlements) {
        // what is to be delivered again is, and sooner is better than never
        if (outcome.kind === 'retry') continue;
        this.#chunks.each(ranges, (chunk, index) => {
          this.#remembered.put(chunk.events[index] ?? NO_EVENTS, { outcome }, now);
        });
      }
    }
    for (const chunk of this.#chunks.take()) {
      chunk.isLost = true;
      for (const delivery of chunk.deliveries)
        if (delivery !== undefined && chunk.states[delivery.index] === HELD)
          this.#remembered.put(delivery.bytes, { held: delivery }, now);
    }
  }

  #forgetSettlements(): void {
    for (const cancel of this.#resends.values()) cancel();
    this.#resends.clear();
    this.#settlements.take();
    this.#sent.clear();
    this.#tellSettled();
  }

  deliver(frame: DeliverFrame): void {
    const events = splitBatch(frame.batch, frame.count);
    if (events.length !== frame.count || frame.first !== this.#next || frame.count > this.#granted)
      throw new WireError(
        'bad-value',
        `${events.length} events for the ${frame.count} deliveries from ${frame.first} on, after ${this.#next - 1} and with ${this.#granted} to come`,
      );
    this.#next += frame.count;
    this.#granted -= frame.count;
    this.#failures = 0;
    const chunk = new Chunk(frame, events);
    if (this.#options.source === 'durable') {
      this.#chunks.push(chunk);
      if (!this.#remembered.isEmpty(this.#ports.timers.now())) this.#recognise(chunk);
    }
    for (const state of chunk.states) if (state === WAITS) this.#waiting++;
    this.#inbox.push(chunk);
  }

  /** Deliveries that the consumer has, or is done with. */
  #recognise(chunk: Chunk): void {
    for (const [index, bytes] of chunk.events.entries()) {
      const memory = this.#remembered.take(bytes);
      if (memory === undefined) continue;
      if ('held' in memory) {
        memory.held.moveTo(chunk, index);
        chunk.deliveries[index] = memory.held;
        chunk.states[index] = HELD;
      } else {
        chunk.states[index] = SETTLED;
        this.#unanswered++;
        this.#settlements.add(chunk.frame.first + index, memory.outcome);
      }
      this.#flushAtEndOfTurn(); // either way it takes up no credit of its own
    }
  }

  #taken(chunk: Chunk, count: number): void {
    this.#waiting -= count;
    if (this.#options.source === 'durable') this.#held += count;
    else {
      chunk.deliveries.length = 0;
      this.#flushAtEndOfTurn();
    }
  }

  #settle(delivery: StreamDelivery, outcome: Outcome): void {
    if (this.#options.source === 'ephemeral') {
      if (outcome.kind === 'ack') return;
      throw new CausewayError(
        'invalid-request',
        `events of an ephemeral subscription are delivered once: there is no ${outcome.kind}`,
      );
    }
    const { chunk, index } = delivery;
    if (chunk.states[index] !== HELD) return;
    chunk.states[index] = SETTLED;
    this.#held--;
    if (chunk.isLost) {
      this.#remembered.settle(delivery, outcome);
      this.#flushAtEndOfTurn(); // it was held against the credit of the stream that is open by now
      return;
    }
    if (this.#status !== 'open') return;
    this.#unanswered++;
    this.#settlements.add(chunk.frame.first + index, outcome);
    if (this.#settlements.groups >= GROUPS_MAX) this.#sendSettlements();
    this.#flushAtEndOfTurn();
  }

  #flushAtEndOfTurn(): void {
    if (this.#turnEnds) return;
    this.#turnEnds = true;
    this.#ports.timers.endOfTurn(() => {
      this.#turnEnds = false;
      if (this.#status !== 'open') return;
      this.#sendSettlements();
      this.#sendCredit();
    });
  }

  #sendSettlements(): void {
    const link = this.#place?.link;
    if (link === undefined || this.#status !== 'open' || this.#settlements.groups === 0) return;
    const settlements = this.#settlements.take();
    this.#sent.add(settlements);
    const request = link.request({
      settled: () => this.#answered(settlements),
      refused: (problem) => this.#refused(settlements, refusalOf(problem)),
    });
    link.send(encodeSettle(this.#stream, request, settlements));
  }

  #answered(settlements: readonly RangeSettlement[]): void {
    if (!this.#sent.delete(settlements)) return;
    for (const { ranges } of settlements) this.#unanswered -= this.#chunks.done(ranges);
    this.#tellSettled();
    if (this.#status === 'open') this.#sendCredit();
  }

  /** Nothing of it was done. What no trying again helps comes again when the stream is closed. */
  #refused(settlements: readonly RangeSettlement[], error: CausewayError): void {
    if (!error.retryable || this.#status !== 'open') {
      this.#answered(settlements);
      return;
    }
    const waitMs = backoffMs(this.#failures++, FIRST_RETRY_MS, LONGEST_RETRY_MS, this.#ports.timers.random);
    const cancel = this.#ports.timers.after(waitMs, () => {
      this.#resends.delete(settlements);
      this.#sent.delete(settlements);
      for (const { ranges, ...outcome } of settlements)
        this.#chunks.each(ranges, (chunk, index) =>
          this.#settlements.add(chunk.frame.first + index, outcome),
        );
      this.#sendSettlements();
    });
    this.#resends.set(settlements, cancel);
    this.#ports.refused(error);
  }

  /** Nobody would send them: they come again. */
  #giveUpResends(): void {
    for (const [settlements, cancel] of this.#resends) {
      cancel();
      this.#answered(settlements);
    }
    this.#resends.clear();
  }

  #tellSettled(): void {
    if (this.#whenSettled.length > 0 && this.#isSettled())
      for (const resolve of this.#whenSettled.splice(0)) resolve();
  }

  /** How much may come beside what is here. */
  #room(): number {
    const { credit } = this.#options;
    const here = this.#granted + this.#waiting + this.#held;
    return Math.max(0, Math.min(credit - here, credit * (1 + UNANSWERED_CREDITS) - here - this.#unanswered));
  }

  /**
   * In portions, so that a consumer that takes one by one does not answer each with a frame; but whatever there is where else
   * nothing would come, as to a consumer that holds most of its credit for long.
   */
  #sendCredit(): void {
    const room = this.#room();
    const isStarved = this.#granted + this.#waiting === 0;
    if (room < (isStarved ? 1 : Math.max(1, this.#options.credit / CREDIT_PORTIONS))) return;
    this.#granted += room;
    this.#place?.link.send(encodeCredit(this.#stream, room));
  }
}
