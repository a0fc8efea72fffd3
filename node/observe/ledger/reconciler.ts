// Compares this mesher's ledger with those of its peers: each every minute, and all when somebody asks. Both ends of a link do so, each
// for both directions, so that either says what differs.

import type { NodeId } from '../../core/event.ts';
import type { LedgerDifference } from '../../core/metric-catalogue.ts';
import { family, sumBy } from '../../core/metric-family.ts';
import type { LaneLedger, LedgerVerdict, LedgerView } from '../../core/overview.ts';
import type { Clock, Random } from '../../core/ports.ts';
import type { MetricFamily } from '../../core/views.ts';
import type { Questions } from '../questions.ts';
import { Comparison, type ComparisonPorts } from './comparison.ts';
import type { Difference } from './difference.ts';
import { LEDGER, type ToldLedger } from './question.ts';

export interface ReconcilerOptions {
  readonly self: NodeId;
  /** Between two comparisons of a link, give or take a tenth. */
  readonly everyMs?: number;
}

export interface ReconcilerPorts extends ComparisonPorts {
  readonly questions: Pick<Questions, 'ask' | 'on'>;
  readonly clock: Clock;
  readonly random: Random;
  readonly log: { warn(fields: object, message: string): void };
}

const EVERY_MS = 60_000;
const JITTER = 0.1;
/** How often it is looked who is due. */
const LOOK_MS = 1_000;
/** Peers asked at the same time. */
const UNDER_WAY_MAX = 16;
/** Lanes that a verdict names. */
const LANES_SHOWN_MAX = 8;

/** Characters of a verdict; the log has all. */
const TEXT_MAX = 1_000;

type Compared = Omit<LedgerView['links'][number], 'peer'>;

export class Reconciler {
  readonly #options: ReconcilerOptions;
  readonly #ports: ReconcilerPorts;
  readonly #last = new Map<NodeId, LedgerVerdict>();
  readonly #underWay = new Map<NodeId, Promise<Compared>>();
  /** Monotonic ms, by peer. */
  readonly #dueAt = new Map<NodeId, number>();
  readonly #outcomes = new Map<LedgerVerdict['outcome'], number>();
  readonly #found = new Map<LedgerDifference, number>();
  readonly #comparison: Comparison;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: ReconcilerOptions, ports: ReconcilerPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#comparison = new Comparison(ports);
    ports.questions.on(LEDGER, (peer) => this.#comparison.tell(peer));
  }

  start(): void {
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.#timer.unref();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** What both ends said last; undefined: they were not compared yet. */
  verdictOf(peer: NodeId): LedgerVerdict | undefined {
    return this.#last.get(peer);
  }

  /** For the ledger: says it to people, once. */
  readonly differs = (difference: Difference): void => {
    const { kind, lane, peer, text } = difference;
    this.#found.set(kind, (this.#found.get(kind) ?? 0) + 1);
    this.#ports.log.warn({ kind, lane, peer }, `ledger: ${text}`);
  };

  metrics(): MetricFamily[] {
    return [
      family('ledger_checks_total', sumBy('outcome', this.#outcomes)),
      family('ledger_differences', sumBy('kind', this.#found)),
    ];
  }

  /** Compares with all peers now. */
  async verify(): Promise<LedgerView> {
    const peers = this.#peers();
    const found = new Map<NodeId, Compared>();
    const waiting = [...peers];
    const ask = async (): Promise<void> => {
      for (let peer = waiting.shift(); peer !== undefined; peer = waiting.shift())
        found.set(peer, await this.#compareWith(peer));
    };
    await Promise.all(Array.from({ length: UNDER_WAY_MAX }, ask));
    return {
      mesher: this.#options.self,
      links: peers.flatMap((peer) => {
        const comparison = found.get(peer);
        return comparison ? [{ peer, ...comparison }] : [];
      }),
    };
  }

  /** Those linked, and those members that have acked something or sent something. */
  #peers(): NodeId[] {
    const { ledger, linked, clusterOf } = this.#ports;
    const known = ledger.peers().filter((peer) => clusterOf(peer) !== undefined);
    return [...new Set([...linked(), ...known])].sort();
  }

  #look(): void {
    const now = this.#ports.clock.monotonic();
    const peers = new Set(this.#peers());
    for (const known of [this.#dueAt, this.#last])
      for (const peer of known.keys()) if (!peers.has(peer)) known.delete(peer);
    for (const peer of peers) {
      const due = this.#dueAt.get(peer) ?? now + this.#pause() * this.#ports.random();
      const isTurn = now >= due && this.#underWay.size < UNDER_WAY_MAX; // who is left over comes next
      this.#dueAt.set(peer, isTurn ? now + this.#pause() : due);
      if (isTurn) void this.#compareWith(peer);
    }
  }

  #pause(): number {
    const { everyMs = EVERY_MS } = this.#options;
    return everyMs * (1 + JITTER * (2 * this.#ports.random() - 1));
  }

  /** Never rejects. */
  #compareWith(peer: NodeId): Promise<Compared> {
    let comparison = this.#underWay.get(peer);
    if (!comparison) {
      comparison = this.#compare(peer).finally(() => this.#underWay.delete(peer));
      this.#underWay.set(peer, comparison);
    }
    return comparison;
  }

  async #compare(peer: NodeId): Promise<Compared> {
    const { ledger, questions } = this.#ports;
    ledger.audit();
    const claimed = this.#comparison.claimed(peer);
    let told: ToldLedger | undefined;
    let silence = '';
    try {
      told = await questions.ask(peer, LEDGER, {});
    } catch (error) {
      silence = error instanceof Error ? error.message : String(error);
    }
    const unsure = told
      ? this.#comparison.compare(peer, claimed, told)
      : [`${peer} could not be asked: ${silence}`];
    const lanes = this.#comparison.lanesOf(peer, told);
    const verdict = this.#verdict(peer, lanes, unsure);
    this.#outcomes.set(verdict.outcome, (this.#outcomes.get(verdict.outcome) ?? 0) + 1);
    this.#last.set(peer, verdict);
    return { verdict, lanes };
  }

  // ─────────────────────────────────────────────────────────── what is said of it

  #verdict(peer: NodeId, lanes: readonly LaneLedger[], unsure: readonly string[]): LedgerVerdict {
    const at = this.#ports.clock.wall();
    const differing = this.#comparison.differencesWith(peer).map(({ text }) => text);
    if (differing.length > 0) return { at, outcome: 'differs', text: cut(differing.join('; ')) };
    if (unsure.length > 0) return { at, outcome: 'unknown', text: cut(unsure.join('; ')) };
    const covered = lanes.filter(({ to }) => to > 0);
    if (covered.length === 0) return { at, outcome: 'agrees', text: 'nothing was sent yet' };
    const named = covered
      .slice(0, LANES_SHOWN_MAX)
      .map(({ lane, direction, from, to }) => `sequence ${from} and ${to} of lane ${lane} (${direction})`);
    const more = covered.length - named.length;
    const text = `nothing lost between ${named.join(', ')}${more > 0 ? ` and on ${more} more lanes` : ''}`;
    return { at, outcome: 'agrees', text: cut(text) };
  }
}

function cut(text: string): string {
  return text.length <= TEXT_MAX ? text : `${text.slice(0, TEXT_MAX)}…`;
}
