// One connection from its WELCOME to its end: gives numbers to requests and streams, and their answers to those who wait for them.

import { decodeMesherFrame } from '../../bridge/ws/frames/mesher-frames.ts';
import type { MesherFrame } from '../../bridge/ws/frames/mesher-frames.ts';
import type { Welcome } from '../../bridge/ws/frames/json.ts';
import { WireError } from '../../node/wire/wire-error.ts';
import type { Address } from './address.ts';
import type { Answers, Link, StreamEvents } from './link.ts';

export class Session implements Link {
  readonly welcome: Welcome;
  readonly http: string;
  readonly address: Address;
  readonly send: (frame: Uint8Array) => void;
  readonly #answers = new Map<number, Answers>();
  #requests = 0;
  /** Undefined: it was forgotten. */
  readonly #streams = new Map<number, StreamEvents>();
  #streamsOpened = 0;

  constructor(address: Address, welcome: Welcome, send: (frame: Uint8Array) => void) {
    this.address = address;
    this.http = address.http;
    this.welcome = welcome;
    this.send = send;
  }

  request(answers: Answers): number {
    this.#answers.set(++this.#requests, answers);
    return this.#requests;
  }

  stream(events: StreamEvents): number {
    this.#streams.set(++this.#streamsOpened, events);
    return this.#streamsOpened;
  }

  forget(stream: number): void {
    this.#streams.delete(stream);
  }

  /** Throws WireError for what a mesher may not say now. */
  take(frame: MesherFrame): void {
    switch (frame.kind) {
      case 'accepted':
        for (const request of frame.requests) this.#answer(request).accepted?.(undefined);
        return;
      case 'report':
        this.#answer(frame.request).accepted?.(frame.results);
        return;
      case 'refused':
        this.#answer(frame.request).refused(frame.problem);
        return;
      case 'settled':
        this.#answer(frame.request).settled?.();
        return;
      case 'deliver':
        this.#stream(frame.stream)?.deliver(frame);
        return;
      case 'closed':
        this.#stream(frame.stream)?.closed(frame.problem);
        this.#streams.delete(frame.stream);
        return;
      case 'welcome':
        throw new WireError('unknown-kind', 'a second WELCOME');
    }
  }

  #answer(request: number): Answers {
    const answers = this.#answers.get(request);
    if (answers === undefined)
      throw new WireError('bad-value', `an answer to request ${request}, which has none to come`);
    this.#answers.delete(request);
    return answers;
  }

  /** What was on its way when the stream was closed here is of no use any more. */
  #stream(stream: number): StreamEvents | undefined {
    if (stream > this.#streamsOpened) throw new WireError('bad-value', `stream ${stream} was never opened`);
    return this.#streams.get(stream);
  }
}

/** A session begins with WELCOME. Throws WireError. */
export function welcomeOf(bytes: Uint8Array): Welcome {
  const frame = decodeMesherFrame(bytes);
  if (frame.kind === 'welcome') return frame.welcome;
  throw new WireError('unknown-kind', `${frame.kind} before WELCOME`);
}
