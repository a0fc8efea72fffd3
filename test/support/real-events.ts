// CloudEvents as they were really sent, as lines of JSON: 4,000 where their file is beside the project, else the GitHub
// payloads that the project depends on.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cloudEventText, githubEvents } from '../../node/commands/github-events.ts';

export const REAL_EVENTS_FILE = join(import.meta.dirname, '../../../shared/data/real-events/dev-4k.ndjson');
/** Of the payloads that stand in: larger ones would make a test of bandwidth of any other. */
const BYTES_MAX = 8192;

export interface RealEvents {
  /** For people: where they are from. */
  readonly source: string;
  readonly lines: readonly string[];
}

export function realEvents(): RealEvents {
  if (existsSync(REAL_EVENTS_FILE)) {
    const lines = readFileSync(REAL_EVENTS_FILE, 'utf8').trim().split('\n');
    return { source: `${lines.length} real events from a file`, lines };
  }
  const lines = githubEvents()
    .filter(({ data }) => data.length < BYTES_MAX)
    .map((event, i) => cloudEventText(event, `g${i}`, '2026-01-01T00:00:00Z'));
  return { source: `${lines.length} GitHub webhook examples (the file of real events is absent)`, lines };
}
