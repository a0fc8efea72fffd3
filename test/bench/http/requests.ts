// Requests that publish events, as bytes made beforehand: before each is sent, the numbers in it are overwritten, so that no
// two events of a run are alike and making them costs next to nothing.

import { idOf, Payloads, SOURCE, timeOf, TYPE } from '../harness/payloads.ts';

export const PATH = '/v1/events';
export const MODES = ['structured', 'binary', 'batch'] as const;
export type Mode = (typeof MODES)[number];

export interface RequestOptions {
  readonly mode: Mode;
  /** Of each event's data. */
  readonly payloadBytes: number;
  /** In one request; 1 unless `mode` is `batch`. */
  readonly events: number;
  readonly qos: 'durable' | 'best-effort';
  readonly topic: string;
}

interface Template {
  readonly bytes: Buffer;
  /** Where the digits of the events' numbers are: two places for each event, its id and its payload. */
  readonly places: readonly number[];
}

/** More than are ever under way at once: what is being sent must not change. */
const TEMPLATES = 512;
const NUMBER_DIGITS = 12;
/** Twelve digits that are nowhere else in a request: the last event's number of those that nobody sends. */
const MARK = 999_999_999_000;

export class Requests {
  readonly eventsEach: number;
  readonly #templates: readonly Template[];

  constructor(options: RequestOptions) {
    this.eventsEach = options.events;
    const payloads = new Payloads({ bytes: options.payloadBytes });
    const count = Math.max(64, Math.ceil(TEMPLATES / options.events));
    this.#templates = Array.from({ length: count }, (_, i) => makeTemplate(options, payloads, i));
  }

  /** Request number `n`, from 0; its events are numbered from `n * eventsEach`. Good until as many others were made. */
  request(n: number): Buffer {
    const template = this.#templates[n % this.#templates.length];
    if (!template) throw new Error('there is always a template');
    const { bytes, places } = template;
    for (const [i, place] of places.entries())
      bytes.write(digits(n * this.eventsEach + (i >> 1)), place, 'latin1');
    return bytes;
  }
}

/** `variant`: which of the payloads; their numbers are then replaced by marks, to be found again. */
function makeTemplate(options: RequestOptions, payloads: Payloads, variant: number): Template {
  const { mode, events } = options;
  const marked = Array.from({ length: events }, (_, i) => {
    const n = variant * events + i;
    const text = mode === 'binary' ? payloads.text(n) : payloads.structured(n);
    return text.replaceAll(digits(n), digits(MARK + i));
  });
  const body = mode === 'batch' ? `[${marked.join(',')}]` : (marked[0] ?? '');
  const bytes = Buffer.from(`${headOf(options, Buffer.byteLength(body))}${body}`);
  const places = marked.flatMap((_, i) => {
    const first = bytes.indexOf(digits(MARK + i));
    return [first, bytes.indexOf(digits(MARK + i), first + NUMBER_DIGITS)];
  });
  if (places.some((place) => place < 0)) throw new Error('every event has its number in two places');
  return { bytes, places };
}

function headOf({ mode, qos, topic }: RequestOptions, length: number): string {
  const lines = [
    `POST ${PATH}?topic=${encodeURIComponent(topic)} HTTP/1.1`,
    'host: 127.0.0.1',
    `content-type: ${CONTENT_TYPES[mode]}`,
    `content-length: ${length}`,
    `causeway-qos: ${qos}`,
    ...(mode === 'binary' ? binaryHeaders() : []),
  ];
  return `${lines.join('\r\n')}\r\n\r\n`;
}

function binaryHeaders(): readonly string[] {
  return [
    'ce-specversion: 1.0',
    `ce-id: ${idOf(MARK)}`,
    `ce-source: ${SOURCE}`,
    `ce-type: ${TYPE}`,
    `ce-time: ${timeOf(0)}`,
  ];
}

const CONTENT_TYPES: Readonly<Record<Mode, string>> = {
  structured: 'application/cloudevents+json',
  binary: 'application/json',
  batch: 'application/cloudevents-batch+json',
};

function digits(n: number): string {
  return String(n).padStart(NUMBER_DIGITS, '0');
}
