// Dead letters that fit a filter, page after page, as they are asked for.

import { useEffect, useState } from 'preact/hooks';
import type { DeadLettersView, DeadLetterView } from '../../core/overview.ts';
import { api, LETTERS_PER_PAGE, LETTERS_PER_PAGE_MAX, type LetterFilter, Problem } from './api.ts';

export interface Letters {
  readonly rows: readonly DeadLetterView[];
  /** In all that fit the filter; undefined: not known without reading all of them. */
  readonly total: number | undefined;
  readonly silent: DeadLettersView['silent'];
  readonly problem: Problem | undefined;
  readonly pending: boolean;
  readonly hasMore: boolean;
  /** Adds the next page. */
  more(): void;
  /** From the first page again. */
  reload(): void;
}

type Pages = readonly DeadLettersView[];

export function useLetters(filter: LetterFilter): Letters {
  const key = JSON.stringify(filter);
  const [pages, setPages] = useState<{ readonly key: string; readonly list: Pages }>({ key: '', list: [] });
  const [problem, setProblem] = useState<Problem | undefined>(undefined);
  /** Pages wanted, and how often all were asked for anew. */
  const [wanted, setWanted] = useState({ key, count: 1, round: 0 });
  const count = wanted.key === key ? wanted.count : 1;
  const list = pages.key === key ? pages.list : [];
  useEffect(() => {
    const abort = new AbortController();
    const from = list.length < count ? list : [];
    const load = async (): Promise<void> => {
      const loaded = [...from];
      // A page may be empty and not the last.
      const isLacking = (): boolean => loaded.length < count || loaded.at(-1)?.letters.length === 0;
      while (isLacking() && loaded.at(-1)?.next !== '')
        loaded.push(await api.letters(filter, loaded.at(-1)?.next ?? '', LETTERS_PER_PAGE, abort.signal));
      setPages({ key, list: loaded });
      setProblem(undefined);
    };
    load().catch((error: unknown) => {
      if (abort.signal.aborted) return;
      setProblem(error instanceof Problem ? error : new Problem('This page has a fault', String(error), ''));
    });
    return () => abort.abort();
  }, [key, count, wanted.round]);
  const last = list.at(-1);
  const rows = list.flatMap(({ letters }) => letters);
  const { cluster: _, ...rest } = filter;
  // The mesher's total knows of clusters, and of no other filter.
  const isTotal = Object.values(rest).every((value) => value === '');
  return {
    rows,
    total: last?.next === '' ? rows.length : isTotal ? last?.total : undefined,
    silent: last?.silent ?? [],
    problem,
    pending: pages.key !== key && problem === undefined,
    hasMore: (last?.next ?? '') !== '',
    more: () => setWanted({ key, count: list.length + 1, round: wanted.round }),
    reload: () => setWanted({ key, count: 1, round: wanted.round + 1 }),
  };
}

export interface Count {
  readonly count: number;
  /** There are more, and they were not counted. */
  readonly more: boolean;
}

/** After so many nobody waits for the rest. */
const COUNTED_MAX = 10_000;

/** How many fit, by reading them. */
export async function countLetters(filter: Partial<LetterFilter>, signal: AbortSignal): Promise<Count> {
  let count = 0;
  let after: string | undefined = '';
  while (after !== undefined && count < COUNTED_MAX) {
    const page: DeadLettersView = await api.letters(filter, after, LETTERS_PER_PAGE_MAX, signal);
    count += page.letters.length;
    after = page.next === '' ? undefined : page.next;
  }
  return { count, more: after !== undefined };
}
