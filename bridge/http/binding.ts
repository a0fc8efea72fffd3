// The CloudEvents HTTP protocol binding 1.0.2, both ways and in all three modes. Pure: HTTP message ↔ events. What it
// checks is the shape of the message only; the front door checks the events.

import type { AttributeValue, CloudEvent } from '../../node/core/cloud-event.ts';
import { isJsonContentType } from '../../node/core/cloud-event.ts';
import { invalidEvent } from '../../node/core/cloud-event-check.ts';
import {
  bytesFromData,
  contentTypeOf,
  dataFromBytes,
  decodeUtf8,
  formatJsonBatch,
  formatJsonEvent,
  parseJsonBatch,
  parseJsonEvent,
  typedAttribute,
} from '../../node/core/cloud-event-json.ts';
import { MeshError } from '../../node/core/errors.ts';
import { parsePlainBatch, parsePlainEvent } from './plain-json.ts';

export type ContentMode = 'binary' | 'structured' | 'batch';

export const STRUCTURED = 'application/cloudevents+json';
export const BATCH = 'application/cloudevents-batch+json';

export interface HttpMessage {
  /** Header names in lower case; `body` undefined: none is sent. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | Uint8Array | undefined;
}

const PREFIX = 'ce-';
const REQUIRED = ['specversion', 'id', 'source', 'type'] as const;

/** §3: the content type alone decides. Throws `unsupported-media-type` for event formats other than JSON. */
export function chooseMode(contentType: string | undefined): ContentMode {
  const [essence = '', ...parameters] = (contentType ?? '')
    .split(';')
    .map((part) => part.trim().toLowerCase());
  if (!essence.startsWith('application/cloudevents')) return 'binary';
  const mode = essence === STRUCTURED || essence === 'application/cloudevents' ? 'structured' : 'batch';
  if (mode === 'batch' && essence !== BATCH && essence !== 'application/cloudevents-batch') {
    throw unsupported(essence, `the event format ${essence} is not known here`);
  }
  const charset = parameters.find((each) => each.startsWith('charset='))?.replace(/^charset="?|"$/g, '');
  if (charset !== undefined && charset !== 'utf-8')
    throw unsupported(essence, `the charset ${charset} is not utf-8, which JSON must be`);
  return mode;
}

/**
 * The events of one HTTP message. `rawHeaders`: name, value, name, value … as Node gives them, so that a header that
 * came twice is seen. `body`: empty means that there is no data, which HTTP cannot tell from empty data.
 */
export function parseHttpMessage(
  rawHeaders: readonly string[],
  body: Uint8Array,
  limits: { readonly batchEventsMax: number },
): { mode: ContentMode; events: CloudEvent[] } {
  const headers = headersOf(rawHeaders);
  const encoding = headers.get('content-encoding');
  if (encoding !== undefined && encoding.toLowerCase() !== 'identity') {
    throw unsupported(encoding, `content-encoding ${encoding} is not supported; send the body as it is`);
  }
  const contentType = headers.get('content-type');
  const mode = chooseMode(contentType);
  switch (mode) {
    case 'binary':
      return { mode, events: [parseBinary(headers, contentType, body)] };
    case 'structured': {
      const text = textOf(body);
      return { mode, events: [parsePlainEvent(text) ?? parseJsonEvent(text)] };
    }
    case 'batch': {
      const { batchEventsMax } = limits;
      const text = textOf(body);
      const plain = parsePlainBatch(text, batchEventsMax);
      return {
        mode,
        events: plain ?? parseJsonBatch(text, batchEventsMax, (count) => tooMany(count, batchEventsMax)),
      };
    }
  }
}

/** §3.1. An event whose data is text without a content type is JSON, and says so from here on (JSON format §3.1.2). */
export function formatBinary(event: CloudEvent): HttpMessage {
  const headers: Record<string, string> = {
    'ce-specversion': '1.0',
    'ce-id': encodeHeaderValue(event.id),
    'ce-source': encodeHeaderValue(event.source),
    'ce-type': encodeHeaderValue(event.type),
  };
  for (const [name, attribute] of event.attributes) {
    if (name !== 'datacontenttype') headers[PREFIX + name] = encodeHeaderValue(canonicalText(attribute));
  }
  const contentType = contentTypeOf(event) ?? (event.data?.type === 'text' ? 'application/json' : undefined);
  if (contentType !== undefined) headers['content-type'] = contentType;
  return { headers, body: event.data && bytesFromData(event.data) };
}

/** §3.2 */
export function formatStructured(event: CloudEvent): HttpMessage {
  return { headers: { 'content-type': `${STRUCTURED}; charset=utf-8` }, body: formatJsonEvent(event) };
}

/** §3.3 */
export function formatBatch(events: readonly CloudEvent[]): HttpMessage {
  return { headers: { 'content-type': `${BATCH}; charset=utf-8` }, body: formatJsonBatch(events) };
}

/** §3.1.3.2: space, double quote, percent, and all that is not printable ASCII, by their UTF-8 bytes. */
export function encodeHeaderValue(value: string): string {
  return value.toWellFormed().replace(/[^\x21-\x7e]|["%]/gu, encodeURIComponent);
}

/**
 * §3.1.3.2: a quoted string first loses its quotes, then one round of percent-decoding. A `%` that begins no
 * escape stays: older senders do not encode. Bytes that are not UTF-8 are refused, as the specification demands.
 */
export function decodeHeaderValue(name: string, value: string): string {
  const foreign = value.search(/[^\x20-\x7e\t]/);
  if (foreign >= 0) {
    throw invalidEvent(
      name,
      `header ${PREFIX}${name}, character ${foreign + 1}: percent-encode what is not printable ASCII (%C3%A9 for é)`,
    );
  }
  const text = /^".*"$/.test(value) && value.length > 1 ? value.slice(1, -1).replace(/\\(.)/g, '$1') : value;
  return text.replace(/(?:%[0-9A-Fa-f]{2})+/g, (escapes) => {
    const decoded = decodeUtf8(Buffer.from(escapes.replaceAll('%', ''), 'hex'), true);
    if (decoded === undefined)
      throw invalidEvent(name, `header ${PREFIX}${name}: ${escapes.slice(0, 40)} is not UTF-8`);
    return decoded;
  });
}

/** An attribute's canonical string (spec §"Type System"). */
function canonicalText(attribute: AttributeValue): string {
  return attribute.type === 'binary'
    ? Buffer.from(attribute.value).toString('base64')
    : String(attribute.value);
}

/** §3.1 */
function parseBinary(
  headers: ReadonlyMap<string, string>,
  contentType: string | undefined,
  body: Uint8Array,
): CloudEvent {
  const required = new Map<string, string>();
  const attributes = new Map<string, AttributeValue>();
  if (contentType !== undefined) attributes.set('datacontenttype', { type: 'string', value: contentType });
  for (const [header, raw] of headers) {
    if (!header.startsWith(PREFIX)) continue;
    const name = header.slice(PREFIX.length);
    if (name === 'datacontenttype') {
      throw invalidEvent(name, 'in binary mode it is the Content-Type header; leave ce-datacontenttype out');
    }
    const value = decodeHeaderValue(name, raw);
    if (REQUIRED.some((each) => each === name)) required.set(name, value);
    else attributes.set(name, typedAttribute(name, value));
  }
  const version = requiredHeader(required, 'specversion', contentType);
  if (version !== '1.0')
    throw invalidEvent(
      'specversion',
      `header ce-specversion must be 1.0, not ${JSON.stringify(version.slice(0, 20))}`,
    );
  return {
    id: requiredHeader(required, 'id', contentType),
    source: requiredHeader(required, 'source', contentType),
    type: requiredHeader(required, 'type', contentType),
    attributes,
    data: body.length === 0 ? undefined : dataFromBytes(body, contentType),
  };
}

function requiredHeader(
  headers: ReadonlyMap<string, string>,
  name: string,
  contentType: string | undefined,
): string {
  const value = headers.get(name);
  if (value !== undefined) return value;
  // A body without any ce- header is most likely a structured event whose content type was forgotten.
  const hint =
    headers.size === 0 && isJsonContentType(contentType)
      ? `; if the body is the whole event, its Content-Type is ${STRUCTURED} (or ${BATCH})`
      : '';
  throw invalidEvent(name, `it is missing: send header ce-${name}${hint}`);
}

function headersOf(rawHeaders: readonly string[]): Map<string, string> {
  const headers = new Map<string, string>();
  for (let i = 0; i + 1 < rawHeaders.length; i += 2) {
    const name = (rawHeaders[i] ?? '').toLowerCase();
    const isOurs = name.startsWith(PREFIX) || name === 'content-type' || name === 'content-encoding';
    if (!isOurs) continue;
    if (headers.has(name))
      throw invalidEvent(
        name.startsWith(PREFIX) ? name.slice(PREFIX.length) : '',
        `header ${name} came twice`,
      );
    headers.set(name, (rawHeaders[i + 1] ?? '').trim());
  }
  return headers;
}

function textOf(body: Uint8Array): string {
  const text = decodeUtf8(body);
  if (text === undefined) throw invalidEvent('', 'the body is not UTF-8, which JSON must be (RFC 8259 §8.1)');
  return text;
}

function unsupported(given: string, why: string): MeshError {
  return new MeshError(
    'unsupported-media-type',
    `${why}; supported are ${STRUCTURED}, ${BATCH}, and any other type for binary mode`,
    {
      details: { given: given.slice(0, 100), supported: [STRUCTURED, BATCH] },
    },
  );
}

function tooMany(count: number, limit: number): MeshError {
  return new MeshError(
    'batch-too-large',
    `the batch has ${count} events, the limit is ${limit}; send it in parts`,
    {
      details: { limit, unit: 'events', given: count },
    },
  );
}
