// What makes a CloudEvent valid (CloudEvents 1.0.2 §"Context Attributes" and §"Type System"). Formats parse text and
// bytes into `CloudEvent`; the front door calls this once for every event that enters, whatever it came in. What a
// format alone can see is its own to check: specversion, JSON types, base64, and that JSON data is JSON.

import { daysOfMonth, numberAt } from './calendar.ts';
import type { AttributeValue, CloudEvent } from './cloud-event.ts';
import { MeshError } from './errors.ts';
import { ATTRIBUTES_MAX } from './limits.ts';

const NAME = /^[a-z0-9]+$/;
/** Names that the specification defines for the event itself: never in `attributes`. */
const RESERVED = new Set(['specversion', 'id', 'source', 'type', 'data']);
const INTEGER_MIN = -2_147_483_648;
const INTEGER_MAX = 2_147_483_647;

// §"Type System", String: control characters, surrogates outside pairs, and noncharacters are not allowed.
const DISALLOWED = /[\p{Cc}\p{Cs}\p{Noncharacter_Code_Point}]/u;
// Nearly every value, and ten times as fast to tell.
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;
// RFC 3986 by its characters only: what a relative reference may look like is so free that its grammar would refuse
// little more, and sources such as `tenant_1:orders` are about.
const URI_REFERENCE = /^(?:[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]|%[0-9A-Fa-f]{2})+$/;
const ABSOLUTE_URI = /^[A-Za-z][A-Za-z0-9+.-]*:./;
// RFC 2046 by way of RFC 2045 §5.1: type/subtype and parameters. It becomes a header field wherever it goes out by HTTP, so
// quoted strings hold what those may (RFC 9110 §5.6.4), Latin-1 included.
const CONTENT_TYPE =
  /^[\w!#$%&'*+.^`|~-]+\/[\w!#$%&'*+.^`|~-]+(?:[ \t]*;[ \t]*[\w!#$%&'*+.^`|~-]+=(?:[\w!#$%&'*+.^`|~-]+|"(?:[ !#-[\]-~\xa0-\xff]|\\[ -~\xa0-\xff])*"))*[ \t]*;?$/;
const TIMESTAMP = /^\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)$/;

/** An `invalid-event` that names the attribute, and the event where it came with others. */
export function invalidEvent(attribute: string, why: string, index?: number, cause?: unknown): MeshError {
  const which = index === undefined ? '' : `event ${index}, `;
  const what = attribute === '' ? '' : `attribute ${JSON.stringify(shorten(attribute))}: `;
  return new MeshError('invalid-event', `${which}${what}${why}`, {
    cause,
    details: {
      ...(attribute === '' ? {} : { attribute: shorten(attribute) }),
      ...(index === undefined ? {} : { index }),
    },
  });
}

/** Throws `invalid-event` for the first thing that is wrong; returns the event. `index`: its place in its batch. */
export function checkCloudEvent(event: CloudEvent, index?: number): CloudEvent {
  checkText('id', event.id, index);
  checkText('source', event.source, index);
  checkUriReference('source', event.source, index);
  checkText('type', event.type, index);
  if (event.attributes.size > ATTRIBUTES_MAX) {
    throw invalidEvent(
      '',
      `it has ${event.attributes.size} attributes beside the required ones, the limit is ${ATTRIBUTES_MAX}`,
      index,
    );
  }
  for (const [name, attribute] of event.attributes) checkAttribute(name, attribute, index);
  return event;
}

/** As `checkCloudEvent`, for all of a batch: the error says which event it was, counted from 0. */
export function checkCloudEvents(events: readonly CloudEvent[]): void {
  events.forEach((event, index) => checkCloudEvent(event, events.length === 1 ? undefined : index));
}

/** True for an RFC 3339 date-time that exists. Seconds may be 60, as leap seconds are. */
export function isTimestamp(text: string): boolean {
  if (!TIMESTAMP.test(text)) return false;
  const day = numberAt(text, 8, 2);
  const exists =
    day >= 1 &&
    day <= daysOfMonth(numberAt(text, 0, 4), numberAt(text, 5, 2)) &&
    numberAt(text, 11, 2) <= 23 &&
    numberAt(text, 14, 2) <= 59 &&
    numberAt(text, 17, 2) <= 60;
  const end = text.length;
  if (text.endsWith('Z') || text.endsWith('z')) return exists;
  return exists && numberAt(text, end - 5, 2) <= 23 && numberAt(text, end - 2, 2) <= 59;
}

