// The CloudEvents JSON format 1.0.2 (application/cloudevents+json and -batch+json), both ways. JSON data is never
// rebuilt: the text that a publisher wrote is what is kept, and what is written out again. Parsing checks what only
// the format can see; `checkCloudEvent` checks the rest.

import type { AttributeValue, CloudEvent, EventData } from './cloud-event.ts';
import { isJsonContentType } from './cloud-event.ts';
import { invalidEvent } from './cloud-event-check.ts';
import type { MeshError } from './errors.ts';
import type { Span } from './json-spans.ts';
import { spansOf } from './json-spans.ts';

// Stateless: each `decode` without `stream` begins anew. Making one costs more than most events.
const UTF8 = new TextDecoder('utf-8', { fatal: true });
const UTF8_WITH_MARK = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;
const MEMBERS_OF_EVENT = new Set(['specversion', 'id', 'source', 'type', 'data', 'data_base64']);

type JsonObject = Readonly<Record<string, unknown>>;

/** One event from its JSON text. Throws `invalid-event`. `index`: its place where it came with others. */
export function parseJsonEvent(json: string, index?: number): CloudEvent {
  return eventOf(parseJson(json, index), json, index);
}

/** A batch from its JSON text: an array, which may be empty. Throws `invalid-event` with the index of the first wrong one. */
export function parseJsonBatch(
  json: string,
  eventsMax: number,
  tooMany: (count: number) => MeshError,
): CloudEvent[] {
  const values = parseJson(json, undefined);
  if (!Array.isArray(values)) {
    throw invalidEvent(
      '',
      `a batch is a JSON array of events, not ${kindOf(values)}; send one event as application/cloudevents+json`,
    );
  }
  if (values.length > eventsMax) throw tooMany(values.length);
  return spansOf(json).map(({ start, end }, index) => eventOf(values[index], json.slice(start, end), index));
}

/** The event as one JSON text. Its data, where it is JSON, stands in it as it came: see `EventData`. */
export function formatJsonEvent(event: CloudEvent): string {
  let json = `{"specversion":"1.0","id":${JSON.stringify(event.id)},"source":${JSON.stringify(event.source)},"type":${JSON.stringify(event.type)}`;
  for (const [name, attribute] of event.attributes)
    json += `,${JSON.stringify(name)}:${formatValue(attribute)}`;
  return `${json}${formatData(event)}}`;
}

export function formatJsonBatch(events: readonly CloudEvent[]): string {
  return `[${events.map(formatJsonEvent).join(',')}]`;
}

/** The event's declared content type, where it has one. */
export function contentTypeOf(event: Pick<CloudEvent, 'attributes'>): string | undefined {
  const attribute = event.attributes.get('datacontenttype');
  return typeof attribute?.value === 'string' ? attribute.value : undefined;
}

/** The attribute with its CloudEvents type where the specification gives it one; extensions stay strings. */
export function typedAttribute(name: string, value: string): AttributeValue {
  if (name === 'time') return { type: 'timestamp', value };
  if (name === 'dataschema') return { type: 'uri', value };
  return { type: 'string', value };
}

/**
 * Data that came as bytes beside its attributes (binary mode of any protocol). JSON becomes text once it is known to
 * be JSON, and is refused otherwise: every subscriber would stumble over what one publisher can mend. `text/*` in
 * UTF-8 becomes text; all else, and text in other encodings, stays the bytes that came.
 */
export function dataFromBytes(bytes: Uint8Array, contentType: string | undefined, index?: number): EventData {
  if (contentType === undefined) return { type: 'binary', value: bytes };
  if (isJsonContentType(contentType)) return { type: 'text', value: jsonText(bytes, contentType, index) };
  const charset = /;\s*charset\s*=\s*"?([^";\s]+)/i.exec(contentType)?.[1]?.toLowerCase() ?? 'utf-8';
  if (/^text\//i.test(contentType.trim()) && (charset === 'utf-8' || charset === 'us-ascii')) {
    const text = decodeUtf8(bytes, true);
    if (text !== undefined) return { type: 'text', value: text };
  }
  return { type: 'binary', value: bytes };
}

export function bytesFromData(data: EventData): Uint8Array {
  return data.type === 'text' ? Buffer.from(data.value) : data.value;
}

/** Undefined for bytes that are not UTF-8. A byte order mark goes, unless it is to be kept as part of the text. */
export function decodeUtf8(bytes: Uint8Array, keepMark = false): string | undefined {
  try {
    return (keepMark ? UTF8_WITH_MARK : UTF8).decode(bytes);
  } catch {
    return undefined; // not UTF-8: what that means is for the caller to say
  }
}

function jsonText(bytes: Uint8Array, contentType: string, index: number | undefined): string {
  const text = decodeUtf8(bytes);
  if (text === undefined) {
    throw invalidEvent(
      'data',
      `datacontenttype is ${contentType}, but the data is not UTF-8, which JSON must be (RFC 8259 §8.1)`,
      index,
    );
  }
  try {
    JSON.parse(text);
  } catch (cause) {
    throw invalidEvent(
      'data',
      `datacontenttype is ${contentType}, but the data is not JSON (${reason(cause)})`,
      index,
      cause,
    );
  }
  return text;
}

