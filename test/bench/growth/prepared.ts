// Journals that were written once and are given to many runs, since writing ten million events takes minutes. LevelDB never
// changes a table (`.ldb`) once it is written, so a run gets links to those, and copies of the few other files.

import { copyFileSync, linkSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { dataFolder, type Run } from '../harness/run.ts';
import type { WriterRole } from './writer.ts';

type Write = (writer: ReturnType<typeof startWriter>, folder: string) => Promise<void>;

let base: string | undefined;
const templates = new Map<string, string>();

/** Puts a journal into a mesher's data folder; `write` makes it the first time that `name` is asked for. */
export async function giveJournal(run: Run, name: string, data: string, write: Write): Promise<void> {
  let template = templates.get(name);
  if (template === undefined) {
    template = join(baseFolder(), name);
    await write(startWriter(run), template);
    templates.set(name, template);
  }
  const target = join(data, 'journal');
  mkdirSync(target, { recursive: true });
  for (const file of readdirSync(template)) {
    if (file === 'LOCK') continue;
    const copy = file.endsWith('.ldb') ? linkSync : copyFileSync;
    copy(join(template, file), join(target, file));
  }
}

function startWriter(run: Run) {
  return run.role<WriterRole>('client', join(import.meta.dirname, 'writer.ts'));
}

/** It goes when the benchmark ends, however it does. */
function baseFolder(): string {
  if (base !== undefined) return base;
  const made = mkdtempSync(join(dataFolder(), 'bench-growth-prepared-'));
  process.once('exit', () => rmSync(made, { recursive: true, force: true }));
  base = made;
  return made;
}
