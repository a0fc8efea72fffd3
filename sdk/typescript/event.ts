// Users' plain events ↔ the project's own type, and its Protobuf bytes. What is wrong with an event is found here, by
// the checks that the mesher makes too, so that it spoils nothing for the events it would travel with.

import type { AttributeValue, CloudEvent, EventData } from '../../node/core/cloud-event.ts';
import { isJsonContentType } from '../../node/core/cloud-event.ts';
import { checkCloudEvent, invalidEvent } from '../../node/core/cloud-event-check.ts';
import { decodeCloudEvent, encodeCloudEvent } from '../../node/wire/cloud-event-protobuf.ts';
import { WireError } from '../../node/wire/wire-error.ts';
import { CausewayError, causewayErrorOf } from './errors.ts';
import type { EventInput, MeshEvent } from './types.ts';

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/;

/** An event as Protobuf bytes: encoded once, it can be published many times. Throws CausewayError `invalid-event`. */
export function encodeEvent(input: EventInput): Uint8Array {
  try {
    return encodeCloudEvent(cloudEventOf(input, undefined));
  } catch (error) {
    throw causewayErrorOf(error);
  }
}

/** Throws MeshError `invalid-event`; `index`: the event's place where it came with others. */
export function cloudEventOf(input: EventInput, index: number | undefined): CloudEvent {
  checkIsObject(input, index);
  const attributes = new Map<string, AttributeValue>();
  let contentType: string | undefined;
  for (const name of Object.keys(input)) {
    const value = input[name];
    if (value === undefined || value === null || isApart(name)) continue;
    attributes.set(name, attributeOf(name, value, index));
    if (name === 'datacontenttype' && typeof value === 'string') contentType = value;
  }
  const { specversion = '1.0' } = input;
  if (specversion !== '1.0')
    throw invalidEvent('specversion', `it must be "1.0", not ${JSON.stringify(specversion)}`, index);
  const event: CloudEvent = {
    id: input.id === undefined ? crypto.randomUUID() : textOf('id', input.id, index),
    source: textOf('source', input.source, index),
    type: textOf('type', input.type, index),
    attributes,
    data: dataOf(input, contentType, index),
  };
  return checkCloudEvent(event, index);
}

/** Its type says so; not all callers have types. */
function checkIsObject(input: unknown, index: number | undefined): void {
  if (typeof input === 'object' && input !== null) return;
  throw invalidEvent('', `an event is an object, not ${input === null ? 'null' : typeof input}`, index);
}

/** Members that are no attributes beside the required ones. */
function isApart(name: string): boolean {
  switch (name) {
    case 'specversion':
    case 'id':
    case 'source':
    case 'type':
    case 'data':
    case 'data_base64':
      return true;
    default:
      return false;
  }
}

function attributeOf(name: string, value: unknown, index: number | undefined): AttributeValue {
  if (typeof value === 'string') {
    if (name === 'time') return { type: 'timestamp', value };
    return { type: name === 'dataschema' ? 'uri' : 'string', value };
  }
  if (typeof value === 'boolean') return { type: 'boolean', value };
  if (typeof value === 'number') return { type: 'integer', value: value === 0 ? 0 : value }; // -0 is 0
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime())) throw invalidEvent(name, 'it is a Date that is no time', index);
    return { type: 'timestamp', value: value.toISOString().replace('.000Z', 'Z') };
  }
  const bytes = bytesOf(value);
  if (bytes !== undefined) return { type: 'binary', value: bytes };
  throw invalidEvent(name, `attributes are text, booleans, whole numbers, bytes or a Date`, index);
}

function textOf(name: string, value: unknown, index: number | undefined): string {
  if (typeof value === 'string') return value;
  throw invalidEvent(
    name,
    value === undefined ? 'it is missing' : `it must be text, not ${typeof value}`,
    index,
  );
}

/** As the JSON format has it (§3.1): of JSON any value is data, text and null too. */
function dataOf(
  { data, data_base64: base64 }: EventInput,
  contentType: string | undefined,
  index: number | undefined,
): EventData | undefined {
  if (data === undefined) return base64 === undefined ? undefined : dataOfBase64(base64, index);
  const bytes = bytesOf(data);
  if (bytes !== undefined) return { type: 'binary', value: bytes };
  if (isJsonContentType(contentType)) return { type: 'text', value: jsonOf(data, index) };
  if (typeof data === 'string') return { type: 'text', value: data };
  if (data === null) return undefined;
  throw invalidEvent(
    'data',
    `datacontenttype is ${JSON.stringify(contentType)}, so it must be text or bytes, not ${typeof data}`,
    index,
  );
}

function jsonOf(data: unknown, index: number | undefined): string {
  let json: string | undefined;
  try {
    // its type does not say that it is undefined for functions and symbols
    json = JSON.stringify(data) as string | undefined;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw invalidEvent('data', `it cannot be written as JSON (${why})`, index, cause);
  }
  if (json === undefined) throw invalidEvent('data', `a ${typeof data} cannot be written as JSON`, index);
  return json;
}

function dataOfBase64(base64: unknown, index: number | undefined): EventData {
  if (typeof base64 !== 'string' || !BASE64.test(base64))
    throw invalidEvent('data_base64', 'it must be text in base64 (RFC 4648 §4), with padding', index);
  return { type: 'binary', value: Uint8Array.from(atob(base64), (char) => char.charCodeAt(0)) };
}

function bytesOf(value: unknown): Uint8Array | undefined {
  if (value instanceof Uint8Array) return value;
  if (ArrayBuffer.isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  return value instanceof ArrayBuffer ? new Uint8Array(value) : undefined;
}

/** Throws CausewayError `invalid-event`. */
export function meshEventOf(bytes: Uint8Array): MeshEvent {
  const { id, source, type, attributes, data } = decode(bytes);
  const event: Record<string, unknown> & { specversion: '1.0'; id: string; source: string; type: string } = {
    specversion: '1.0',
    id,
    source,
    type,
  };
  for (const [name, { value }] of attributes) event[name] = value;
  if (data !== undefined) {
    const { value } = data;
    event['data'] = typeof value === 'string' ? fromText(value, attributes.get('datacontenttype')) : value;
  }
  return event;
}

/**
 * The names by which an event is known wherever it is (CloudEvents §"id"), as one text: neither may hold a control character.
 * Undefined for what is no event.
 */
export function identityOf(bytes: Uint8Array): string | undefined {
  try {
    const { source, id } = decodeCloudEvent(bytes);
    return `${source}\n${id}`;
  } catch (error) {
    if (error instanceof WireError) return undefined;
    throw error;
  }
}

function decode(bytes: Uint8Array): CloudEvent {
  try {
    return decodeCloudEvent(bytes);
  } catch (cause) {
    if (!(cause instanceof WireError)) throw cause;
    throw new CausewayError('invalid-event', `the bytes are no CloudEvent: ${cause.message}`, { cause });
  }
}

/** What says that it is JSON and is none was published by somebody whom nothing stopped: it is the text that it is. */
function fromText(text: string, contentType: AttributeValue | undefined): unknown {
  if (!isJsonContentType(typeof contentType?.value === 'string' ? contentType.value : undefined)) return text;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
