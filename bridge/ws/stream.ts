// One open stream of a connection: a session's deliveries go out in numbered frames, settlements by number come back. It grants the
// session what the client has granted, as far as the socket and the window allow; what is withheld stays in the queue.

import { MeshError } from '../../node/core/errors.ts';
import type {
  Delivery,
  EncodedSessionEvents,
  FrontDoor,
  Session,
  Settlement,
} from '../../node/core/ports.ts';
import { DELIVERY_RANGES } from '../../node/core/subscription.ts';
import { WireError } from '../../node/wire/wire-error.ts';
import type { WsBounds } from './config.ts';
import { DeliveryWindow } from './delivery-window.ts';
import { FRAME_EVENTS_MAX } from './frames/bounds.ts';
import type { OpenFrame, RangeSettlement, SettleFrame } from './frames/client-frames.ts';
import { deliveryBytesMax, type SharedDeliveries } from './frames/deliver-frame.ts';
import { encodeClosed, encodeRefused, encodeSettled } from './frames/mesher-frames.ts';
import type { NumberRange } from './frames/ranges.ts';
import { mergedRanges, rangesOfAny } from './frames/ranges.ts';
import type { Outbox } from './outbox.ts';
import type { StreamEnd } from './problem.ts';
import { meshErrorOf, problemOf, streamEnded } from './problem.ts';
import { Unsettled } from './unsettled.ts';

/** Characters of a rejection's reason, as in the HTTP API: it is kept with the dead letter. */
const REASON_LENGTH_MAX = 1024;

export interface StreamPorts {
  readonly door: Pick<FrontDoor, 'attach' | 'attachEphemeral' | 'settle'>;
  readonly outbox: Outbox;
  /** Of all streams of the mesher. */
  readonly shared: SharedDeliveries;
  /** What the socket may hold for this stream, in bytes. */
  readonly share: () => number;
  readonly refused: (error: MeshError) => void;
  /** The mesher ended it: it is to be forgotten. */
  readonly ended: () => void;
  /** One more SETTLE is under way, or one less. */
  readonly settling: (change: 1 | -1) => void;
}

export class Stream implements EncodedSessionEvents {
  readonly #number: number;
  readonly #subject: string;
  readonly #source: OpenFrame['source'];
  readonly #bounds: Pick<WsBounds, 'deliverBytes'>;
  readonly #ports: StreamPorts;
  readonly #window = new DeliveryWindow();
  readonly #unsettled = new Unsettled();
  #session: Session | undefined;
  #state: 'opening' | 'open' | 'ended' = 'opening';
  /** Granted by the client, and not passed on yet. */
  #credit = 0;
  #grantAsked = false;
  /** Of the next delivery. */
  #next = 1;

  constructor(frame: OpenFrame, bounds: Pick<WsBounds, 'deliverBytes'>, ports: StreamPorts) {
    this.#number = frame.stream;
    this.#subject = frame.subject;
    this.#source = frame.source;
    this.#bounds = bounds;
    this.#ports = ports;
  }

