// Answers "what became of this event?" for the whole federation: asks this mesher, then those that the way names, then all others that
// are linked, and makes one list of what they say. A mesher speaks for itself alone: each hop is shown as its own.

import type { NodeId } from '../../core/event.ts';
import type { MesherCore } from '../../core/mesher-core.ts';
import type { TraceHop, TraceView } from '../../core/overview.ts';
import type { Now } from '../../core/steps.ts';
import type { Questions } from '../questions.ts';
import type { Named } from '../../wire/event-names.ts';
import { orderHops } from './hop-order.ts';
import { type LocalTrace, traceQuestion } from './trace-question.ts';
import { verdictOf } from './verdict.ts';
import { clock } from './waiting.ts';

export interface TracerPorts {
  readonly questions: Questions;
  readonly core: MesherCore;
  readonly here: (event: Named) => Promise<LocalTrace>;
  readonly now: () => Now;
}

/** Asked at the same time. */
const UNDER_WAY_MAX = 8;
/** Asked in all, besides those that the way names. */
const ASKED_MAX = 128;
const NAMED_MAX = 64;
/** Shown of silent meshers. */
const SILENT_MAX = 128;
const PATIENCE_MS = 5_000;

interface Told {
  readonly node: NodeId;
  readonly cluster: string;
  readonly trace: LocalTrace;
}

export class Tracer {
  readonly #ports: TracerPorts;

  constructor(ports: TracerPorts) {
    this.#ports = ports;
    ports.questions.on(traceQuestion, (_peer, event) => ports.here(event));
  }

  async trace(event: Named): Promise<TraceView> {
    const { core } = this.#ports;
    const told: Told[] = [{ node: core.node, cluster: core.cluster, trace: await this.#ports.here(event) }];
    const silent = new Map<NodeId, string>();
    await this.#along(event, told, silent);
    await this.#others(event, told, silent);
    const hops = orderHops(told.map(hopsOf));
    const waits = told.flatMap(({ node, cluster, trace }) =>
      trace.waits.map((why) => ({ mesher: node, cluster, why })),
    );
    const since = Math.max(...told.map(({ trace }) => trace.since));
    return {
      ...event,
      hops,
      verdict: verdictOf(hops, waits, since),
      waits,
      silent: [...silent].slice(0, SILENT_MAX).map(([mesher, why]) => ({ mesher, why })),
    };
  }

  /** From hop to hop, as long as they name somebody new. */
  async #along(event: Named, told: Told[], silent: Map<NodeId, string>): Promise<void> {
    for (let named = 0; named < NAMED_MAX;) {
      const next = new Set<NodeId>();
      for (const { trace } of told)
        for (const { peer } of trace.hops) if (this.#isNew(peer, told, silent)) next.add(peer);
      if (next.size === 0) return;
      named += next.size;
      await this.#askAll([...next].slice(0, NAMED_MAX), event, told, silent);
    }
  }

  /** A member, and neither asked nor given up yet. */
  #isNew(node: NodeId, told: readonly Told[], silent: ReadonlyMap<NodeId, string>): boolean {
    return (
      !silent.has(node) &&
      this.#ports.core.members.get(node) !== undefined &&
      !told.some((one) => one.node === node)
    );
  }

  async #others(event: Named, told: Told[], silent: Map<NodeId, string>): Promise<void> {
    const { members } = this.#ports.core;
    const rest = [...members.all()]
      .filter(({ record, status }) => status !== 'dead' && this.#isNew(record.node, told, silent))
      .map(({ record }) => record.node);
    await this.#askAll(rest.slice(0, ASKED_MAX), event, told, silent);
    for (const node of rest.slice(ASKED_MAX)) silent.set(node, `not asked: ${ASKED_MAX} others were`);
  }

  async #askAll(
    nodes: readonly NodeId[],
    event: Named,
    told: Told[],
    silent: Map<NodeId, string>,
  ): Promise<void> {
    const left = nodes.values();
    const work = async (): Promise<void> => {
      for (const node of left) {
        try {
          told.push(await this.#ask(node, event));
        } catch (error) {
          silent.set(node, error instanceof Error ? error.message : String(error));
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(UNDER_WAY_MAX, nodes.length) }, work));
  }

  async #ask(node: NodeId, { source, id }: Named): Promise<Told> {
    const { core, questions, now } = this.#ports;
    const link = core.links.get(node);
    if (!link) throw new Error('there is no link to it');
    if (!link.up) {
      const since = now().wall - (now().monotonic - link.since);
      throw new Error(`the link to it is down since ${clock(since)}: ${link.reason}`);
    }
    const trace = await inTime(questions.ask(node, traceQuestion, { source, id }));
    return { node, cluster: core.members.clusterOf(node) ?? link.cluster, trace };
  }
}

function hopsOf({ node, cluster, trace }: Told): TraceHop[] {
  return trace.hops.map(({ at, what, peer, subscription, reason, attempt }) => ({
    at,
    mesher: node,
    cluster,
    what,
    peer,
    subscription,
    reason,
    attempt,
  }));
}

/** Somebody waits for the whole answer: one that hangs must not keep it. */
async function inTime<T>(work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(new Error(`it did not answer within ${PATIENCE_MS / 1_000} s`)),
      PATIENCE_MS,
    );
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
