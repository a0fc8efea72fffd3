// Checks the Protobuf bytes of a CloudEvent (grammar in cloud-event-protobuf.ts) and takes out what routing needs, without
// making objects of it: about ten times as fast as decoding and checking it, which is most of what a batch costs otherwise.
//
// It knows the plain case: each field once, printable ASCII, attributes that need no second look. Of anything else it says
// false, which means nothing: the caller then decodes and checks the whole. What this accepts, that accepts with the same
// outcome; a property test holds them together.

import { isUtf8 } from 'node:buffer';
import { isTimestamp } from '../core/cloud-event-check.ts';
import { ATTRIBUTES_MAX } from '../core/limits.ts';

/** Tags of CloudEvent's fields; all have the wire type 2. */
const ID = 0x0a;
const SOURCE = 0x12;
const SPEC_VERSION = 0x1a;
const TYPE = 0x22;
const ATTRIBUTE = 0x2a;
const BINARY_DATA = 0x32;
const TEXT_DATA = 0x3a;
/** Tags of a map entry. */
const KEY = 0x0a;
const VALUE = 0x12;
/** Tags of CloudEventAttributeValue. */
const BOOLEAN = 0x08;
const STRING = 0x1a;
const BYTES = 0x22;
const TIMESTAMP = 0x3a;
/** Tags of a Timestamp. */
const SECONDS = 0x08;
const NANOS = 0x10;
/** 9999-12-31T23:59:59Z. */
const SECONDS_MAX = 253_402_300_799;

/** What was seen of an event, as bits. */
const SAW = { id: 1, source: 2, specVersion: 4, type: 8, data: 16 } as const;
const REQUIRED = SAW.id | SAW.source | SAW.specVersion | SAW.type;

