// Requests to the mesher that served this page. What it refuses is a Problem, with the mesher's own words.

import type {
  DeadLettersView,
  DeadLetterView,
  HistoryView,
  LedgerView,
  Overview,
  TraceView,
} from '../../core/overview.ts';
import type { RoutesView } from '../../core/views.ts';

/** RFC 9457 problem details as a mesher sends them, or what stands for them where no answer came. */
export class Problem extends Error {
  override readonly name = 'Problem';
  readonly title: string;
  readonly detail: string;
  /** '' where the mesher did not answer. */
  readonly code: string;

  constructor(title: string, detail: string, code: string) {
    super(detail === '' ? title : `${title}: ${detail}`);
    this.title = title;
    this.detail = detail;
    this.code = code;
  }
}

export interface LetterFilter {
  readonly cluster: string;
  readonly subscription: string;
  readonly topic: string;
  readonly source: string;
}

export type LetterName = DeadLetterView['at'];

export type LettersChosen =
  { readonly letters: readonly LetterName[] } | { readonly filter: Partial<LetterFilter> };

/** An event in the CloudEvents JSON format. */
export type CloudEventJson = Readonly<Record<string, unknown>>;

export interface Settled {
  readonly done: number;
  readonly failed: readonly { readonly mesher: string; readonly why: string }[];
}

export const LETTERS_PER_PAGE = 50;
/** In one answer, and named in one request. */
export const LETTERS_PER_PAGE_MAX = 200;
const LETTERS_NAMED_MAX = 1_000;

export const api = {
  overview: (signal: AbortSignal) => get<Overview>('/v1/overview', {}, signal),
  history: (of: HistoryView['of'], name: string, signal: AbortSignal) =>
    get<HistoryView>('/v1/overview/history', { of, name }, signal),
  trace: (source: string, id: string, signal: AbortSignal) =>
    get<TraceView>('/v1/trace', { source, id }, signal),
  routes: (topic: string, signal: AbortSignal) => get<RoutesView>('/v1/routes', { topic }, signal),
  ledger: (signal: AbortSignal) => get<LedgerView>('/v1/ledger', {}, signal),
  letters: (filter: Partial<LetterFilter>, after: string, limit: number, signal: AbortSignal) =>
    get<DeadLettersView>('/v1/dead-letters', { ...given(filter), after, limit: String(limit) }, signal),
  letter: ({ mesher, token }: LetterName, signal: AbortSignal) =>
    get<{ readonly letter: DeadLetterView; readonly event: CloudEventJson }>(
      `/v1/dead-letters/${encodeURIComponent(mesher)}/${encodeURIComponent(token)}`,
      {},
      signal,
    ),
  settle: async (how: 'redrive' | 'drop', which: LettersChosen): Promise<Settled> => {
    const sum = { done: 0, failed: [] as Settled['failed'][number][] };
    for (const part of inParts(which)) {
      const { done, failed } = await request<Settled>(`/v1/dead-letters/${how}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify(part),
      });
      sum.done += done;
      sum.failed.push(...failed);
    }
    return sum;
  },
};

function inParts(which: LettersChosen): readonly LettersChosen[] {
  if ('filter' in which) return [which];
  const parts = Math.ceil(which.letters.length / LETTERS_NAMED_MAX);
  return Array.from({ length: parts }, (_, at) => ({
    letters: which.letters.slice(at * LETTERS_NAMED_MAX, (at + 1) * LETTERS_NAMED_MAX),
  }));
}

/** Without what was left empty. */
export function given(fields: object): Record<string, string> {
  return Object.fromEntries(
    Object.entries(fields).filter(
      (field): field is [string, string] => typeof field[1] === 'string' && field[1] !== '',
    ),
  );
}

async function get<T>(
  path: string,
  query: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<T> {
  const search = new URLSearchParams(Object.entries(given(query))).toString();
  return request<T>(search === '' ? path : `${path}?${search}`, { signal });
}

async function request<T>(path: string, init: RequestInit): Promise<T> {
  let response: Response;
  try {
    response = await fetch(path, init);
  } catch (error) {
    if (init.signal?.aborted === true) throw error;
    throw new Problem('The mesher does not answer', 'It may be stopped, or not be reachable from here.', '');
  }
  if (!response.ok) throw await problemOf(response);
  return (await response.json()) as T;
}

async function problemOf(response: Response): Promise<Problem> {
  const body: unknown = await response.json().catch(() => undefined);
  const { title, detail, code } = (typeof body === 'object' && body !== null ? body : {}) as Record<
    string,
    unknown
  >;
  return new Problem(
    typeof title === 'string' ? title : `The mesher answered ${response.status}`,
    typeof detail === 'string' ? detail : response.statusText,
    typeof code === 'string' ? code : '',
  );
}
