// The last hour of a mesher, a subscription, a topic or a cluster: asked of whoever has it. Steps are taken to end together on all
// meshers: their clocks differ by less than a step, or a picture is a step off.

import Type, { type Static } from 'typebox';
import { MeshError } from '../core/errors.ts';
import type { NodeId } from '../core/event.ts';
import type { HistorySeries, HistoryView } from '../core/overview.ts';
import type { Clock } from '../core/ports.ts';
import type { MemberView } from '../core/views.ts';
import { ASKING_MAX, HISTORY_BYTES_MAX, HISTORY_STEP_MS, HISTORY_STEPS } from './bounds.ts';
import { stepOf, sumSeries } from './history.ts';
import type { Question } from './questions.ts';
import { someAtATime } from './some-at-a-time.ts';

const Asked = Type.Object({
  of: Type.Union([Type.Literal('mesher'), Type.Literal('topic'), Type.Literal('subscription')]),
  name: Type.String({ maxLength: 4_096 }),
});

const Told = Type.Object({
  /** Left out: nothing is known of this name. */
  series: Type.Optional(
    Type.Array(
      Type.Object({
        name: Type.String({ maxLength: 64 }),
        unit: Type.Union([
          Type.Literal('events/s'),
          Type.Literal('ms'),
          Type.Literal('events'),
          Type.Literal('bytes'),
        ]),
        values: Type.Array(Type.Union([Type.Number(), Type.Null()]), { maxItems: HISTORY_STEPS }),
      }),
      { maxItems: 32 },
    ),
  ),
});

export const HISTORY_QUESTION: Question<typeof Asked, typeof Told> = {
  kind: 'history',
  asked: Asked,
  told: Told,
  toldBytesMax: HISTORY_BYTES_MAX,
};

export type HistoryAsked = Static<typeof Asked>;

export interface HistoriesPorts {
  readonly clock: Clock;
  readonly self: NodeId;
  /** Throws `not-ready`. */
  members(): readonly Pick<MemberView, 'node' | 'cluster'>[];
  own(asked: HistoryAsked): HistorySeries[] | undefined;
  ask(node: NodeId, asked: HistoryAsked): Promise<Static<typeof Told>>;
}

type Series = readonly HistorySeries[];

export class Histories {
  readonly #ports: HistoriesPorts;

  constructor(ports: HistoriesPorts) {
    this.#ports = ports;
  }

  /** `name` of a subscription: `<mesher>/<name>`. Rejects with `not-found`, `mesher-unreachable`, `not-ready`. */
  async history(of: HistoryView['of'], name: string): Promise<HistoryView> {
    const until = (stepOf(this.#ports.clock.wall()) + 1) * HISTORY_STEP_MS;
    return { of, name, until, stepMs: HISTORY_STEP_MS, series: await this.#series(of, name) };
  }

  async #series(of: HistoryView['of'], name: string): Promise<Series> {
    const members = this.#ports.members();
    switch (of) {
      case 'mesher':
        return this.#ofOne(name, { of, name: '' }, `mesher ${name}`);
      case 'subscription': {
        const slash = name.indexOf('/');
        const asked = { of, name: name.slice(slash + 1) };
        return this.#ofOne(name.slice(0, Math.max(0, slash)), asked, `subscription ${name}`);
      }
      case 'topic':
        return this.#ofAll(members, { of, name }, `topic ${name}`);
      case 'cluster':
        return this.#ofAll(
          members.filter(({ cluster }) => cluster === name),
          { of: 'mesher', name: '' },
          `cluster ${name}`,
        );
    }
  }

  async #ofOne(node: NodeId, asked: HistoryAsked, what: string): Promise<Series> {
    if (!this.#ports.members().some((member) => member.node === node)) throw nothingOf(what);
    try {
      const series = await this.#askOne(node, asked);
      if (series) return series;
    } catch (error) {
      throw unreachable(what, error);
    }
    throw nothingOf(what);
  }

  async #ofAll(
    members: readonly Pick<MemberView, 'node'>[],
    asked: HistoryAsked,
    what: string,
  ): Promise<Series> {
    if (members.length === 0) throw nothingOf(what);
    const outcomes = await someAtATime(ASKING_MAX, members, ({ node }) => this.#askOne(node, asked));
    const told = outcomes.flatMap((one) => (one.status === 'fulfilled' && one.value ? [one.value] : []));
    if (told.length > 0) return sumSeries(told);
    const failed = outcomes.find((one) => one.status === 'rejected');
    const answered = outcomes.some((one) => one.status === 'fulfilled');
    throw failed && !answered ? unreachable(what, failed.reason) : nothingOf(what);
  }

  async #askOne(node: NodeId, asked: HistoryAsked): Promise<Series | undefined> {
    if (node === this.#ports.self) return this.#ports.own(asked);
    return (await this.#ports.ask(node, asked)).series;
  }
}

function nothingOf(what: string): MeshError {
  return new MeshError('not-found', `nothing is known of ${what.slice(0, 200)} in the last hour`);
}

function unreachable(what: string, cause: unknown): MeshError {
  const why = cause instanceof Error ? cause.message : String(cause);
  return new MeshError('mesher-unreachable', `${what.slice(0, 200)} cannot be asked: ${why}`, { cause });
}
