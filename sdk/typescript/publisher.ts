// Publishing: calls gather into batches, as many batches are under way as the mesher allows, and each call is settled by the
// answer to its batch. A batch leaves when it is full, or when the turn of the event loop is over, so that what is published in it
// goes together.
//
// Invariant: batches are sent in order (see `inOrder`). What the mesher cannot take now, and what was unanswered when the
// connection was lost, goes back to the front. Waiting bytes are bounded by refusing, unanswered ones by the mesher's window.

import type { Welcome, WireProblem } from '../../bridge/ws/frames/json.ts';
import type { PublishResult } from '../../node/core/delivery-types.ts';
import type { CloudEvent } from '../../node/core/cloud-event.ts';
import { backoffMs } from '../../node/core/backoff.ts';
import { Deque } from '../../node/core/deque.ts';
import { REPLICAS_MAX } from '../../node/core/limits.ts';
import { checkTopic } from '../../node/core/topic.ts';
import { ByteWriter } from '../../node/wire/byte-writer.ts';
import { CausewayError, causewayErrorOf, refusalOf } from './errors.ts';
import { cloudEventOf } from './event.ts';
import type { Link } from './link.ts';
import { inOrder, OutgoingBatch } from './outgoing-batch.ts';
import type { Timers } from './timers.ts';
import type { EventInput, PublishOptions, PublishReport } from './types.ts';

export interface PublisherOptions {
  readonly publishTimeoutMs: number;
  readonly waitingBytesMax: number;
  readonly batchesInFlightMax: number;
}

export interface PublisherPorts {
  readonly timers: Timers;
  /** Told of what is refused for the moment. */
  readonly refused: (error: CausewayError) => void;
}

type Input = EventInput | Uint8Array;
/** What calls have in common that travel together. */
type Kind = Pick<OutgoingBatch, 'qos' | 'report' | 'replicas'>;
type Limits = Pick<
  Welcome,
  'eventBytesMax' | 'batchBytesMax' | 'batchEventsMax' | 'messageBytesMax' | 'publishWindowBytes'
>;

/**
 * A batch is full at this size. The mesher's CPU for a durable event of 253 bytes: 3.2 µs in batches of 16 KiB, 3.0 of 64 KiB,
 * 2.7 of 256 KiB, 2.8 of 512 KiB (medians of three); the client's: 1.6 µs in batches of 16 KiB, 1.2 in all larger ones.
 */
const BATCH_BYTES_FULL = 256 * 1024;
const BATCH_EVENTS_FULL = 4096;
/** After this long a batch that waits takes no more calls: its calls time out together. */
const BATCH_FILLS_MS = 1_000;
/** A topic is the mesher's to judge by its own limits; these are the protocol's. */
const TOPIC_LIMITS = { topicBytesMax: 65_535, topicLevelsMax: 65_535 };
const FIRST_RETRY_MS = 50;
const LONGEST_RETRY_MS = 2_000;
const SWEEP_MS = 500;
const SMALL_BATCH_BYTES = 4096;

export class Publisher {
  /** Events sent again after their answer was lost. */
  inDoubt = 0;
  readonly #options: PublisherOptions;
  readonly #timers: Timers;
  readonly #tellRefused: (error: CausewayError) => void;
  #link: Link | undefined;
  /** In order; the last one may still take calls. */
  readonly #waiting = new Deque<OutgoingBatch>();
  #filling: OutgoingBatch | undefined;
  #waitingBytes = 0;
  /** In the order in which they were sent. */
  readonly #unanswered = new Set<OutgoingBatch>();
  #unansweredBytes = 0;
  #batches = 0;
  #usualBytes = SMALL_BATCH_BYTES;
  #checkedTopic = '';
  #turnEnds = false;
  #refusals = 0;
  /** Until when nothing is sent, since the mesher refused something for the moment. */
  #pause: (() => void) | undefined;
  #sweep: (() => void) | undefined;
  /** Why there is no link. */
  #downWith: CausewayError | undefined;
  /** Of the mesher that the link leads to, or led to last. */
  #limits: Limits;
  /** Why nothing more is taken. */
  #end: CausewayError | undefined;
  #whenReady: (() => void)[] = [];
  #whenIdle: (() => void)[] = [];

