// The PUBLISH side of one connection: hands batches in untouched, in the order in which they came, and answers them when the door
// has. What the door refuses as `overloaded` is kept and handed in again before all that came after it.

import { MeshError } from '../../node/core/errors.ts';
import { REPLICAS_MAX } from '../../node/core/limits.ts';
import type { FrontDoor, PublishResult } from '../../node/core/ports.ts';
import type { PublishFrame } from './frames/client-frames.ts';
import { encodeRefused, encodeReport } from './frames/mesher-frames.ts';
import type { Outbox } from './outbox.ts';
import type { Overload } from './overload.ts';
import { meshErrorOf, problemOf } from './problem.ts';

export interface PublishingPorts {
  readonly door: Pick<FrontDoor, 'publishEncoded'>;
  readonly outbox: Outbox;
  readonly overload: Overload;
  /** Something was refused, or went wrong: to be counted, and logged where it is a fault of ours. */
  readonly refused: (error: MeshError) => void;
  /** `isFull` or `unanswered` may be others now. */
  readonly changed: () => void;
}

/** What a frame under way costs beside its batch: its objects, and a promise. Else millions of frames of nothing would be held. */
const FRAME_COST_BYTES = 200;

export class Publishing {
  readonly #windowBytes: number;
  readonly #ports: PublishingPorts;
  /** Read, and not handed in: the first ones were, and were refused. */
  #waiting: PublishFrame[] = [];
  /** Refused as `overloaded` in this turn, in the order in which they were handed in: before all that waits. */
  #putBack: PublishFrame[] = [];
  #unanswered = 0;
  #unansweredBytes = 0;
  #state: 'open' | 'stopping' | 'gone' = 'open';

  constructor(windowBytes: number, ports: PublishingPorts) {
    this.#windowBytes = windowBytes;
    this.#ports = ports;
  }

  /** Frames, those that wait included. */
  get unanswered(): number {
    return this.#unanswered;
  }

  /** Of their batches, and what they cost beside. */
  get unansweredBytes(): number {
    return this.#unansweredBytes;
  }

  /** As much as this connection may have unanswered: nothing more is to be read. */
  get isFull(): boolean {
    return this.#unansweredBytes > this.#windowBytes || this.#isWaiting;
  }

  get #isWaiting(): boolean {
    return this.#waiting.length + this.#putBack.length > 0;
  }

  take(frame: PublishFrame): void {
    this.#unanswered++;
    this.#unansweredBytes += FRAME_COST_BYTES + frame.batch.length;
    const { overload } = this.#ports;
    if (this.#state !== 'open') this.#fail(frame, stopping());
    else if (overload.isOn || this.#isWaiting) {
      this.#waiting.push(frame);
      overload.wait(this.#retry);
    } else this.#handIn(frame);
  }

  /** What waits is refused; what was handed in is still answered. */
  stop(): void {
    this.#state = 'stopping';
    for (const frame of this.#takeWaiting()) this.#fail(frame, stopping());
  }

  /** The connection is gone: what waits is forgotten, as it was never answered. */
  end(): void {
    this.#state = 'gone';
    for (const frame of this.#takeWaiting()) this.#forget(frame);
  }

  #takeWaiting(): readonly PublishFrame[] {
    const waiting = [...this.#putBack, ...this.#waiting];
    this.#putBack = [];
    this.#waiting = [];
    this.#ports.overload.forget(this.#retry);
    return waiting;
  }

  readonly #retry = (): void => {
    for (const frame of this.#takeWaiting()) this.#handIn(frame);
  };

  #handIn(frame: PublishFrame): void {
    const { qos, report, replicas, topics, batch } = frame;
    if (replicas !== undefined && replicas > REPLICAS_MAX) {
      this.#fail(frame, tooManyReplicas(replicas));
      return;
    }
    if (batch.length === 0 && topics.length === 0) {
      this.#succeed(frame, []);
      return;
    }
    const asked = { qos, report, ...(replicas !== undefined && { replicas }) };
    this.#ports.door.publishEncoded({ bytes: batch, topics }, asked).then(
      (results) => this.#succeed(frame, results),
      (error: unknown) => this.#refuse(frame, meshErrorOf(error)),
    );
  }

  #succeed(frame: PublishFrame, results: readonly PublishResult[]): void {
    const { outbox, overload } = this.#ports;
    if (frame.report) outbox.send(encodeReport(frame.request, results));
    else outbox.accepted(frame.request);
    overload.answered();
    this.#answered(frame);
  }

  #refuse(frame: PublishFrame, error: MeshError): void {
    if (error.code !== 'overloaded' || this.#state !== 'open') {
      this.#fail(frame, this.#state === 'stopping' && error.code === 'overloaded' ? stopping() : error);
      return;
    }
    this.#putBack.push(frame);
    this.#ports.overload.wait(this.#retry);
    this.#ports.changed();
  }

  #fail(frame: PublishFrame, error: MeshError): void {
    this.#ports.refused(error);
    this.#ports.outbox.send(encodeRefused(frame.request, problemOf(error)));
    this.#answered(frame);
  }

  #answered(frame: PublishFrame): void {
    this.#forget(frame);
    this.#ports.changed();
  }

  #forget(frame: PublishFrame): void {
    this.#unanswered--;
    this.#unansweredBytes -= FRAME_COST_BYTES + frame.batch.length;
  }
}

function tooManyReplicas(replicas: number): MeshError {
  return new MeshError('invalid-request', `replicas ${replicas}: there are ${REPLICAS_MAX} at most`, {
    details: { limit: REPLICAS_MAX },
  });
}

function stopping(): MeshError {
  return new MeshError('shutting-down', 'this mesher is stopping; publish to another one');
}