/** By byte: 1 printable, 2 in a URI reference (RFC 3986), 4 in a name of an attribute, 8 in a plain media type. */
const KINDS = new Uint8Array(256);
const PRINTABLE = 1;
const URI = 2;
const NAME = 4;
const MEDIA = 8;
for (let code = 0x20; code < 0x7f; code++) {
  const text = String.fromCharCode(code);
  KINDS[code] =
    PRINTABLE |
    (/[A-Za-z0-9\-._~:/?#[\]@!$&'()*+,;=]/.test(text) ? URI : 0) |
    (/[a-z0-9]/.test(text) ? NAME : 0) |
    (/[a-z0-9.+-]/.test(text) ? MEDIA : 0);
}
const SLASH = 0x2f;

/** Names that mean something to the specification or to us, by their length: all others are alike. */
const TOLD_APART =
  'id source type data specversion datacontenttype dataschema subject time partitionkey expirytime traceparent sw8'.split(
    ' ',
  );
const LENGTHS_TOLD_APART = new Set(TOLD_APART.map((name) => name.length));

export class CloudEventScanner {
  /** Of the event scanned last. */
  type = '';
  /** Its `partitionkey`; '' for none. */
  key = '';
  /** Its `expirytime`, ms since the epoch; 0 for none. */
  expiresAt = 0;
  /** Whether it has an attribute that tells of a trace: `traceparent` or `sw8`. */
  hasTraceContext = false;
  /** Where its id lies in the buffer. */
  idStart = 0;
  idEnd = 0;
  #buffer: Buffer = Buffer.alloc(0);
  /** Where the varint read last ends. */
  #at = 0;
  /** The bytes of `type`: most events have the type of the one before. */
  #typeBytes: Buffer = Buffer.alloc(0);

  /** Scans the event in `buffer` from `start` up to `end`. False: look closer. */
  scan(buffer: Buffer, start: number, end: number): boolean {
    this.#buffer = buffer;
    this.key = '';
    this.expiresAt = 0;
    this.hasTraceContext = false;
    let seen = 0;
    let attributes = 0;
    this.#at = start;
    while (this.#at < end) {
      const tag = buffer[this.#at++];
      const length = this.#varint();
      const from = this.#at;
      const to = from + length;
      if (to > end) return false;
      let saw = 0;
      switch (tag) {
        case ID:
          saw = SAW.id;
          this.idStart = from;
          this.idEnd = to;
          if (from === to || !this.#are(PRINTABLE, from, to)) return false;
          break;
        case SOURCE:
          saw = SAW.source;
          if (from === to || !this.#are(URI, from, to)) return false;
          break;
        case SPEC_VERSION:
          saw = SAW.specVersion;
          if (
            to - from !== 3 ||
            buffer[from] !== 0x31 ||
            buffer[from + 1] !== 0x2e ||
            buffer[from + 2] !== 0x30
          )
            return false;
          break;
        case TYPE:
          saw = SAW.type;
          if (from === to || !this.#takeType(from, to)) return false;
          break;
        case ATTRIBUTE:
          if (++attributes > ATTRIBUTES_MAX || !this.#attribute(from, to)) return false;
          break;
        case BINARY_DATA:
          saw = SAW.data;
          break;
        case TEXT_DATA:
          saw = SAW.data;
          if (!isUtf8(buffer.subarray(from, to))) return false;
          break;
        default:
          return false;
      }
      if ((seen & saw) !== 0) return false;
      seen |= saw;
      this.#at = to;
    }
    return (seen & REQUIRED) === REQUIRED;
  }

  /** A varint at `#at`, which moves behind it; Infinity where it takes more than six bytes. */
  #varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 6; count++, scale *= 0x80) {
      const byte = this.#buffer[this.#at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    return Infinity;
  }

  #are(kind: number, from: number, to: number): boolean {
    const buffer = this.#buffer;
    for (let at = from; at < to; at++) if (((KINDS[buffer[at] ?? 0] ?? 0) & kind) === 0) return false;
    return true;
  }

  #takeType(from: number, to: number): boolean {
    const known = this.#typeBytes;
    if (known.length === to - from) {
      let at = from;
      while (at < to && this.#buffer[at] === known[at - from]) at++;
      if (at === to) return true;
    }
    if (!this.#are(PRINTABLE, from, to)) return false;
    this.#typeBytes = Buffer.from(this.#buffer.subarray(from, to));
    this.type = this.#buffer.toString('latin1', from, to);
    return true;
  }

  /** A map entry in its usual form: the key, then the value. */
  #attribute(from: number, to: number): boolean {
    const buffer = this.#buffer;
    this.#at = from + 1;
    const nameEnd = this.#varint() + this.#at;
    const nameStart = this.#at;
    if (buffer[from] !== KEY || nameEnd >= to || nameStart === nameEnd) return false;
    if (!this.#are(NAME, nameStart, nameEnd) || buffer[nameEnd] !== VALUE) return false;
    this.#at = nameEnd + 1;
    const valueEnd = this.#varint() + this.#at;
    const valueStart = this.#at;
    if (valueEnd !== to || valueStart === valueEnd) return false;
    const name = LENGTHS_TOLD_APART.has(nameEnd - nameStart)
      ? buffer.toString('latin1', nameStart, nameEnd)
      : '';
    return this.#value(name, valueStart, valueEnd);
  }

  #value(name: string, from: number, to: number): boolean {
    switch (name) {
      case 'id':
      case 'source':
      case 'type':
      case 'data':
      case 'specversion':
      case 'dataschema':
        return false;
      case 'time':
        return this.#time(from, to) >= 0;
      case 'expirytime': {
        const expiresAt = this.#time(from, to);
        this.expiresAt = Math.max(1, expiresAt);
        return expiresAt >= 0;
      }
      case 'datacontenttype':
        return this.#isText(from, to) && this.#isMediaType(this.#at, to);
      case 'subject':
        return this.#isText(from, to) && this.#at < to;
      case 'partitionkey':
        if (!this.#isText(from, to)) return false;
        this.key = this.#buffer.toString('latin1', this.#at, to);
        return true;
      case 'traceparent':
      case 'sw8':
        this.hasTraceContext = true;
        return this.#isText(from, to);
      default:
        return this.#isText(from, to) || this.#isSimple(from, to) || this.#timestamp(from, to) >= 0;
    }
  }

  /** A ce_string of printable characters, and nothing else; `#at` is then where its text begins. */
  #isText(from: number, to: number): boolean {
    this.#at = from + 1;
    return (
      this.#buffer[from] === STRING && this.#varint() + this.#at === to && this.#are(PRINTABLE, this.#at, to)
    );
  }

  /** ce_boolean or ce_bytes. */
  #isSimple(from: number, to: number): boolean {
    this.#at = from + 1;
    const tag = this.#buffer[from];
    if (tag === BOOLEAN) return this.#varint() <= 1 && this.#at === to;
    return tag === BYTES && this.#varint() + this.#at === to;
  }

  /** ms since the epoch of a time from 1970 on, in either form; else -1. */
  #time(from: number, to: number): number {
    if (!this.#isText(from, to)) return this.#timestamp(from, to);
    const text = this.#buffer.toString('latin1', this.#at, to);
    return isTimestamp(text) ? Date.parse(text) : -1;
  }

  /** ms since the epoch of a ce_timestamp from 1970 on, and nothing else; else -1. */
  #timestamp(from: number, to: number): number {
    this.#at = from + 1;
    if (this.#buffer[from] !== TIMESTAMP || this.#varint() + this.#at !== to) return -1;
    let seconds = 0;
    let nanos = 0;
    if (this.#at < to && this.#buffer[this.#at] === SECONDS) {
      this.#at++;
      seconds = this.#varint();
    }
    if (this.#at < to && this.#buffer[this.#at] === NANOS) {
      this.#at++;
      nanos = this.#varint();
    }
    if (this.#at !== to || seconds > SECONDS_MAX || nanos >= 1e9) return -1;
    return seconds * 1_000 + Math.floor(nanos / 1e6);
  }

  /** type/subtype without parameters. */
  #isMediaType(from: number, to: number): boolean {
    const slash = this.#buffer.indexOf(SLASH, from);
    return slash > from && slash < to - 1 && this.#are(MEDIA, from, slash) && this.#are(MEDIA, slash + 1, to);
  }
}
