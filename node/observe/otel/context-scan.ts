// Looks at the Protobuf bytes of a CloudEvent (grammar in wire/cloud-event-protobuf.ts) for a trace context, from field to field: data is
// never read, nothing is allocated. Each event that comes over a link or from disk to a mesher with tracing comes by here.
//
// It says what is worth a closer look, and proves nothing.

/** Whether an event has a trace context. `unsampled`: one that says that nobody traces it; whether it follows the rules makes no difference then. */
export type Sight = 'none' | 'unsampled' | 'perhaps';

/** Tags of a CloudEvent and of a map entry. */
const ATTRIBUTE = 0x2a;
const KEY = 0x0a;
const BYTES = 2;
const ZERO = 0x30;
const TRACEPARENT = new TextEncoder().encode('traceparent');
const SW8 = new TextEncoder().encode('sw8');
const VALUE_TAG = 0x12;
const TEXT_TAG = 0x1a;
/** After the key: a value of 57 bytes, which is a string of 55. */
const VALUE = new Uint8Array([VALUE_TAG, 57, TEXT_TAG, 55]);
/** Of the second digit of the flags, from where the value begins. */
const FLAG_AT = VALUE.length + 54;

export function lookForContext(bytes: Uint8Array, start = 0, end = bytes.length): Sight {
  let sight: Sight = 'none';
  let at = start;
  while (at < end) {
    const tag = bytes[at++] ?? 0;
    if ((tag & 7) !== BYTES || tag >= 0x80) return 'perhaps'; // fields that others may have added
    let length = bytes[at++] ?? 0;
    if (length >= 0x80) {
      length &= 0x7f;
      for (let shift = 7; ; shift += 7) {
        const byte = bytes[at++] ?? 0;
        length += (byte & 0x7f) * 2 ** shift;
        if (byte < 0x80) break;
        if (shift > 28) return 'perhaps'; // no length that is written as it should be
      }
    }
    if (tag === ATTRIBUTE) {
      if (bytes[at] !== KEY) return 'perhaps';
      const name = bytes[at + 1] ?? 0;
      if (name === TRACEPARENT.length && isAt(TRACEPARENT, bytes, at + 2))
        return isUnsampled(bytes, at + 2 + name) ? 'unsampled' : 'perhaps';
      if (name === SW8.length && isAt(SW8, bytes, at + 2))
        sight = firstOfText(bytes, at + 2 + name) === ZERO ? 'unsampled' : 'perhaps';
    }
    at += length;
  }
  return sight;
}

function isUnsampled(bytes: Uint8Array, at: number): boolean {
  if (!isAt(VALUE, bytes, at)) return false;
  const digit = bytes[at + FLAG_AT] ?? 0;
  // '0' to '9', and 'a' to 'f', whose codes are odd where their values are even
  return digit >= 0x30 && digit <= 0x39
    ? (digit & 1) === 0
    : digit >= 0x61 && digit <= 0x66 && (digit & 1) === 1;
}

/** The first character of an attribute's value; undefined where it is no text. */
function firstOfText(bytes: Uint8Array, at: number): number | undefined {
  const text = afterLength(bytes, at, VALUE_TAG);
  return text === undefined ? undefined : bytes[afterLength(bytes, text, TEXT_TAG) ?? bytes.length];
}

/** Where the content of a field with this tag begins, that of a length below 16 KiB. */
function afterLength(bytes: Uint8Array, at: number, tag: number): number | undefined {
  if (bytes[at] !== tag) return undefined;
  return (bytes[at + 1] ?? 0) < 0x80 ? at + 2 : at + 3;
}

function isAt(text: Uint8Array, bytes: Uint8Array, at: number): boolean {
  for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
  return true;
}
