// The events of a data or best-effort message. An event is its record's bytes, unchanged since it entered the mesh.
// Directives are written as runs, since most frames have one for all.
//
//   events    := count:uint runCount:uint run{runCount} record:bytes{count}
//   run       := length:uint flags:u8 nameCount:uint name:text{nameCount} [ wanted ] [ unknown ] [ subscription:text ]
//   flags     := 1 except, 2 wanted follows, 4 unknown follows, 8 subscription follows
//   wanted    := meshers:uint (node:text groupCount:uint group:text{groupCount}){meshers}
//   unknown   := meshers:uint node:text{meshers}
//
// The runs' lengths are at least 1 and add up to `count`.

import type { Directive, Wanted } from '../core/event.ts';
import { NO_GROUPS } from '../core/event.ts';
import { type KnownHeaders, RecordError, decodeRecord } from '../core/event-record.ts';
import { invariant } from '../core/errors.ts';
import { FILTER_BYTES_MAX, FRAME_EVENTS_MAX } from '../core/limits.ts';
import type { ForwardedEvent } from '../core/messages.ts';
import type { ByteReader } from './byte-reader.ts';
import type { ByteWriter } from './byte-writer.ts';
import { NODE_BYTES_MAX } from './route-messages.ts';
import { WireError } from './wire-error.ts';

/** Group names in all directives of a frame: each costs a string, as little as a byte on the wire. */
export const GROUP_NAMES_MAX = 65_536;
/** A group key: a filter, a group's name, and what parts them. */
export const GROUP_NAME_BYTES_MAX = 2 * FILTER_BYTES_MAX + 1;
/** An empty record: its length and the fixed part; what makes a claimed count plausible. */
const RECORD_BYTES_MIN = 40;
const RUN_BYTES_MIN = 3;
/** Meshers that one directive names: as many as a cluster may reasonably have. */
const MESHERS_MAX = 4096;
const SUBSCRIPTION_NAME_BYTES_MAX = 128;
const WANTED_BYTES_MIN = 2;

interface Run {
  length: number;
  readonly directive: Directive;
}

/** What `writeEvents` will take, roughly: directives are small. */
export function estimateEvents(events: readonly ForwardedEvent[]): number {
  let bytes = 256;
  for (const { event } of events) bytes += event.bytes + 4;
  return bytes;
}

export function writeEvents(writer: ByteWriter, events: readonly ForwardedEvent[]): void {
  invariant(events.length <= FRAME_EVENTS_MAX, `${events.length} events in one message`);
  const runs = runsOf(events);
  writer.uint(events.length);
  writer.uint(runs.length);
  for (const { length, directive } of runs) {
    writer.uint(length);
    writer.byte(flagsOf(directive));
    writeTexts(writer, directive.names);
    if (directive.wanted) {
      writer.uint(directive.wanted.length);
      for (const { node, groups } of directive.wanted) {
        writer.text(node);
        writeTexts(writer, groups);
      }
    }
    if (directive.unknown) writeTexts(writer, directive.unknown);
    if (directive.subscription !== undefined) writer.text(directive.subscription);
  }
  for (const { event } of events) {
    writer.uint(event.bytes);
    writer.space(event.bytes, (buffer, at) => event.writeTo(buffer, at));
  }
}

function flagsOf({ groups, wanted, unknown, subscription }: Directive): number {
  return (
    (groups === 'only' ? 0 : 1) | (wanted ? 2 : 0) | (unknown ? 4 : 0) | (subscription === undefined ? 0 : 8)
  );
}

function writeTexts(writer: ByteWriter, texts: readonly string[]): void {
  writer.uint(texts.length);
  for (const text of texts) writer.text(text);
}

/** The events' records are views of the bytes read. Events of one run share one directive object. */
export function readEvents(reader: ByteReader, known: KnownHeaders): ForwardedEvent[] {
  const count = reader.count(FRAME_EVENTS_MAX, RECORD_BYTES_MIN);
  const runs = readRuns(reader, count);
  const events: ForwardedEvent[] = [];
  for (const { length, directive } of runs) {
    for (let i = 0; i < length; i++) events.push({ event: readRecord(reader.bytes(), known), directive });
  }
  return events;
}

function readRuns(reader: ByteReader, eventCount: number): Run[] {
  const runCount = reader.count(eventCount, RUN_BYTES_MIN);
  const runs: Run[] = [];
  let events = 0;
  let names = 0;
  const readTexts = (): string[] => {
    const texts: string[] = [];
    const count = reader.count(GROUP_NAMES_MAX - names, 1);
    names += count;
    for (let i = 0; i < count; i++) texts.push(reader.text(GROUP_NAME_BYTES_MAX));
    return texts;
  };
  for (let i = 0; i < runCount; i++) {
    const length = reader.uint(eventCount - events);
    if (length === 0) throw new WireError('bad-value', 'a run of no events');
    events += length;
    runs.push({ length, directive: readDirective(reader, readTexts) });
  }
  if (events !== eventCount)
    throw new WireError('bad-value', `directives for ${events} of ${eventCount} events`);
  return runs;
}

function readDirective(reader: ByteReader, readTexts: () => string[]): Directive {
  const flags = reader.byte();
  if (flags > 15) throw new WireError('bad-value', `directive flags ${flags}`);
  const groups = (flags & 1) === 0 ? 'only' : 'except';
  const names = readTexts();
  if (groups === 'only' && flags === 0 && names.length === 0) return NO_GROUPS;
  const wanted: Wanted[] = [];
  for (let left = (flags & 2) === 0 ? 0 : reader.count(MESHERS_MAX, WANTED_BYTES_MIN); left > 0; left--) {
    wanted.push({ node: reader.text(NODE_BYTES_MAX), groups: readTexts() });
  }
  const unknown: string[] = [];
  for (let left = (flags & 4) === 0 ? 0 : reader.count(MESHERS_MAX, 1); left > 0; left--) {
    unknown.push(reader.text(NODE_BYTES_MAX));
  }
  const subscription = (flags & 8) === 0 ? undefined : reader.text(SUBSCRIPTION_NAME_BYTES_MAX);
  return {
    groups,
    names,
    ...((flags & 2) !== 0 && { wanted }),
    ...((flags & 4) !== 0 && { unknown }),
    ...(subscription !== undefined && { subscription }),
  };
}

function readRecord(bytes: Uint8Array, known: KnownHeaders): ForwardedEvent['event'] {
  try {
    return decodeRecord(bytes, known);
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
    a.subscription === b.subscription &&
    sameTexts(a.names, b.names) &&
    sameWanted(a.wanted, b.wanted) &&
    sameTexts(a.unknown ?? [], b.unknown ?? [])
  );
}

function sameWanted(a: Directive['wanted'], b: Directive['wanted']): boolean {
  if (!a || !b) return a === b;
  return (
    a.length === b.length &&
    a.every(({ node, groups }, i) => node === b[i]?.node && sameTexts(groups, b[i].groups))
  );
}

function sameTexts(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((text, i) => text === b[i]);
}
