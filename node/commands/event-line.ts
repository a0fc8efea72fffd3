// One event as one line for people: time, type, source, id, data.

import { asObject } from './api.ts';
import { printable } from './table.ts';

/** `event`: a structured CloudEvent as parsed from JSON. */
export function eventLine(event: unknown): string {
  const { time, type, source, id, subject, data, data_base64: base64 } = asObject(event) ?? {};
  const shown = [timeOfDay(time), type, source, id, subject].filter(
    (part) => typeof part === 'string' && part !== '',
  );
  return printable([...shown, dataText(data, base64)].join('  ').trimEnd());
}

function timeOfDay(time: unknown): string {
  const match = typeof time === 'string' ? /T(\d\d:\d\d:\d\d(\.\d{1,3})?)/.exec(time) : null;
  return match?.[1] ?? '';
}

function dataText(data: unknown, base64: unknown): string {
  if (typeof base64 === 'string') return `(${Buffer.byteLength(base64, 'base64')} bytes)`;
  if (data === undefined) return '';
  return typeof data === 'string' ? data : JSON.stringify(data);
}