function parseJson(json: string, index: number | undefined): unknown {
  try {
    return JSON.parse(json);
  } catch (cause) {
    throw invalidEvent('', `the text is not JSON (${reason(cause)})`, index, cause);
  }
}

/** The parser's own words, which quote the input, shortened. */
function reason(cause: unknown): string {
  const text = cause instanceof Error ? cause.message : String(cause);
  return text.length > 160 ? `${text.slice(0, 160)}…` : text;
}

function eventOf(value: unknown, json: string, index: number | undefined): CloudEvent {
  if (!isObject(value)) throw invalidEvent('', `an event is a JSON object, not ${kindOf(value)}`, index);
  const spans = spansOf(json);
  const members = membersOf(spans, index);
  const version = requiredText(value, 'specversion', index);
  if (version !== '1.0') {
    throw invalidEvent('specversion', `it must be "1.0", not ${JSON.stringify(version.slice(0, 20))}`, index);
  }
  const attributes = new Map<string, AttributeValue>();
  for (const { name } of spans) {
    const given = value[name];
    // §2.2: null means that the attribute is not set.
    if (!MEMBERS_OF_EVENT.has(name) && given !== null) attributes.set(name, attributeOf(name, given, index));
  }
  const event = {
    id: requiredText(value, 'id', index),
    source: requiredText(value, 'source', index),
    type: requiredText(value, 'type', index),
    attributes,
  };
  return { ...event, data: dataOf(value, contentTypeOf(event), members, json, index) };
}

/** JSON.parse would keep the last of two members with one name, another parser the first: neither is what was meant. */
function membersOf(spans: readonly Span[], index: number | undefined): ReadonlyMap<string, Span> {
  const members = new Map<string, Span>();
  for (const span of spans) {
    if (members.has(span.name)) throw invalidEvent(span.name, 'it is given twice', index);
    members.set(span.name, span);
  }
  return members;
}

function requiredText(event: JsonObject, name: string, index: number | undefined): string {
  const value = Object.hasOwn(event, name) ? event[name] : undefined;
  if (typeof value === 'string') return value;
  if (value === undefined || value === null)
    throw invalidEvent(name, 'it is missing, and every event must have it', index);
  throw invalidEvent(name, `it must be a string, not ${kindOf(value)}`, index);
}

function attributeOf(name: string, value: unknown, index: number | undefined): AttributeValue {
  if (typeof value === 'string') return typedAttribute(name, value);
  if (typeof value === 'boolean') return { type: 'boolean', value };
  if (typeof value === 'number') return { type: 'integer', value: value === 0 ? 0 : value };
  throw invalidEvent(name, `attributes are strings, booleans or whole numbers, not ${kindOf(value)}`, index);
}

/** §3.1.2 */
function dataOf(
  event: JsonObject,
  contentType: string | undefined,
  members: ReadonlyMap<string, Span>,
  json: string,
  index: number | undefined,
): EventData | undefined {
  const base64 = Object.hasOwn(event, 'data_base64') ? event['data_base64'] : undefined;
  const member = members.get('data');
  const data = event['data'];
  if (base64 !== undefined && base64 !== null) {
    if (member && data !== null)
      throw invalidEvent('data_base64', "an event has either 'data' or 'data_base64', not both", index);
    if (typeof base64 !== 'string' || !BASE64.test(base64)) {
      throw invalidEvent('data_base64', 'it must be a string in base64 (RFC 4648 §4), with padding', index);
    }
    return { type: 'binary', value: Buffer.from(base64, 'base64') };
  }
  if (!member) return undefined;
  // The data of a JSON event is whatever stands there: a string is a JSON string, and null is a payload of its own.
  if (isJsonContentType(contentType)) return { type: 'text', value: json.slice(member.start, member.end) };
  if (data === null) return undefined;
  if (typeof data === 'string') {
    if (data.isWellFormed()) return { type: 'text', value: data };
    throw invalidEvent(
      'data',
      'it has half of a surrogate pair, which UTF-8 cannot carry; use data_base64',
      index,
    );
  }
  throw invalidEvent(
    'data',
    `datacontenttype is ${String(contentType).slice(0, 80)}, so it must be a string, not ${kindOf(data)}`,
    index,
  );
}

function formatValue(attribute: AttributeValue): string {
  return attribute.type === 'binary'
    ? `"${Buffer.from(attribute.value.buffer, attribute.value.byteOffset, attribute.value.byteLength).toString('base64')}"`
    : JSON.stringify(attribute.value);
}

/** §3.1.1 */
function formatData({ data, attributes }: CloudEvent): string {
  if (!data) return '';
  if (data.type === 'binary') {
    return `,"data_base64":"${Buffer.from(data.value.buffer, data.value.byteOffset, data.value.byteLength).toString('base64')}"`;
  }
  return `,"data":${isJsonContentType(contentTypeOf({ attributes })) ? data.value : JSON.stringify(data.value)}`;
}

function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}
