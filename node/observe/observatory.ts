// All that a mesher shows of the federation, put together: its own figures, what it asks others and answers them.

import type { MesherCore } from '../core/mesher-core.ts';
import type { NodeId } from '../core/event.ts';
import type { HistoryView, LedgerVerdict, Overview } from '../core/overview.ts';
import type { Clock, LoadedEntry } from '../core/ports.ts';
import type { Input, Now, Reply, RequestId } from '../core/steps.ts';
import type { FederationView } from '../core/views.ts';
import { DeadLetters, type Operators } from './dead-letters.ts';
import { FederationWatch } from './federation-watch.ts';
import { Histories, HISTORY_QUESTION } from './histories.ts';
import { OwnDeadLetters } from './own-dead-letters.ts';
import { type Buckets, OwnFigures } from './own-figures.ts';
import type { Questions } from './questions.ts';
import { type CanaryReport, type MesherReport, OVERVIEW_QUESTION } from './report.ts';
import type { TopicCounts } from './topic-counts.ts';

export interface ObservatoryPorts {
  readonly core: MesherCore;
  readonly questions: Questions;
  readonly clock: Clock;
  /** A whole number that nobody else knows. */
  readonly secret: number;
  /** Told of each step of the core. */
  readonly topics: TopicCounts;
  readonly loopDelay: Buckets;
  federation(): FederationView;
  notReady(): readonly string[];
  disk(): MesherReport['figures']['disk'];
  rssBytes(): number;
  /** Who may settle dead letters of this mesher. */
  readonly operators: Operators;
  /** As the journal does. */
  load(queue: number, blocks: readonly number[]): Promise<LoadedEntry[]>;
  /** Asks the core. */
  request(make: (request: RequestId) => Input): Promise<Reply>;
  /** What both ends of the link to a peer counted, as compared last; undefined: not compared yet. */
  ledger(peer: NodeId): LedgerVerdict | undefined;
  /** Probes that this mesher sent to other clusters. */
  canaries(): readonly CanaryReport[];
  /** Something could not be shown: it is looked at again all the same. */
  fault(error: unknown): void;
}

export class Observatory {
  readonly #ports: ObservatoryPorts;
  readonly #figures: OwnFigures;
  readonly #watch: FederationWatch;
  readonly #histories: Histories;
  readonly deadLetters: DeadLetters;

  constructor(ports: ObservatoryPorts) {
    this.#ports = ports;
    const { core, questions, clock } = ports;
    this.#figures = new OwnFigures(ports);
    this.#watch = new FederationWatch({
      clock,
      secret: ports.secret,
      federation: () => ports.federation(),
      linkTo: (node) => {
        const link = core.links.get(node);
        if (!link) return undefined;
        const sinceMs = clock.monotonic() - link.since;
        return { state: link.up ? 'up' : 'down', reason: link.reason, sinceMs };
      },
      statusSince: (node) => {
        const changedAt = core.members.get(node)?.changedAt;
        return changedAt === undefined ? undefined : Math.round(clock.wall() - clock.monotonic() + changedAt);
      },
      own: () => this.#figures.report(this.#now()),
      ask: (node) => questions.ask(node, OVERVIEW_QUESTION, {}),
      fault: (error) => ports.fault(error),
    });
    this.#histories = new Histories({
      clock,
      self: core.node,
      members: () => ports.federation().members,
      own: ({ of, name }) => this.#figures.history(of, name, this.#now()),
      ask: (node, asked) => questions.ask(node, HISTORY_QUESTION, asked),
    });
    const now = (): number => clock.monotonic();
    this.deadLetters = new DeadLetters({
      self: core.node,
      cluster: core.cluster,
      operators: ports.operators,
      own: new OwnDeadLetters({
        deadLetters: () => core.subscriptions.deadLetters(),
        load: (queue, blocks) => ports.load(queue, blocks),
        request: (make) => ports.request(make),
        now,
      }),
      questions,
      members: () => ports.federation().members,
      now,
    });
    questions.on(OVERVIEW_QUESTION, () => this.#figures.report(this.#now()));
    questions.on(HISTORY_QUESTION, (_peer, { of, name }) => {
      const series = this.#figures.history(of, name, this.#now());
      return series ? { series } : {};
    });
  }

  #now(): Now {
    const { clock } = this.#ports;
    return { wall: clock.wall(), monotonic: clock.monotonic() };
  }

  /** Samples until `signal` aborts, and shows nothing more then. */
  start(signal: AbortSignal): void {
    this.#figures.start(
      () => this.#now(),
      signal,
      (error) => this.#ports.fault(error),
    );
    signal.addEventListener('abort', () => this.#watch.stop(), { once: true });
  }

  overview(): Promise<Overview> {
    return this.#watch.overview();
  }

  watch(shown: (json: string) => void): () => void {
    return this.#watch.watch(shown);
  }

  history(of: HistoryView['of'], name: string): Promise<HistoryView> {
    return this.#histories.history(of, name);
  }
}
