// The events of a data or best-effort message. An event is its record's bytes, unchanged since it entered the mesh.
// Directives are written as runs, since most frames have one for all.
//
//   events    := count:uint runCount:uint run{runCount} record:bytes{count}
//   run       := length:uint groups:u8(0 only, 1 except) nameCount:uint name:text{nameCount}
//
// The runs' lengths are at least 1 and add up to `count`.

import type { Directive } from '../core/event.ts';
import { NO_GROUPS } from '../core/event.ts';
import { RecordError, decodeRecord } from '../core/event-record.ts';
import { invariant } from '../core/errors.ts';
import { FILTER_BYTES_MAX, FRAME_EVENTS_MAX } from '../core/limits.ts';
import type { ForwardedEvent } from '../core/messages.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import { WireError } from './wire-error.ts';

/** Group names in all directives of a frame: each costs a string, as little as a byte on the wire. */
export const GROUP_NAMES_MAX = 65_536;
/** A group key: a filter, a group's name, and what parts them. */
export const GROUP_NAME_BYTES_MAX = 2 * FILTER_BYTES_MAX + 1;
/** An empty record: its length and the fixed part; what makes a claimed count plausible. */
const RECORD_BYTES_MIN = 40;
const RUN_BYTES_MIN = 3;

interface Run {
  length: number;
  readonly directive: Directive;
}

/** What `writeEvents` will take, roughly: directives are small. */
export function estimateEvents(events: readonly ForwardedEvent[]): number {
  let bytes = 256;
  for (const { event } of events) bytes += event.record.length + 4;
  return bytes;
}

export function writeEvents(writer: ByteWriter, events: readonly ForwardedEvent[]): void {
  invariant(events.length <= FRAME_EVENTS_MAX, `${events.length} events in one message`);
  const runs = runsOf(events);
  writer.uint(events.length);
  writer.uint(runs.length);
  for (const { length, directive } of runs) {
    writer.uint(length);
    writer.byte(directive.groups === 'only' ? 0 : 1);
    writer.uint(directive.names.length);
    for (const name of directive.names) writer.text(name);
  }
  for (const { event } of events) writer.bytes(event.record);
}

/** The events' records are views of the bytes read. Events of one run share one directive object. */
export function readEvents(reader: ByteReader): ForwardedEvent[] {
  const count = reader.count(FRAME_EVENTS_MAX, RECORD_BYTES_MIN);
  const runs = readRuns(reader, count);
  const events: ForwardedEvent[] = [];
  for (const { length, directive } of runs) {
    for (let i = 0; i < length; i++) events.push({ event: readRecord(reader.bytes()), directive });
  }
  return events;
}

function readRuns(reader: ByteReader, eventCount: number): Run[] {
  const runCount = reader.count(eventCount, RUN_BYTES_MIN);
  const runs: Run[] = [];
  let events = 0;
  let names = 0;
  for (let i = 0; i < runCount; i++) {
    const length = reader.uint(eventCount - events);
    if (length === 0) throw new WireError('bad-value', 'a run of no events');
    events += length;
    const groups = reader.flag() ? 'except' : 'only';
    const nameCount = reader.count(GROUP_NAMES_MAX - names, 1);
    names += nameCount;
    runs.push({ length, directive: readDirective(reader, groups, nameCount) });
  }
  if (events !== eventCount)
    throw new WireError('bad-value', `directives for ${events} of ${eventCount} events`);
  return runs;
}

function readDirective(reader: ByteReader, groups: Directive['groups'], nameCount: number): Directive {
  if (groups === 'only' && nameCount === 0) return NO_GROUPS;
  const names: string[] = [];
  for (let i = 0; i < nameCount; i++) names.push(reader.text(GROUP_NAME_BYTES_MAX));
  return { groups, names };
}

function readRecord(bytes: Uint8Array): ForwardedEvent['event'] {
  try {
    return decodeRecord(bytes);
  } catch (error) {
    if (error instanceof RecordError) throw new WireError('bad-record', error.message, error);
    throw error;
  }
}

function runsOf(events: readonly ForwardedEvent[]): Run[] {
  const runs: Run[] = [];
  let last: Run | undefined;
  for (const { directive } of events) {
    if (last && sameDirective(last.directive, directive)) last.length++;
    else runs.push((last = { length: 1, directive }));
  }
  return runs;
}

function sameDirective(a: Directive, b: Directive): boolean {
  if (a === b) return true;
  return (
    a.groups === b.groups &&
    a.names.length === b.names.length &&
    a.names.every((name, i) => name === b.names[i])
  );
}
