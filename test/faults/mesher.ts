// One mesher under faults: a real process on a host of its own. What it tells of itself goes to the history: its counters, its end, and the
// name that it loses when others take over from it. Nemeses claim a mesher before they touch its process or disk, so that two of them
// never work on the same.

import { writeFileSync } from 'node:fs';
import { access, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { FederationView, LinksView } from '../../node/core/views.ts';
import type { RunningMesher } from '../support/federation.ts';
import { until } from '../support/until.ts';
import type { History } from './load/history.ts';
import type { Disk } from './machine/disk.ts';
import type { Host } from './machine/network.ts';

const ANSWER_MS = 2_000;
/** What a mesher printed last, where a run tells of one that ended. */
const LAST_WORDS_CHARACTERS = 1500;
/** What a mesher prints of the name that it loses, each time that it comes upon it until it has another. */
const LOST = {
  damage: /"node":"([^"]+)","aside":.*the journal is damaged: it is put aside/,
  away: /has taken (\S+) over, which was away for too long/,
} as const;
/** How a mesher ends that others have taken over from; whoever runs it starts it again, as it asks for. */
/** No disk is put back here, and no member means harm: so nothing may differ, whatever happens. */
const LEDGER_DIFFERS = /"(ledger: [^"]+)"/;
const ENDS_TAKEN_OVER = /^causeway: taken-over:/;

export class FaultyMesher {
  readonly name: string;
  readonly host: Host;
  readonly disk: Disk | undefined;
  readonly running: RunningMesher;
  readonly #clockFile: string;
  readonly #history: History;
  /** Somebody has stopped it on purpose, or expects it to end. */
  #mayBeDown = false;
  #claimed = false;
  /** It said that others have taken over from it, and that it is to be started again. */
  #mayStartAgain = false;
  /** Names that it had. */
  readonly #lost = new Set<string>();
  /** Those of them that others have not yet taken over, as far as is known. */
  readonly heirless = new Set<string>();

  constructor(
    name: string,
    host: Host,
    disk: Disk | undefined,
    running: RunningMesher,
    clockFile: string,
    history: History,
  ) {
    this.name = name;
    this.host = host;
    this.disk = disk;
    this.running = running;
    this.#clockFile = clockFile;
    this.#history = history;
    running.program.watch((line) => this.#hear(line));
  }

  get cluster(): string {
    return this.running.cluster;
  }

  get url(): string {
    return this.running.http;
  }

  /** Another after each loss: what comes back is another mesher. */
  get life(): string {
    return `${this.name}-${this.#lost.size}`;
  }

  get isClaimed(): boolean {
    return this.#claimed;
  }

  claim(): void {
    this.#claimed = true;
  }

  release(): void {
    this.#claimed = false;
  }

  start(): void {
    this.#mayBeDown = false;
    this.#mayStartAgain = false;
    this.running.start();
    this.#history.write({ op: 'started', mesher: this.name, how: '' });
    const { pid } = this.running.program;
    void this.running.program.ended().then(() => {
      if (this.running.program.pid === pid && !this.#mayBeDown) this.#endedByItself();
    });
  }

  #endedByItself(): void {
    const words = this.#lastWords();
    this.#history.write({ op: 'ended', mesher: this.name, how: `by itself: ${words}` });
    if (this.#mayStartAgain) {
      this.start();
      return;
    }
    const facts = `${this.name} ended though nobody had stopped it; it printed last: ${words}`;
    this.#history.write({ op: 'broken', promise: 'a mesher lives until it is stopped', facts });
  }

  async end(signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    this.#mayBeDown = true;
    await this.running.program.end(signal);
    this.#history.write({ op: 'ended', mesher: this.name, how: signal });
  }

  /** From now on it may end by itself: its disk was touched. */
  allowEnd(): void {
    this.#mayBeDown = true;
  }

  /** It has ended by itself, as it may: what it printed last must say why. */
  mustHaveNamed(cause: RegExp): void {
    const words = this.#lastWords();
    this.#history.write({ op: 'ended', mesher: this.name, how: `by itself: ${words}` });
    if (!cause.test(words) && !this.#mayStartAgain)
      this.#history.write({
        op: 'broken',
        promise: 'who ends by itself says why',
        facts: `${this.name} ended with: ${words}`,
      });
  }