  constructor(options: PublisherOptions, limits: Limits, { timers, refused }: PublisherPorts) {
    this.#options = options;
    this.#limits = limits;
    this.#timers = timers;
    this.#tellRefused = refused;
  }

  publish(input: Input | readonly Input[], options: PublishOptions = {}): Promise<readonly PublishReport[]> {
    try {
      return this.#call(input, options);
    } catch (error) {
      return Promise.reject(causewayErrorOf(error));
    }
  }

  #call(
    input: Input | readonly Input[],
    { topic = '', qos = 'durable', report = false, replicas }: PublishOptions,
  ): Promise<readonly PublishReport[]> {
    if (this.#end !== undefined) throw this.#end;
    if (replicas !== undefined) checkReplicas(replicas);
    if (this.#waitingBytes >= this.#options.waitingBytesMax)
      throw new CausewayError(
        'overloaded',
        `${this.#waitingBytes} bytes of events wait to be sent, the limit is ${this.#options.waitingBytesMax}; await ready() before publishing more`,
      );
    if (topic !== this.#checkedTopic && topic !== '') this.#checkedTopic = checkTopic(topic, TOPIC_LIMITS);
    const events = readInput(input);
    if (events.length === 0) return Promise.resolve([]);
    const batch = this.#add(events, { topic, qos, report, replicas });
    return new Promise((resolve, reject) => {
      batch.addCall({ events: events.length, end: batch.eventBytes, topic, resolve, reject });
      this.#sendAtEndOfTurn(batch);
    });
  }

  /** Encodes all events into one batch, that in hand or a new one. */
  #add(
    events: readonly (CloudEvent | Uint8Array)[],
    { topic, ...kind }: Kind & { readonly topic: string },
  ): OutgoingBatch {
    const filling = this.#filling;
    if (filling !== undefined && this.#takes(filling, kind)) {
      const before = filling.bytes;
      if (this.#encode(filling, events, topic)) {
        this.#waitingBytes += filling.bytes + filling.topicBytes(topic) - before;
        return filling;
      }
    }
    const batch = new OutgoingBatch(
      { number: ++this.#batches, ...kind, createdAt: this.#timers.now() },
      new ByteWriter(this.#usualBytes),
    );
    if (!this.#encode(batch, events, topic)) throw tooMany(events.length, this.#limits);
    this.#waitingBytes += batch.bytes + batch.topicBytes(topic);
    this.#waiting.pushBack(batch);
    this.#filling = batch;
    return batch;
  }

  #takes(batch: OutgoingBatch, { qos, report, replicas }: Kind): boolean {
    return (
      batch.qos === qos &&
      batch.report === report &&
      batch.replicas === replicas &&
      batch.bytes < BATCH_BYTES_FULL &&
      batch.events < BATCH_EVENTS_FULL &&
      this.#timers.now() - batch.createdAt < BATCH_FILLS_MS
    );
  }

  /** False, and nothing added, where the batch would be more than the mesher takes at once. */
  #encode(batch: OutgoingBatch, events: readonly (CloudEvent | Uint8Array)[], topic: string): boolean {
    const { eventBytesMax, batchBytesMax, batchEventsMax, messageBytesMax } = this.#limits;
    const before = batch.eventBytes;
    let index = 0;
    for (const event of events) {
      const bytes = batch.add(event);
      if (bytes > eventBytesMax) {
        batch.cut(before);
        throw tooLarge(bytes, eventBytesMax, events.length === 1 ? undefined : index);
      }
      index++;
    }
    const fits =
      batch.eventBytes <= batchBytesMax &&
      batch.bytes + batch.topicBytes(topic) <= messageBytesMax &&
      batch.events + events.length <= batchEventsMax;
    if (fits) return true;
    batch.cut(before);
    return false;
  }

  /** Resolves while no full batch waits. */
  ready(): Promise<void> {
    if (this.#isReady()) return Promise.resolve();
    return new Promise((resolve) => this.#whenReady.push(resolve));
  }

  #isReady(): boolean {
    return (
      this.#waitingBytes < Math.min(BATCH_BYTES_FULL, this.#options.waitingBytesMax) ||
      this.#end !== undefined
    );
  }

  /** Resolves when every call was answered. */
  idle(): Promise<void> {
    if (this.#isIdle()) return Promise.resolve();
    return new Promise((resolve) => this.#whenIdle.push(resolve));
  }

  #isIdle(): boolean {
    return this.#waiting.size === 0 && this.#unanswered.size === 0;
  }

  /** Nothing more is taken; what is under way goes on. */
  end(error: CausewayError): void {
    this.#end ??= error;
    this.#tell();
  }

  /** Whatever has no answer yet gets none. */
  abandon(error: CausewayError): void {
    this.end(error);
    for (const batch of [...this.#unanswered, ...this.#waiting]) this.#fail(batch, error);
    this.#unanswered.clear();
    this.#unansweredBytes = 0;
    this.#waiting.clear();
    this.#waitingBytes = 0;
    this.#pause?.();
    this.#sweep?.();
    this.#tell();
  }

  up(link: Link): void {
    this.#link = link;
    this.#limits = link.welcome;
    this.#send();
  }

  /** What has no answer is sent again on the next link, before all that waits. */
  down(error: CausewayError): void {
    this.#link = undefined;
    this.#pause?.();
    this.#pause = undefined;
    this.#downWith = error;
    const again = [...this.#unanswered].filter(({ calls }) => calls.length > 0);
    for (const batch of again) {
      batch.isDoubtful = true;
      this.inDoubt += batch.events;
    }
    this.#unanswered.clear();
    this.#unansweredBytes = 0;
    this.#putBack(again);
  }

  #sendAtEndOfTurn(batch: OutgoingBatch): void {
    if (batch.bytes >= BATCH_BYTES_FULL) this.#send();
    this.#sweep ??= this.#timers.after(SWEEP_MS, () => this.#giveUpLate());
    if (this.#turnEnds) return;
    this.#turnEnds = true;
    this.#timers.endOfTurn(() => {
      this.#turnEnds = false;
      this.#send();
    });
  }

  #send(): void {
    const link = this.#link;
    if (link === undefined || this.#pause !== undefined) return;
    for (;;) {
      const batch = this.#waiting.front();
      if (batch === undefined || !this.#hasRoom(batch)) break;
      this.#waiting.popFront();
      this.#waitingBytes -= batch.bytes;
      if (batch === this.#filling) this.#filling = undefined;
      if (batch.bytes > this.#limits.messageBytesMax) {
        this.#divide(batch);
        continue;
      }
      this.#usualBytes = Math.min(
        BATCH_BYTES_FULL,
        Math.max(SMALL_BATCH_BYTES, batch.eventBytes + SMALL_BATCH_BYTES),
      );
      this.#unanswered.add(batch);
      this.#unansweredBytes += batch.bytes;
      const request = link.request({
        accepted: (results) => this.#accepted(batch, results),
        refused: (problem) => this.#refused(batch, problem),
      });
      link.send(batch.frame(request, link.welcome));
    }
    this.#tell();
  }

  /** It was gathered for a mesher that takes more at once than this one, which would end the connection. */
  #divide(batch: OutgoingBatch): void {
    if (batch.calls.length > 1) this.#putBack(batch.split());
    else this.#fail(batch, tooMany(batch.events, this.#limits));
  }

  /** A batch that is larger than the window goes alone. */
  #hasRoom(batch: OutgoingBatch): boolean {
    if (this.#unanswered.size === 0) return true;
    return (
      this.#unanswered.size < this.#options.batchesInFlightMax &&
      this.#unansweredBytes + batch.bytes <= this.#limits.publishWindowBytes
    );
  }

  #answered(batch: OutgoingBatch): void {
    if (this.#unanswered.delete(batch)) this.#unansweredBytes -= batch.bytes;
  }

  #accepted(batch: OutgoingBatch, results: readonly PublishResult[] | undefined): void {
    this.#answered(batch);
    this.#refusals = 0;
    batch.taken(results);
    this.#send();
  }

  #refused(batch: OutgoingBatch, problem: WireProblem): void {
    this.#answered(batch);
    const error = refusalOf(problem);
    batch.refusal = error;
    // After a failed write nobody knows what is on the disk.
    if (error.code === 'storage-failed') batch.isDoubtful = true;
    if (error.retryable) {
      this.#putBack([batch]);
      const waitMs = backoffMs(this.#refusals++, FIRST_RETRY_MS, LONGEST_RETRY_MS, this.#timers.random);
      this.#pause ??= this.#timers.after(waitMs, () => {
        this.#pause = undefined;
        this.#send();
      });
      this.#tellRefused(error);
    } else if (batch.calls.length > 1) {
      // One of them is to blame, and nothing of the batch was taken: the mesher says which, when it gets them one by one.
      this.#putBack(batch.split());
      this.#send();
    } else {
      this.#fail(batch, error);
      this.#send();
    }
  }

  /** To the front of what waits, each where it belongs. */
  #putBack(batches: readonly OutgoingBatch[]): void {
    const front = batches.toSorted(inOrder);
    const last = front.at(-1);
    if (last === undefined) return;
    for (
      let next = this.#waiting.front();
      next !== undefined && inOrder(next, last) < 0;
      next = this.#waiting.front()
    ) {
      front.push(next);
      this.#waiting.popFront();
    }
    for (const batch of batches) this.#waitingBytes += batch.bytes;
    this.#waiting.pushAllFront(front.sort(inOrder));
  }

  /** Calls that had no answer for too long get this one. */
  #giveUpLate(): void {
    this.#sweep = undefined;
    const oldest = this.#timers.now() - this.#options.publishTimeoutMs;
    for (const batch of this.#unanswered) {
      if (batch.createdAt > oldest) continue;
      batch.isDoubtful = true;
      this.#fail(batch, this.#lateness(batch)); // it still counts against the window
    }
    for (
      let batch = this.#waiting.front();
      batch && batch.createdAt <= oldest;
      batch = this.#waiting.front()
    ) {
      this.#waiting.popFront();
      this.#waitingBytes -= batch.bytes;
      if (batch === this.#filling) this.#filling = undefined;
      this.#fail(batch, this.#lateness(batch));
    }
    this.#tell();
    if (!this.#isIdle()) this.#sweep = this.#timers.after(SWEEP_MS, () => this.#giveUpLate());
  }

  #lateness(batch: OutgoingBatch): CausewayError {
    const { publishTimeoutMs } = this.#options;
    if (batch.refusal !== undefined) return batch.refusal;
    if (this.#link === undefined && this.#downWith !== undefined) return this.#downWith;
    return new CausewayError('request-timeout', `the mesher has not taken it within ${publishTimeoutMs} ms`);
  }

  #fail(batch: OutgoingBatch, error: CausewayError): void {
    const { code, message, status, retryable, details } = error;
    const inDoubt = batch.isDoubtful || this.#unanswered.has(batch);
    batch.failed(
      inDoubt
        ? new CausewayError(code, message, { cause: error, status, retryable, details, inDoubt })
        : error,
    );
    batch.calls.length = 0;
  }

  /** Those who wait for room, or for all to be answered. */
  #tell(): void {
    if (this.#whenReady.length > 0 && this.#isReady())
      for (const resolve of this.#whenReady.splice(0)) resolve();
    if (this.#whenIdle.length > 0 && this.#isIdle())
      for (const resolve of this.#whenIdle.splice(0)) resolve();
  }
}

function readInput(input: Input | readonly Input[]): (CloudEvent | Uint8Array)[] {
  if (!isMany(input)) return [input instanceof Uint8Array ? input : cloudEventOf(input, undefined)];
  const index = input.length === 1 ? () => undefined : (at: number) => at;
  return input.map((each, at) => (each instanceof Uint8Array ? each : cloudEventOf(each, index(at))));
}

function isMany(input: Input | readonly Input[]): input is readonly Input[] {
  return Array.isArray(input);
}

function checkReplicas(replicas: number): void {
  if (Number.isInteger(replicas) && replicas >= 1 && replicas <= REPLICAS_MAX) return;
  throw new CausewayError(
    'invalid-request',
    `replicas is ${replicas}; it must be a whole number from 1 to ${REPLICAS_MAX}`,
  );
}

function tooLarge(bytes: number, limit: number, index: number | undefined): CausewayError {
  const which = index === undefined ? 'the event' : `event ${index}`;
  return new CausewayError('event-too-large', `${which} has ${bytes} bytes, the mesher's limit is ${limit}`, {
    details: { limit, ...(index === undefined ? {} : { index }) },
  });
}

function tooMany(events: number, { batchEventsMax, batchBytesMax }: Limits): CausewayError {
  return new CausewayError(
    'batch-too-large',
    `${events} events in one call are more than the mesher takes at once (${batchEventsMax} events, ${batchBytesMax} bytes); publish them in parts`,
    { details: { limit: batchEventsMax } },
  );
}
