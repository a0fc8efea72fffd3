// Dead letters of all meshers: each reads and settles its own, and whoever shows them asks. All members may look; who may redrive or drop them
// each mesher decides for its own, by the setting `dashboard.operators`: a member that lies must not drop what is not its own.

import Type, { type Static } from 'typebox';
import { MeshError } from '../core/errors.ts';
import type { NodeId } from '../core/event.ts';
import type { DeadLettersView, DeadLetterView } from '../core/overview.ts';
import type { MemberView } from '../core/views.ts';
import { ASKING_MAX } from './bounds.ts';
import { formatPageEnd, parsePageEnd } from './letter-places.ts';
import type { LetterFilter, LettersSettled, OwnDeadLetters, OwnLetter } from './own-dead-letters.ts';
import { type Question, type Questions, Refused } from './questions.ts';
import { someAtATime } from './some-at-a-time.ts';

export type Operators = 'federation' | 'cluster' | 'nobody';

export interface DeadLettersPorts {
  readonly self: NodeId;
  readonly cluster: string;
  readonly operators: Operators;
  readonly own: OwnDeadLetters;
  readonly questions: Questions;
  /** Throws `not-ready`. */
  members(): readonly Pick<MemberView, 'node' | 'cluster'>[];
  /** Monotonic, ms. */
  now(): number;
}

export interface LettersQuery extends LetterFilter {
  readonly cluster?: string;
  /** '' or a `next`. */
  readonly after: string;
  readonly limit: number;
}

export interface Settled {
  readonly done: number;
  /** Letters that are as they were, by mesher. */
  readonly failed: readonly { readonly mesher: NodeId; readonly why: string }[];
}

/** What is to be settled: some by name, or all that a filter matches. */
export type LettersChosen =
  | { readonly letters: readonly DeadLetterView['at'][] }
  | { readonly filter: LetterFilter & { readonly cluster?: string } };

const PAGE_MAX = 200;
export const TOKENS_MAX = 1_000;
/** How long one request goes on through what a filter matches, ms. */
const SETTLE_MS = 25_000;

const Token = Type.String({ maxLength: 40 });
const Name = Type.String({ maxLength: 256 });
const Text = Type.String({ maxLength: 4_096 });
const Whole = Type.Integer({ minimum: 0 });
/** Ids and sources are shown cut (own-dead-letters.ts), and may be filtered by as far as a question may be long. */
const Long = Type.String({ maxLength: 16_384 });
const Filter = {
  subscription: Type.Optional(Name),
  topic: Type.Optional(Text),
  source: Type.Optional(Long),
};
const Letter = Type.Object({
  token: Token,
  source: Long,
  id: Long,
  type: Long,
  topic: Text,
  subscription: Name,
  reason: Text,
  attempts: Whole,
  acceptedAt: Type.Number({ minimum: 0, maximum: 8.64e15 }),
  bytes: Whole,
});
const Asked = Type.Object({
  ...Filter,
  after: Token,
  limit: Type.Integer({ minimum: 0, maximum: PAGE_MAX }),
});
const Page = Type.Object({
  letters: Type.Array(Letter, { maxItems: PAGE_MAX }),
  total: Whole,
  next: Token,
});
const One = Type.Object({ letter: Letter, event: Type.String() });
const OneAsked = Type.Object({ token: Token });
const How = Type.Union([Type.Literal('redrive'), Type.Literal('drop')]);
const SettleAsked = Type.Object({
  how: How,
  tokens: Type.Optional(Type.Array(Token, { maxItems: TOKENS_MAX })),
  filter: Type.Optional(Type.Object({ ...Filter, after: Token })),
});
const SettleTold = Type.Object({
  done: Whole,
  left: Type.Array(Type.Object({ why: Text, count: Whole }), { maxItems: 100 }),
  next: Token,
});

export const LETTERS_QUESTION: Question<typeof Asked, typeof Page> = {
  kind: 'dead-letters',
  asked: Asked,
  told: Page,
};
export const LETTER_QUESTION: Question<typeof OneAsked, typeof One> = {
  kind: 'dead-letter',
  asked: OneAsked,
  told: One,
};
export const SETTLE_QUESTION: Question<typeof SettleAsked, typeof SettleTold> = {
  kind: 'settle-dead-letters',
  asked: SettleAsked,
  told: SettleTold,
};

