// Cuts what is piped into `causeway publish` into JSON texts, each with the line it begins on: one per line (NDJSON), or
// the elements of one JSON array, told apart by the first character. The texts are passed on as written, so that numbers
// keep all their digits. Holds no more than one text and one chunk at a time.

import { randomUUID } from 'node:crypto';
import { asObject } from './api.ts';
import { MeshError } from '../core/errors.ts';

export interface InputText {
  readonly line: number;
  readonly text: string;
}

/** How texts that are no CloudEvents become some. */
export interface Wrapping {
  readonly type: string | undefined;
  readonly source: string;
  readonly subject: string | undefined;
  /** RFC 3339, or undefined to leave it out. */
  readonly time: () => string;
}

// No mesher takes a publish request larger than this by default.
const textCharactersMax = 16 * 1024 * 1024;

/** Yields the texts that each chunk completes; what cannot be cut is `invalid-event` with its line. */
export async function* splitInput(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<readonly InputText[]> {
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let splitter: Splitter | undefined;
  let leading = 1;
  const take = (text: string): readonly InputText[] => {
    if (splitter === undefined) {
      const start = text.search(/[^ \t\r\n]/);
      leading += countLines(start < 0 ? text : text.slice(0, start));
      if (start < 0) return [];
      splitter = text[start] === '[' ? new ArraySplitter(leading) : new LineSplitter(leading);
      return splitter.push(text[start] === '[' ? text.slice(start + 1) : text.slice(start));
    }
    return splitter.push(text);
  };
  const decode = (chunk?: Uint8Array): string => {
    try {
      return chunk === undefined ? decoder.decode() : decoder.decode(chunk, { stream: true });
    } catch (cause) {
      const line = splitter?.line ?? leading;
      throw new MeshError(
        'invalid-event',
        `line ${line} or after: the input is not UTF-8; convert it first`,
        { cause },
      );
    }
  };
  for await (const chunk of chunks) {
    const texts = take(decode(chunk));
    if (texts.length > 0) yield texts;
  }
  const last = [...take(decode()), ...(splitter?.end() ?? [])];
  if (last.length > 0) yield last;
}

interface Splitter {
  /** The line reached. */
  readonly line: number;
  push(text: string): readonly InputText[];
  end(): readonly InputText[];
}

class LineSplitter implements Splitter {
  line: number;
  #rest = '';

  constructor(line: number) {
    this.line = line;
  }

  push(text: string): readonly InputText[] {
    const lines = (this.#rest + text).split('\n');
    this.#rest = lines.pop() ?? '';
    if (this.#rest.length > textCharactersMax) throw tooLong(this.line + lines.length);
    return lines.flatMap((each) => this.#take(each));
  }

  end(): readonly InputText[] {
    return this.#take(this.#rest);
  }

  #take(text: string): readonly InputText[] {
    const line = this.line++;
    return text.trim() === '' ? [] : [{ line, text: text.trim() }];
  }
}

/** Elements of an array whose `[` was already taken. Judges only what parts elements; JSON.parse judges the rest. */
class ArraySplitter implements Splitter {
  line: number;
  #state: 'first' | 'element' | 'between' | 'closed' = 'first';
  #text = '';
  #startLine = 0;
  #depth = 0;
  #inString = false;
  #escaped = false;

  constructor(line: number) {
    this.line = line;
  }

  push(text: string): readonly InputText[] {
    const found: InputText[] = [];
    // Where in `text` the element in hand begins: its characters are copied once, at the end of it or of the chunk.
    let start = 0;
    for (let i = 0; i < text.length; i++) {
      const c = text.charAt(i);
      if (c === '\n') this.line++;
      if (this.#inString) {
        if (this.#escaped) this.#escaped = false;
        else if (c === '\\') this.#escaped = true;
        else if (c === '"') this.#inString = false;
        continue;
      }
      if (c === ' ' || c === '\t' || c === '\r' || c === '\n') continue;
      if (this.#state === 'closed') throw refusal(this.line, `there is more after the array's ']'`);
      const ends = (c === ',' || c === ']') && this.#depth === 0;
      if (this.#state !== 'element') {
        if (ends && !(c === ']' && this.#state === 'first'))
          throw refusal(this.line, `an element is missing before '${c}'`);
        if (ends) {
          this.#state = 'closed';
          continue;
        }
        this.#state = 'element';
        this.#startLine = this.line;
        start = i;
      }
      if (ends) {
        found.push({ line: this.#startLine, text: (this.#text + text.slice(start, i)).trim() });
        this.#text = '';
        this.#state = c === ',' ? 'between' : 'closed';
      } else if (c === '"') this.#inString = true;
      else if (c === '{' || c === '[') this.#depth++;
      else if (c === '}' || c === ']') this.#depth--;
    }
    if (this.#state === 'element') this.#text += text.slice(start);
    if (this.#text.length > textCharactersMax) throw tooLong(this.#startLine);
    return found;
  }

  end(): readonly InputText[] {
    if (this.#state !== 'closed') throw refusal(this.line, `the array has no end: ']' is missing`);
    return [];
  }
}

/** The text as a structured CloudEvent in JSON: as it is where it is one, else wrapped. Throws `invalid-event`. */
export function toCloudEvent({ line, text }: InputText, wrapping: Wrapping): string {
  const value = parse(line, text);
  const event = asObject(value);
  if (event !== undefined && Object.hasOwn(event, 'specversion')) {
    for (const attribute of ['id', 'source', 'type']) {
      const given = event[attribute];
      if (typeof given === 'string' && given !== '') continue;
      throw refusal(line, `the CloudEvent's '${attribute}' must be text and not empty`);
    }
    return text;
  }
  if (wrapping.type === undefined)
    throw refusal(line, `this is no CloudEvent (it has no 'specversion'); add --type to make it one`);
  const attributes = {
    specversion: '1.0',
    id: randomUUID(),
    source: wrapping.source,
    type: wrapping.type,
    ...(wrapping.subject === undefined ? {} : { subject: wrapping.subject }),
    time: wrapping.time(),
    datacontenttype: 'application/json',
  };
  return `${JSON.stringify(attributes).slice(0, -1)},"data":${text}}`;
}

function parse(line: number, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw refusal(line, `not valid JSON: ${why.replaceAll(/\s+/g, ' ').slice(0, 160)}`, cause);
  }
}

function refusal(line: number, why: string, cause?: unknown): MeshError {
  return new MeshError('invalid-event', `line ${line}: ${why}`, { cause, details: { line } });
}

function tooLong(line: number): MeshError {
  return new MeshError(
    'event-too-large',
    `line ${line}: an event of more than ${textCharactersMax} characters; the limit of a mesher is lower`,
  );
}

function countLines(text: string): number {
  return text.split('\n').length - 1;
}
