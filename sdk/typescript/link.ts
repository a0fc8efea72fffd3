// A connection that stands, as those see it who send on it: the publisher and the subscriptions. When it is lost,
// they are told so, and get another one.

import type { DeliverFrame } from '../../bridge/ws/frames/deliver-frame.ts';
import type { Welcome, WireProblem } from '../../bridge/ws/frames/json.ts';
import type { PublishResult } from '../../node/core/delivery-types.ts';
import type { Address } from './address.ts';

export interface Link {
  readonly welcome: Welcome;
  readonly address: Address;
  /** Base URL of the same mesher's HTTP API. */
  readonly http: string;
  send(frame: Uint8Array): void;
  /** A number for a request, whose one answer goes to `answers`. */
  request(answers: Answers): number;
  /** A number for a stream. */
  stream(events: StreamEvents): number;
  /** The stream is closed: what still comes of it is dropped. */
  forget(stream: number): void;
}

/** One of these is called, once, unless the link is lost before. */
export interface Answers {
  /** `results`: where a report was asked for. */
  accepted?(results: readonly PublishResult[] | undefined): void;
  settled?(): void;
  refused(problem: WireProblem): void;
}

export interface StreamEvents {
  deliver(frame: DeliverFrame): void;
  /** The mesher has ended the stream; nothing more comes of it. */
  closed(problem: WireProblem): void;
}