type SettleAsk = Static<typeof SettleAsked>;

export class DeadLetters {
  readonly #ports: DeadLettersPorts;

  constructor(ports: DeadLettersPorts) {
    this.#ports = ports;
    const { questions, own } = ports;
    questions.on(LETTERS_QUESTION, (_peer, { after, limit, ...filter }) => own.page(filter, after, limit));
    questions.on(LETTER_QUESTION, (_peer, { token }) => own.one(token));
    questions.on(SETTLE_QUESTION, (peer, asked) => {
      this.#checkOperator(peer);
      return this.#settleOwn(asked);
    });
  }

  /** `undefined`: its own HTTP API. Throws `invalid-request`: a refusal that says who may. */
  #checkOperator(peer: NodeId | undefined): void {
    const { operators, cluster } = this.#ports;
    if (operators === 'nobody')
      throw new MeshError(
        'invalid-request',
        'nobody may redrive or drop its dead letters here (its dashboard.operators is nobody)',
      );
    if (peer === undefined || operators === 'federation') return;
    if (this.#clusterOf(peer) === cluster) return;
    throw new MeshError(
      'invalid-request',
      `only meshers of its cluster ${cluster} may redrive or drop its dead letters (its dashboard.operators is cluster); ask there`,
    );
  }

  #clusterOf(peer: NodeId): string | undefined {
    return this.#ports.members().find(({ node }) => node === peer)?.cluster;
  }

  // ─────────────────────────────────────────────────────────── looking

  /** Page by page, mesher after mesher, each with its oldest first. Rejects with `invalid-request`, `not-ready`. */
  async list({ cluster, after, limit, ...filter }: LettersQuery): Promise<DeadLettersView> {
    const end = after === '' ? undefined : parsePageEnd(after);
    if (after !== '' && !end)
      throw new MeshError('invalid-request', 'after is no `next` of a page; leave it out for the first page');
    const members = this.#ports
      .members()
      .filter((member) => cluster === undefined || member.cluster === cluster);
    const start = end ? members.findIndex(({ node }) => node === end.mesher) : 0;
    if (start < 0)
      throw new MeshError(
        'invalid-request',
        'after is of a mesher that is not among those asked for; begin with the first page',
      );
    const silent: { mesher: NodeId; why: string }[] = [];
    const totals = await this.#totals(members, silent);
    const letters: DeadLetterView[] = [];
    const sum = [...totals.values()].reduce((a, b) => a + b, 0);
    for (const [at, { node, cluster: its }] of members.entries()) {
      if (at < start || (totals.get(node) ?? 0) === 0) continue;
      const from = node === end?.mesher ? end.place : '';
      if (letters.length >= limit)
        return { letters, total: sum, next: formatPageEnd({ mesher: node, place: from }), silent };
      try {
        const page = await this.#page(node, filter, from, limit - letters.length);
        for (const { token, ...letter } of page.letters)
          letters.push({ at: { mesher: node, token }, cluster: its, ...letter });
        if (page.next !== '')
          return { letters, total: sum, next: formatPageEnd({ mesher: node, place: page.next }), silent };
      } catch (error) {
        silent.push({ mesher: node, why: whyOf(error) });
      }
    }
    return { letters, total: sum, next: '', silent };
  }

  async #totals(
    members: readonly Pick<MemberView, 'node'>[],
    silent: { mesher: NodeId; why: string }[],
  ): Promise<Map<NodeId, number>> {
    const totals = new Map<NodeId, number>();
    const outcomes = await someAtATime(ASKING_MAX, members, ({ node }) => this.#page(node, {}, '', 0));
    for (const [at, outcome] of outcomes.entries()) {
      const node = members[at]?.node ?? '';
      if (outcome.status === 'fulfilled') totals.set(node, outcome.value.total);
      else silent.push({ mesher: node, why: whyOf(outcome.reason) });
    }
    return totals;
  }

  #page(
    node: NodeId,
    filter: LetterFilter,
    after: string,
    limit: number,
  ): Promise<{ readonly letters: readonly OwnLetter[]; readonly total: number; readonly next: string }> {
    const { own, questions, self } = this.#ports;
    const asked = { ...filter, after, limit: Math.min(limit, PAGE_MAX) };
    return node === self
      ? own.page(filter, after, asked.limit)
      : questions.ask(node, LETTERS_QUESTION, asked);
  }

  /** `event`: in the JSON format of CloudEvents. Rejects with `not-found`, `mesher-unreachable`, `invalid-request`, `not-ready`. */
  async one(mesher: NodeId, token: string): Promise<{ letter: DeadLetterView; event: string }> {
    const { own, questions, self } = this.#ports;
    const cluster = this.#clusterOf(mesher);
    if (cluster === undefined) throw new MeshError('not-found', `there is no mesher ${mesher.slice(0, 128)}`);
    const whole =
      mesher === self
        ? await own.one(token)
        : await this.#asked(() => questions.ask(mesher, LETTER_QUESTION, { token }));
    const { token: its, ...letter } = whole.letter;
    return { letter: { at: { mesher, token: its }, cluster, ...letter }, event: jsonOf(whole.event) };
  }

  async #asked<T>(ask: () => Promise<T>): Promise<T> {
    try {
      return await ask();
    } catch (cause) {
      if (cause instanceof Refused) throw new MeshError('not-found', cause.message, { cause });
      throw new MeshError('mesher-unreachable', `the mesher cannot be asked: ${whyOf(cause)}`, { cause });
    }
  }

  // ─────────────────────────────────────────────────────────── settling

  /** Rejects with `invalid-request`, `not-ready`. Who refuses, or cannot be asked, is in `failed`. */
  async settle(how: 'redrive' | 'drop', chosen: LettersChosen): Promise<Settled> {
    const failed: { mesher: NodeId; why: string }[] = [];
    let done = 0;
    const asks = 'letters' in chosen ? this.#byMesher(chosen.letters) : this.#matching(chosen.filter);
    const until = this.#ports.now() + SETTLE_MS;
    await someAtATime(ASKING_MAX, asks, async ({ mesher, ...ask }) => {
      try {
        let next = '';
        do {
          const filter = ask.filter && { filter: { ...ask.filter, after: next } };
          const settled = await this.#settleAt(mesher, { how, ...ask, ...filter });
          done += settled.done;
          for (const { why, count } of settled.left)
            failed.push({ mesher, why: count === 1 ? why : `${count} letters: ${why}` });
          next = settled.next;
        } while (next !== '' && this.#ports.now() < until);
        if (next !== '') failed.push({ mesher, why: 'there are more; ask again for the rest' });
      } catch (error) {
        failed.push({ mesher, why: whyOf(error) });
      }
    });
    return { done, failed };
  }

  #byMesher(letters: readonly DeadLetterView['at'][]): (Omit<SettleAsk, 'how'> & { mesher: NodeId })[] {
    const byMesher = Map.groupBy(letters, ({ mesher }) => mesher);
    return [...byMesher].map(([mesher, list]) => ({ mesher, tokens: list.map(({ token }) => token) }));
  }

  #matching({
    cluster,
    ...filter
  }: LetterFilter & { readonly cluster?: string }): (Omit<SettleAsk, 'how'> & { mesher: NodeId })[] {
    return this.#ports
      .members()
      .filter((member) => cluster === undefined || member.cluster === cluster)
      .map(({ node }) => ({ mesher: node, filter: { ...filter, after: '' } }));
  }

  async #settleAt(node: NodeId, asked: SettleAsk): Promise<LettersSettled> {
    const { questions, self } = this.#ports;
    if (this.#clusterOf(node) === undefined) throw new Error('there is no such mesher');
    if (node !== self) return questions.ask(node, SETTLE_QUESTION, asked);
    this.#checkOperator(undefined);
    return this.#settleOwn(asked);
  }

  #settleOwn({ how, tokens, filter }: SettleAsk): Promise<LettersSettled> {
    const { own } = this.#ports;
    if (filter === undefined) return own.settle(how, tokens ?? []);
    const { after, ...rest } = filter;
    return own.settleMatching(how, rest, after);
  }
}

function whyOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** A peer's text is passed on as it is, where it is JSON. */
function jsonOf(text: string): string {
  try {
    JSON.parse(text);
    return text;
  } catch (cause) {
    throw new MeshError('mesher-unreachable', 'the mesher answered with an event that is no JSON', { cause });
  }
}
