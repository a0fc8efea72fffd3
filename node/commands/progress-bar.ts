// A progress bar on a terminal's last line: by bytes read where the size is known, else a count. Drawn at most ten times
// a second, and taken away at the end.

import type { Output } from './command.ts';
import { formatNumber } from './table.ts';

const redrawMs = 100;

export class ProgressBar {
  readonly #output: Output;
  readonly #bytesTotal: number | undefined;
  readonly #startedMs = performance.now();
  #bytes = 0;
  #count = 0;
  #drawnMs = -Infinity;
  #note = '';

  /** `bytesTotal`: size of the input; undefined where nobody knows. */
  constructor(output: Output, bytesTotal: number | undefined) {
    this.#output = output;
    this.#bytesTotal = bytesTotal;
  }

  read(bytes: number): void {
    this.#bytes += bytes;
  }

  async count(events: number): Promise<void> {
    this.#count += events;
    this.#note = '';
    await this.#draw(false);
  }

  async say(note: string): Promise<void> {
    this.#note = note;
    await this.#draw(true);
  }

  async close(): Promise<void> {
    if (this.#drawnMs !== -Infinity) await this.#output.write('\r\x1b[2K');
  }

  async #draw(now: boolean): Promise<void> {
    const time = performance.now();
    if (!now && time - this.#drawnMs < redrawMs) return;
    this.#drawnMs = time;
    const rate = Math.round(this.#count / Math.max(0.001, (time - this.#startedMs) / 1_000));
    const text = `${formatNumber(this.#count)} events, ${formatNumber(rate)}/s${this.#note === '' ? '' : `, ${this.#note}`}`;
    const line = barLine(
      this.#bytesTotal === undefined ? undefined : this.#bytes / Math.max(1, this.#bytesTotal),
      text,
      this.#output.columns(),
    );
    await this.#output.write(`\r\x1b[2K${line}`);
  }
}

/** Exported for its test. `share`: 0 to 1, or undefined. */
export function barLine(share: number | undefined, text: string, columns: number): string {
  if (share === undefined) return text.slice(0, columns - 1);
  const room = Math.max(0, Math.min(30, columns - text.length - 10));
  const filled = Math.round(Math.min(1, share) * room);
  const percent = `${Math.floor(Math.min(1, share) * 100)}%`.padStart(4);
  return `[${'█'.repeat(filled)}${'░'.repeat(room - filled)}]${percent} ${text}`.slice(0, columns - 1);
}