  /** Throws what the door throws; the stream is then none. Nothing comes before credit is passed on, which is later. */
  open({ credit, group }: OpenFrame): void {
    const { door } = this.#ports;
    const none = { credit: 0 };
    const session =
      this.#source === 'durable'
        ? door.attach(this.#subject, none, this)
        : door.attachEphemeral(this.#subject, group === '' ? none : { ...none, group }, this);
    if (this.#state === 'ended') return; // by the door, while it attached
    this.#session = session;
    this.#state = 'open';
    this.credit(credit);
  }

  credit(count: number): void {
    this.#credit = Math.min(Number.MAX_SAFE_INTEGER, this.#credit + count);
    this.askGrant();
  }

  /** Later, so that a door that delivers while it is granted more does not call itself ever deeper. */
  askGrant(): void {
    if (this.#grantAsked || this.#credit === 0) return;
    this.#grantAsked = true;
    queueMicrotask(() => this.#grant());
  }

  #grant(): void {
    this.#grantAsked = false;
    if (this.#state !== 'open' || this.#ports.outbox.isFull) return; // it is asked again when the socket has drained
    const count = this.#window.refill(this.#credit, this.#ports.share());
    if (count === 0) return;
    this.#credit -= count;
    this.#session?.grant(count);
  }

  deliverEncoded(deliveries: readonly Delivery[]): void {
    if (this.#state === 'ended') return;
    let from = 0;
    let total = 0;
    while (from < deliveries.length) {
      let to = from;
      let bytes = 0;
      for (; to < deliveries.length && to - from < FRAME_EVENTS_MAX; to++) {
        const delivery = deliveries[to];
        const more = delivery === undefined ? 0 : deliveryBytesMax(delivery);
        if (bytes > 0 && bytes + more > this.#bounds.deliverBytes) break;
        bytes += more;
      }
      this.#send(deliveries, from, to);
      total += bytes;
      from = to;
    }
    this.#window.delivered(deliveries.length, total);
    this.askGrant();
  }

  #send(deliveries: readonly Delivery[], from: number, to: number): void {
    const { outbox, shared } = this.#ports;
    outbox.sendParts(shared.encode(this.#number, this.#next, deliveries, from, to));
    if (this.#source === 'durable') {
      for (let i = from; i < to; i++) {
        const token = deliveries[i]?.token;
        if (token !== undefined) this.#unsettled.put(this.#next + i - from, token);
      }
    }
    this.#next += to - from;
  }

  /** Throws WireError where it names deliveries that were never made. */
  settle({ request, settlements }: SettleFrame): void {
    this.#checkNumbers(settlements);
    const wrong = findWrong(settlements);
    if (wrong) {
      this.#refuse(request, wrong);
      return;
    }
    const numbers: number[] = [];
    const found: Settlement[] = [];
    const stale: NumberRange[] = [];
    for (const settlement of settlements) this.#collect(settlement, numbers, found, stale);
    if (found.length === 0) {
      this.#settled(request, stale);
      return;
    }
    this.#ports.settling(1);
    this.#ports.door.settle(this.#subject, found).then(
      (settled) => {
        this.#settled(request, [...stale, ...rangesOfAny(numbersOf(settled.stale, found, numbers))]);
        this.#ports.settling(-1);
      },
      (error: unknown) => {
        // Nothing of it was done: it may be tried again.
        if (this.#state === 'open')
          found.forEach(({ token }, i) => this.#unsettled.put(numbers[i] ?? 0, token));
        this.#refuse(request, meshErrorOf(error));
        this.#ports.settling(-1);
      },
    );
  }

  #checkNumbers(settlements: readonly RangeSettlement[]): void {
    for (const { ranges } of settlements) {
      const last = ranges.at(-1);
      if (last !== undefined && last.first + last.count > this.#next)
        throw new WireError(
          'bad-value',
          `delivery ${last.first + last.count - 1} is settled, the last one was ${this.#next - 1}`,
        );
    }
  }

  #collect(settlement: RangeSettlement, numbers: number[], found: Settlement[], stale: NumberRange[]): void {
    for (const range of settlement.ranges) {
      /** All before it was found, or is in `stale`. */
      let next = range.first;
      this.#unsettled.takeRange(range, (number, token) => {
        if (number > next) stale.push({ first: next, count: number - next });
        next = number + 1;
        numbers.push(number);
        if (settlement.kind === 'ack') found.push({ kind: 'ack', token });
        else if (settlement.kind === 'retry')
          found.push({ kind: 'retry', token, delayMs: settlement.delayMs });
        else found.push({ kind: 'reject', token, reason: settlement.reason });
      });
      const end = range.first + range.count;
      if (end > next) stale.push({ first: next, count: end - next });
    }
  }

  #settled(request: number, stale: readonly NumberRange[]): void {
    this.#ports.outbox.send(encodeSettled(request, mergedRanges(stale)));
  }

  #refuse(request: number, error: MeshError): void {
    this.#ports.refused(error);
    this.#ports.outbox.send(encodeRefused(request, problemOf(error)));
  }

  /** By the door: the subscription went, or the mesher stops. */
  closed(reason: StreamEnd): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#ports.outbox.send(encodeClosed(this.#number, streamEnded(reason)));
    this.#ports.ended();
  }

  /** By the mesher's other parts: as if the door had. */
  end(reason: StreamEnd): void {
    const session = this.#session;
    this.closed(reason);
    session?.close();
  }

  /** By the client: what is unsettled goes back to the queue, and nothing more is sent. */
  close(): void {
    if (this.#state === 'ended') return;
    this.#state = 'ended';
    this.#session?.close();
  }
}

/** What the HTTP API's schema refuses, too: the door takes any. */
function findWrong(settlements: readonly RangeSettlement[]): MeshError | undefined {
  const { max } = DELIVERY_RANGES.backoffMs;
  for (const settlement of settlements) {
    if (settlement.kind === 'retry' && (settlement.delayMs ?? 0) > max)
      return new MeshError('invalid-request', `a retry after ${settlement.delayMs} ms, the limit is ${max}`);
    if (settlement.kind === 'reject' && settlement.reason.length > REASON_LENGTH_MAX)
      return new MeshError(
        'invalid-request',
        `a reason of ${settlement.reason.length} characters, the limit is ${REASON_LENGTH_MAX}`,
      );
  }
  return undefined;
}

/** The numbers of those of `found` that are `stale`: the same objects. */
function numbersOf(
  stale: readonly Settlement[],
  found: readonly Settlement[],
  numbers: readonly number[],
): readonly number[] {
  if (stale.length === 0) return [];
  const objects = new Set(stale);
  return numbers.filter((_number, i) => {
    const settlement = found[i];
    return settlement !== undefined && objects.has(settlement);
  });
}
