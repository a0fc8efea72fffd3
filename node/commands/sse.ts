// Server-sent events (WHATWG HTML §9.2.6 "Interpreting an event stream"), from byte chunks cut anywhere.
// Invariant: an event not ended by an empty line is never given out.

import { MeshError } from '../core/errors.ts';

export interface ServerSentEvent {
  /** `message` where the stream names none. */
  readonly type: string;
  readonly data: string;
  /** The last id seen up to and with this event; '' for none. */
  readonly id: string;
}

// A structured event of the largest size a mesher takes (16 MiB batches, base64 on top), with room to spare.
const eventCharactersMax = 32 * 1024 * 1024;

export class SseParser {
  #decoder = new TextDecoder();
  #text = '';
  /** The last character was a CR that ended a line: a LF right after it belongs to it. */
  #afterCr = false;
  #data: string[] = [];
  #dataCharacters = 0;
  #type = '';
  #id = '';
  /** What the server asks us to wait before reconnecting, ms; undefined: it did not say. */
  retryMs: number | undefined;

  /** Events that this chunk completes. */
  push(chunk: Uint8Array): ServerSentEvent[] {
    // The decoder takes the byte order mark away.
    this.#text += this.#decoder.decode(chunk, { stream: true });
    if (this.#text !== '' && this.#afterCr) {
      this.#afterCr = false;
      if (this.#text.startsWith('\n')) this.#text = this.#text.slice(1);
    }
    const events: ServerSentEvent[] = [];
    let start = 0;
    for (;;) {
      const end = this.#lineEnd(start);
      if (end === undefined) break;
      const event = this.#line(this.#text.slice(start, end.at));
      if (event !== undefined) events.push(event);
      start = end.next;
    }
    this.#text = this.#text.slice(start);
    if (this.#text.length + this.#dataCharacters > eventCharactersMax) {
      throw new MeshError(
        'event-too-large',
        `an event on the stream is larger than ${eventCharactersMax} characters; take it by pull`,
      );
    }
    return events;
  }

  /** Undefined while no whole line is there. */
  #lineEnd(start: number): { at: number; next: number } | undefined {
    for (let i = start; i < this.#text.length; i++) {
      const c = this.#text.charCodeAt(i);
      if (c === 10) return { at: i, next: i + 1 };
      if (c !== 13) continue;
      this.#afterCr = i + 1 === this.#text.length;
      return { at: i, next: this.#text.charCodeAt(i + 1) === 10 ? i + 2 : i + 1 };
    }
    return undefined;
  }

  #line(line: string): ServerSentEvent | undefined {
    if (line === '') return this.#dispatch();
    const colon = line.indexOf(':');
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? '' : line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    if (field === 'data') {
      this.#data.push(value);
      this.#dataCharacters += value.length + 1;
    } else if (field === 'event') this.#type = value;
    else if (field === 'id' && !value.includes('\0')) this.#id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value);
    return undefined;
  }

  #dispatch(): ServerSentEvent | undefined {
    const event =
      this.#data.length === 0
        ? undefined
        : { type: this.#type || 'message', data: this.#data.join('\n'), id: this.#id };
    this.#data = [];
    this.#dataCharacters = 0;
    this.#type = '';
    return event;
  }
}