function checkAttribute(name: string, attribute: AttributeValue, index: number | undefined): void {
  if (!NAME.test(name)) {
    throw invalidEvent(
      name,
      `names of attributes are made of 'a' to 'z' and '0' to '9'${suggestName(name)}`,
      index,
    );
  }
  if (RESERVED.has(name)) throw invalidEvent(name, 'this name belongs to the specification', index);
  switch (name) {
    case 'datacontenttype':
      checkText(name, textOf(name, attribute, index), index);
      checkContentType(textOf(name, attribute, index), index);
      return;
    case 'subject':
      checkText(name, textOf(name, attribute, index), index);
      return;
    case 'dataschema':
      checkText(name, textOf(name, attribute, index), index);
      checkUri(name, textOf(name, attribute, index), index);
      return;
    case 'time':
      checkTimestamp(name, textOf(name, attribute, index), index);
      return;
    default:
      checkValue(name, attribute, index);
  }
}

function checkValue(name: string, attribute: AttributeValue, index: number | undefined): void {
  switch (attribute.type) {
    case 'boolean':
    case 'binary':
      return;
    case 'integer':
      if (
        !Number.isInteger(attribute.value) ||
        attribute.value < INTEGER_MIN ||
        attribute.value > INTEGER_MAX
      ) {
        throw invalidEvent(
          name,
          `${attribute.value} is not a whole number of 32 bits (${INTEGER_MIN} to ${INTEGER_MAX}); send it as a string`,
          index,
        );
      }
      return;
    case 'string':
      checkCharacters(name, attribute.value, index);
      return;
    case 'uri':
      checkUri(name, attribute.value, index);
      return;
    case 'uri-ref':
      checkUriReference(name, attribute.value, index);
      return;
    case 'timestamp':
      checkTimestamp(name, attribute.value, index);
  }
}

/** The core's optional attributes are all kept as text, whatever their type is called. */
function textOf(name: string, attribute: AttributeValue, index: number | undefined): string {
  if (typeof attribute.value === 'string') return attribute.value;
  throw invalidEvent(name, `it must be a string, not ${attribute.type}`, index);
}

function checkText(name: string, value: string, index: number | undefined): void {
  if (value === '') throw invalidEvent(name, 'it must not be empty', index);
  checkCharacters(name, value, index);
}

function checkCharacters(name: string, value: string, index: number | undefined): void {
  if (PRINTABLE_ASCII.test(value)) return;
  const at = value.search(DISALLOWED);
  if (at < 0) return;
  const code = (value.codePointAt(at) ?? 0).toString(16).toUpperCase().padStart(4, '0');
  throw invalidEvent(
    name,
    `character ${at + 1} is U+${code}; control characters, lone surrogates and noncharacters are not allowed`,
    index,
  );
}

function checkUriReference(name: string, value: string, index: number | undefined): void {
  if (URI_REFERENCE.test(value)) return;
  throw invalidEvent(
    name,
    `${quote(value)} is not a URI reference (RFC 3986); percent-encode other characters`,
    index,
  );
}

function checkUri(name: string, value: string, index: number | undefined): void {
  if (ABSOLUTE_URI.test(value) && URI_REFERENCE.test(value)) return;
  throw invalidEvent(name, `${quote(value)} is not an absolute URI; write it as https://host/path`, index);
}

function checkTimestamp(name: string, value: string, index: number | undefined): void {
  if (isTimestamp(value)) return;
  throw invalidEvent(
    name,
    `${quote(value)} is not an RFC 3339 time; write it as 2026-01-31T17:30:00Z`,
    index,
  );
}

function checkContentType(value: string, index: number | undefined): void {
  if (CONTENT_TYPE.test(value)) return;
  throw invalidEvent(
    'datacontenttype',
    `${quote(value)} is not a media type (RFC 2046); write it as application/json`,
    index,
  );
}

function suggestName(name: string): string {
  const better = name.toLowerCase().replace(/[^a-z0-9]/g, '');
  return better === '' ? '' : `; ${shorten(better)} would do`;
}

function quote(value: string): string {
  return JSON.stringify(shorten(value));
}

function shorten(text: string): string {
  return text.length > 80 ? `${text.slice(0, 80)}…` : text;
}
