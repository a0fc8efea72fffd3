// RFC 3339 text ↔ google.protobuf.Timestamp { int64 seconds = 1;  int32 nanos = 2; }.
// The text of a Timestamp is the one of Protobuf's JSON mapping: UTC (`Z`), with 0, 3, 6 or 9 digits of fraction.
//
// Nearly every event has a time, so it is reckoned here: Date and the texts it makes took a third of what encoding an event
// of 256 bytes takes altogether. The calendar is the proleptic Gregorian one, counted in days from 0000-03-01, so that a
// leap day is the last of its year.

import { daysOfMonth, numberAt } from '../core/calendar.ts';
import type { ByteReader } from './byte-reader.ts';
import { type ByteWriter, uintBytes } from './byte-writer.ts';
import { VARINT, readTag, skipField, tag } from './protobuf-fields.ts';
import { WireError } from './wire-error.ts';

export interface Timestamp {
  readonly seconds: number;
  readonly nanos: number;
}

/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59Z: the range that timestamp.proto allows. */
const SECONDS_MIN = -62_135_596_800;
const SECONDS_MAX = 253_402_300_799;
const CANONICAL = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(?:\d{3}|\d{6}|\d{9}))?Z$/;
/** Where the digits of the fraction begin. */
const FRACTION_AT = 20;

const SECONDS_OF_DAY = 86_400;
const DAYS_TO_1970 = 719_468;
const DAYS_OF_400_YEARS = 146_097;

/** Undefined where the text is not exactly what the Timestamp would be turned into again. */
export function timestampOf(text: string): Timestamp | undefined {
  if (!CANONICAL.test(text)) return undefined;
  const year = numberAt(text, 0, 4);
  const month = numberAt(text, 5, 2);
  const day = numberAt(text, 8, 2);
  const hour = numberAt(text, 11, 2);
  const minute = numberAt(text, 14, 2);
  const second = numberAt(text, 17, 2);
  const exists =
    year > 0 && day > 0 && day <= daysOfMonth(year, month) && hour < 24 && minute < 60 && second < 60;
  const digits = Math.max(0, text.length - FRACTION_AT - 1);
  // a fraction that could do with three digits fewer is written so
  if (!exists || (digits > 0 && numberAt(text, FRACTION_AT + digits - 3, 3) === 0)) return undefined;
  const seconds = daysSince1970(year, month, day) * SECONDS_OF_DAY + hour * 3_600 + minute * 60 + second;
  return { seconds, nanos: numberAt(text, FRACTION_AT, digits) * 10 ** (9 - digits) };
}

export function writeTimestamp(writer: ByteWriter, { seconds, nanos }: Timestamp): void {
  let length = 0;
  if (seconds !== 0) length += 1 + int64Bytes(seconds);
  if (nanos !== 0) length += 1 + int64Bytes(nanos);
  writer.uint(length);
  if (seconds !== 0) {
    writer.byte(tag(1, VARINT));
    writer.int64(seconds);
  }
  if (nanos !== 0) {
    writer.byte(tag(2, VARINT));
    writer.int64(nanos);
  }
}

/** The RFC 3339 text of the Timestamp in the next `length` bytes. */
export function readTimestamp(reader: ByteReader, length: number): string {
  const outer = reader.enter(length);
  let seconds = 0;
  let nanos = 0;
  while (reader.left > 0) {
    const { field, wireType } = readTag(reader);
    if (field === 1 && wireType === VARINT) seconds = reader.int64();
    else if (field === 2 && wireType === VARINT) nanos = reader.varint64().low | 0;
    else skipField(reader, wireType);
  }
  reader.leave(outer);
  if (seconds < SECONDS_MIN || seconds > SECONDS_MAX || nanos < 0 || nanos >= 1e9)
    throw new WireError('bad-number', `a timestamp of ${seconds} s and ${nanos} ns`);
  return textOf(seconds, nanos);
}

function textOf(seconds: number, nanos: number): string {
  const days = Math.floor(seconds / SECONDS_OF_DAY);
  const rest = seconds - days * SECONDS_OF_DAY;
  const time = `${two(Math.floor(rest / 3_600))}:${two(Math.floor(rest / 60) % 60)}:${two(rest % 60)}`;
  return `${dateOf(days)}T${time}${fractionOf(nanos)}Z`;
}

/** The date `days` after 1970-01-01. */
function dateOf(days: number): string {
  const day = days + DAYS_TO_1970;
  const era = Math.floor(day / DAYS_OF_400_YEARS);
  const dayOfEra = day - era * DAYS_OF_400_YEARS;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1_460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const monthFromMarch = Math.floor((5 * dayOfYear + 2) / 153);
  const month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);
  const dayOfMonth = dayOfYear - Math.floor((153 * monthFromMarch + 2) / 5) + 1;
  return `${two(Math.floor(year / 100))}${two(year % 100)}-${two(month)}-${two(dayOfMonth)}`;
}

function daysSince1970(year: number, month: number, day: number): number {
  const yearFromMarch = month <= 2 ? year - 1 : year;
  const era = Math.floor(yearFromMarch / 400);
  const yearOfEra = yearFromMarch - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * DAYS_OF_400_YEARS + dayOfEra - DAYS_TO_1970;
}

/** '', or a dot and as few of 3, 6 or 9 digits as say it. */
function fractionOf(nanos: number): string {
  if (nanos === 0) return '';
  if (nanos % 1e6 === 0) return `.${String(nanos / 1e6).padStart(3, '0')}`;
  return nanos % 1e3 === 0
    ? `.${String(nanos / 1e3).padStart(6, '0')}`
    : `.${String(nanos).padStart(9, '0')}`;
}

function two(value: number): string {
  return value < 10 ? `0${value}` : `${value}`;
}

function int64Bytes(value: number): number {
  return value < 0 ? 10 : uintBytes(value);
}