  #lastWords(): string {
    return this.running.program.output.slice(-LAST_WORDS_CHARACTERS);
  }

  #hear(line: string): void {
    if (ENDS_TAKEN_OVER.test(line)) this.#mayStartAgain = true;
    const [, differs] = LEDGER_DIFFERS.exec(line) ?? [];
    if (differs !== undefined) {
      const facts = `${this.name}: ${differs}`;
      this.#history.write({ op: 'broken', promise: 'the ledgers of a link agree', facts });
    }
    for (const how of ['damage', 'away'] as const) {
      const node = LOST[how].exec(line)?.[1];
      if (node !== undefined) this.#lose(node, how);
    }
  }

  #lose(node: string, how: 'disk' | 'damage' | 'away'): void {
    if (this.#lost.has(node)) return;
    this.#lost.add(node);
    this.heirless.add(node);
    this.#history.write({ op: 'lost', mesher: this.name, node, how });
  }

  /** After its end: nothing of it is left, and what is started here next is another mesher than `node`. */
  async loseDisk(node: string): Promise<void> {
    const { data } = this.running;
    for (const name of await readdir(data)) await rm(join(data, name), { recursive: true });
    this.#lose(node, 'disk');
  }

  /** Nothing of what `node` had is left to move. */
  takenOver(node: string): void {
    this.heirless.delete(node);
    this.#history.write({ op: 'taken-over', mesher: this.name, node });
  }

  /** Whether it holds a copy of the mesher with this id, or of what is left of one. */
  async hasCopyOf(node: string): Promise<boolean> {
    return access(join(this.running.data, 'copies', node)).then(
      () => true,
      () => false,
    );
  }

  /** Its name, as it says; undefined: it does not say. */
  async node(): Promise<string | undefined> {
    return (await this.#ask<FederationView>('/v1/federation'))?.self.node;
  }

  async links(): Promise<LinksView | undefined> {
    return this.#ask<LinksView>('/v1/links');
  }

  /** Undefined: it is down, paused or cut off, or serves nobody yet. */
  async #ask<T>(path: string): Promise<T | undefined> {
    try {
      const response = await fetch(this.url + path, { signal: AbortSignal.timeout(ANSWER_MS) });
      return response.ok ? ((await response.json()) as T) : undefined;
    } catch {
      return undefined; // that is what the run is about
    }
  }

  get isRunning(): boolean {
    return this.running.program.running;
  }

  async restart(): Promise<void> {
    this.start();
    await this.running.whenReady();
  }

  /** After `allowEnd`, when what might have ended it is over: it is started if it did end, and has to live from now on. */
  async comeBack(): Promise<void> {
    const isReady = async (): Promise<boolean> => (await fetch(`${this.url}/readyz`)).ok;
    await until(`${this.name} is ready or has ended`, async () => !this.isRunning || (await isReady()));
    if (this.isRunning) this.#mayBeDown = false;
    else await this.restart();
  }

  signal(signal: NodeJS.Signals): void {
    this.running.program.signal(signal);
  }

  /** Its wall clock is off by so much from now on, over restarts. */
  setClock(offsetMs: number): void {
    writeFileSync(this.#clockFile, String(offsetMs));
    if (this.isRunning) this.signal('SIGUSR2');
  }

  /** Takes down its counters; of one that does not answer nothing new is known. */
  async count(): Promise<void> {
    try {
      const response = await fetch(`${this.url}/metrics`, { signal: AbortSignal.timeout(ANSWER_MS) });
      const text = await response.text();
      const moves: Record<string, number> = {};
      for (const [labels, value] of samples(text, 'causeway_lane_moves_total')) {
        const cluster = /cluster="([^"]*)"/.exec(labels)?.[1] ?? '';
        moves[cluster] = (moves[cluster] ?? 0) + value;
      }
      const doubtful = samples(text, 'causeway_events_doubtful_total').reduce(
        (sum, [, value]) => sum + value,
        0,
      );
      const drops: Record<string, number> = {};
      for (const name of ['events_dropped_total', 'events_unwanted_total', 'events_dead_lettered_total']) {
        for (const [labels, value] of samples(text, `causeway_${name}`))
          if (value > 0) drops[`${name}{${labels}}`] = value;
      }
      const links = await this.links();
      const seen = links && { landings: landingsOf(links), copied: copiesOf(links) > 0 };
      this.#history.write({ op: 'counted', mesher: this.name, doubtful, moves, drops, ...seen });
    } catch {
      // it is down, paused or cut off: that is what the run is about
    }
  }
}

/** All at once. They are counted once more before that: their counters end with them. */
export async function endTogether(
  meshers: readonly FaultyMesher[],
  signal: 'SIGKILL' | 'SIGTERM',
): Promise<void> {
  await Promise.all(meshers.map((mesher) => mesher.count()));
  await Promise.all(meshers.map((mesher) => mesher.end(signal)));
}

/** By cluster, the landing mesher of each lane, by its number; '' where it has not begun. */
function landingsOf({ lanes }: LinksView): Record<string, string[]> {
  const landings: Record<string, string[]> = {};
  for (const { destination, scope, lane, landing = '' } of lanes) {
    if (scope !== 'cluster') continue;
    const known = (landings[destination] ??= []);
    while (known.length <= lane) known.push('');
    known[lane] = landing;
  }
  return landings;
}

/** Others that have all that it had, and go on getting what comes. */
export function copiesOf({ copies }: LinksView): number {
  return copies.filter(({ complete, state }) => complete && state === 'streaming').length;
}

function samples(text: string, name: string): [string, number][] {
  return text.split('\n').flatMap((line): [string, number][] => {
    const match = /^([a-z_]+)(?:\{(.*)\})? (\S+)/.exec(line);
    return match?.[1] === name ? [[match[2] ?? '', Number(match[3])]] : [];
  });
}
