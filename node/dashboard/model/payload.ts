// An event in the CloudEvents JSON format as people read it: attributes, and the payload as text as far as it is text.

export interface EventText {
  readonly attributes: readonly (readonly [string, string])[];
  /** '' where there is none, or none to read. */
  readonly payload: string;
  /** What has to be said about the payload; '' where nothing has. */
  readonly note: string;
}

/** Characters that are shown: more help nobody, and slow the page down. */
const SHOWN_MAX = 100_000;
/** Of binary data, as hexadecimal. */
const BYTES_SHOWN_MAX = 512;

export function payloadOf(event: Readonly<Record<string, unknown>>): EventText {
  const { data, data_base64: base64, ...attributes } = event;
  const rows = Object.entries(attributes).map(([name, value]) => [name, textOf(value)] as const);
  if (typeof base64 === 'string') return { attributes: rows, ...bytesText(base64) };
  if (data === undefined) return { attributes: rows, payload: '', note: 'It has none.' };
  const text = typeof data === 'string' ? data : JSON.stringify(data, null, 2);
  return { attributes: rows, ...cut(text) };
}

function textOf(value: unknown): string {
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function bytesText(base64: string): { payload: string; note: string } {
  const bytes = Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));
  try {
    return cut(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch {
    // No text: as bytes.
    const hex = [...bytes.subarray(0, BYTES_SHOWN_MAX)].map((byte) => byte.toString(16).padStart(2, '0'));
    const shown = hex.length < bytes.length ? `, the first ${hex.length} of them` : '';
    return { payload: hex.join(' '), note: `Binary, ${bytes.length.toLocaleString('en')} bytes${shown}:` };
  }
}

function cut(text: string): { payload: string; note: string } {
  if (text.length <= SHOWN_MAX) return { payload: text, note: '' };
  const note = `The first ${SHOWN_MAX.toLocaleString('en')} of ${text.length.toLocaleString('en')} characters:`;
  return { payload: text.slice(0, SHOWN_MAX), note };
}
