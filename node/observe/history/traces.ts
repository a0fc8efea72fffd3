// The traces of one mesher: looks on at its core's steps, takes note of refusals and dead letters on disk, answers for itself and asks
// the others.

import { MeshError, type ErrorCode } from '../../core/errors.ts';
import type { Fate, FateKind } from '../../core/fates.ts';
import type { MesherCore } from '../../core/mesher-core.ts';
import type { TraceView } from '../../core/overview.ts';
import type { Effect, Input, Now } from '../../core/steps.ts';
import type { Questions } from '../questions.ts';
import { EventHash } from './event-hash.ts';
import { EventHistory } from './event-history.ts';
import { type Named, namesOf } from '../../wire/event-names.ts';
import { traceHere } from './local-trace.ts';
import { TraceLog, type TraceLogPorts } from './trace-log.ts';
import { Tracer } from './tracer.ts';
import { traceQuestion } from './trace-question.ts';

export interface TracesOptions {
  /** Events remembered; 0: nothing is, and nothing is asked or answered. */
  readonly events: number;
  /** Of what is kept on disk. */
  readonly folder: string;
}

export interface TracesPorts extends TraceLogPorts {
  readonly questions: Questions;
  readonly now: () => Now;
  readonly random: () => number;
}

/** Of one request: of a larger one the others' are not noted. */
const REFUSED_NOTED_MAX = 1_000;

export class Traces {
  readonly #options: TracesOptions;
  readonly #ports: TracesPorts;
  readonly #log: TraceLog;
  /** Of what goes to disk with the next batch, and with the one that is being written: a crash may undo it until then. */
  #next: string[] = [];
  #writing: { readonly batch: number; readonly lines: readonly string[] } | undefined;
  #running: { readonly history: EventHistory; readonly tracer: Tracer } | undefined;

  constructor(options: TracesOptions, ports: TracesPorts) {
    this.#options = options;
    this.#ports = ports;
    this.#log = new TraceLog(options.folder, ports);
    if (options.events === 0) ports.questions.on(traceQuestion, () => Promise.reject(off()));
  }

  /** The core is there, and has not stepped yet. Returns who is to look on; undefined: nobody. */
  start(core: MesherCore): Traces | undefined {
    const { events } = this.#options;
    if (events === 0) return undefined;
    const { questions, now, random } = this.#ports;
    const { node, incarnation } = core;
    const clusterOf = (peer: string): string | undefined => core.members.clusterOf(peer);
    const hash = new EventHash(random);
    const history = new EventHistory({ node, incarnation, events, hash, clusterOf });
    for (const { queue } of core.subscriptions.all()) history.named(queue.id, queue.name);
    for (const { id, name } of core.forwarder.queues()) history.named(id, name);
    const local = { history, log: this.#log, core, now };
    const tracer = new Tracer({ questions, core, now, here: (event) => traceHere(local, event) });
    this.#running = { history, tracer };
    return this;
  }

  stepped(inputs: readonly Input[], effects: readonly Effect[], now: Now): void {
    this.#running?.history.stepped(inputs, effects, now);
    for (const input of inputs) if (input.kind === 'appended') this.#appended(input.batch);
    for (const effect of effects) if (effect.kind === 'fate') this.#fate(effect, now.wall);
    for (const effect of effects) {
      if (effect.kind !== 'append') continue;
      this.#writing = { batch: effect.batch, lines: this.#next };
      this.#next = [];
    }
  }

  #fate({ what, reason, to, attempt, event }: Fate, at: number): void {
    if (!isOfDeadLetter(what, reason)) return;
    const isAsked = what === 'redriven' || reason === 'dead-letter-dropped';
    const hop = { at, what, peer: '', subscription: to, reason, attempt };
    const line = this.#log.line(namesOf(event), hop, isAsked);
    if (line !== undefined) this.#next.push(line);
  }

  #appended(batch: number): void {
    if (this.#writing?.batch !== batch) return;
    for (const line of this.#writing.lines) this.#log.write(line);
    this.#writing = undefined;
  }

  /** The front door took nothing of a request. */
  refused(events: readonly Named[], code: ErrorCode): void {
    if (this.#options.events === 0) return;
    const at = this.#ports.now().wall;
    for (const event of events.slice(0, REFUSED_NOTED_MAX)) {
      this.#running?.history.refused(event.source, event.id, code, at);
      const hop = { at, what: 'refused', peer: '', subscription: '', reason: code, attempt: 0 } as const;
      this.#log.write(this.#log.line(event, hop));
    }
  }

  /** A subscriber that nothing is kept for could not be given the event. */
  undecodable(event: Parameters<typeof namesOf>[0]): void {
    this.#running?.history.dropped(event, 'undecodable', this.#ports.now().wall);
  }

  /** Throws `not-found` where it is turned off, `not-ready` as long as the mesher is starting. */
  async trace(event: Named): Promise<TraceView> {
    if (this.#options.events === 0) throw off();
    if (!this.#running) throw new MeshError('not-ready', 'this mesher is still starting; try again shortly');
    return this.#running.tracer.trace(event);
  }

  /** What was noted is written. */
  close(): Promise<void> {
    return this.#log.close();
  }
}

/** What is told of dead letters is told after a restart, too: they wait for people. */
function isOfDeadLetter(what: FateKind, reason: string): boolean {
  if (what === 'dropped') return reason === 'dead-letter-dropped' || reason === 'dead-letter-rejected';
  return what === 'dead-lettered' || what === 'redriven';
}

function off(): MeshError {
  return new MeshError(
    'not-found',
    'this mesher remembers no events: set trace.events above 0 to have traces',
  );
}
