// An event's number, read where it stands in the bytes that arrived: neither side of a comparison decodes a payload that its
// benchmark does not look at.

const DIGITS = 12;
const ZERO = 0x30;
const NINE = 0x39;
/** Of a payload (harness/payloads.ts). */
const PAYLOAD_HEAD = Buffer.from('{"n":"');
/** CloudEvents Protobuf: field 1, the id, is the first that Causeway writes; its length; and the `e` that ids begin with. */
const EVENT_HEAD = Buffer.from([0x0a, DIGITS + 1, 0x65]);

/** Throws for bytes that are not of this benchmark. */
export function numberOfPayload(bytes: Uint8Array): number {
  return numberAfter(PAYLOAD_HEAD, bytes);
}

/** `bytes`: an event in the CloudEvents Protobuf format. Throws for one that is not of this benchmark. */
export function numberOfEvent(bytes: Uint8Array): number {
  return numberAfter(EVENT_HEAD, bytes);
}

function numberAfter(head: Uint8Array, bytes: Uint8Array): number {
  for (let i = 0; i < head.length; i++) if (bytes[i] !== head[i]) throw foreign(bytes);
  let number = 0;
  for (let i = head.length; i < head.length + DIGITS; i++) {
    const digit = bytes[i] ?? 0;
    if (digit < ZERO || digit > NINE) throw foreign(bytes);
    number = number * 10 + (digit - ZERO);
  }
  return number;
}

function foreign(bytes: Uint8Array): Error {
  return new Error(
    `not an event of this benchmark: ${Buffer.from(bytes.subarray(0, 40)).toString('latin1')}`,
  );
}
