// One CloudEvent from the flags of `causeway publish`, as structured JSON text. Data that is JSON goes in as it was
// written, other text as a string, anything else as base64.

import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { isJsonContentType } from '../core/cloud-event.ts';
import { MeshError } from '../core/errors.ts';
import type { Wrapping } from './publish-input.ts';

export interface EventFlags extends Wrapping {
  readonly type: string;
  readonly id: string | undefined;
  /** Text, or `@file`; undefined: the event has no data. */
  readonly data: string | undefined;
  readonly contentType: string | undefined;
}

export function eventFromFlags(flags: EventFlags): string {
  const attributes = {
    specversion: '1.0',
    id: flags.id ?? randomUUID(),
    source: flags.source,
    type: flags.type,
    ...(flags.subject === undefined ? {} : { subject: flags.subject }),
    time: flags.time(),
  };
  if (flags.data === undefined) return JSON.stringify(attributes);
  const bytes = flags.data.startsWith('@') ? readData(flags.data.slice(1)) : Buffer.from(flags.data);
  const { contentType, member } = encode(bytes, flags.contentType);
  return `${JSON.stringify({ ...attributes, datacontenttype: contentType }).slice(0, -1)},${member}}`;
}

function readData(path: string): Uint8Array {
  try {
    return readFileSync(path);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new MeshError('invalid-request', `--data @${path}: ${why}; name a file that can be read`, {
      cause,
    });
  }
}

/** The content type, said or seen, and the member of the JSON that holds the data. */
function encode(bytes: Uint8Array, said: string | undefined): { contentType: string; member: string } {
  const text = asText(bytes);
  const json = text !== undefined && isJson(text);
  if (said === undefined ? json : isJsonContentType(said)) {
    if (!json)
      throw new MeshError(
        'invalid-event',
        `the data is not valid JSON, which ${String(said)} says; mend it or the --content-type`,
      );
    return { contentType: said ?? 'application/json', member: `"data":${text}` };
  }
  if (text === undefined || (said !== undefined && !said.startsWith('text/'))) {
    const member = `"data_base64":"${Buffer.from(bytes).toString('base64')}"`;
    return { contentType: said ?? 'application/octet-stream', member };
  }
  return { contentType: said ?? 'text/plain', member: `"data":${JSON.stringify(text)}` };
}

function asText(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined; // not UTF-8: it travels as bytes
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false; // it is asked, not demanded
  }
}
