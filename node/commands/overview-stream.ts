// Overviews as one mesher streams them (GET /v1/overview/stream), one after the other; connects again for ever.

import { Compile } from 'typebox/compile';
import { MeshError } from '../core/errors.ts';
import type { Overview } from '../core/overview.ts';
import { OverviewSchema } from '../http/overview-schemas.ts';
import { type Api, unreachable } from './api.ts';
import { pause } from './waiting.ts';

const check = Compile(OverviewSchema);
/** Of one overview: ten times what a mesher's bounds allow for. */
const TEXT_MAX = 64 * 1024 * 1024;
const AGAIN_AFTER_MS = 2_000;

/** Throws `internal` where a mesher of another version answers. */
export function overviewOf(value: unknown, url: string): Overview {
  if (check.Check(value)) return value as Overview;
  throw new MeshError('internal', `${url} shows an overview that this version does not understand`);
}

export interface OverviewEvents {
  shown(overview: Overview): void;
  /** The connection is lost, one sentence why; '' when it is there again. */
  trouble(why: string): void;
}

/** Until `signal` aborts. */
export async function watchOverviews(api: Api, events: OverviewEvents, signal: AbortSignal): Promise<void> {
  const isOver = (): boolean => signal.aborted;
  while (!isOver()) {
    try {
      await readStream(api, events, signal);
      events.trouble(`${api.url} ended the stream; trying again …`);
    } catch (error) {
      if (isOver()) return;
      const why = error instanceof MeshError ? error : unreachable(api.url, error);
      events.trouble(`${why.message}; trying again …`);
    }
    await pause(AGAIN_AFTER_MS, signal);
  }
}

async function readStream(api: Api, events: OverviewEvents, signal: AbortSignal): Promise<void> {
  const response = await fetch(`${api.url}/v1/overview/stream`, { signal });
  if (!response.ok || !response.body) {
    await response.body?.cancel();
    throw new MeshError('not-ready', `${api.url} answered ${response.status}`);
  }
  let text = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    if (text.length > TEXT_MAX) throw new MeshError('internal', `${api.url} sends too much`);
    if (!chunk.includes('\n')) continue;
    const whole = text.split('\n\n');
    text = whole.pop() ?? '';
    for (const event of whole) {
      const data = /^data: (.*)$/m.exec(event)?.[1];
      if (data === undefined) continue;
      events.trouble('');
      events.shown(overviewOf(JSON.parse(data), api.url));
    }
  }
}
