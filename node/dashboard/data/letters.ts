// Dead letters that fit a filter, page after page, as they are asked for.

import { useEffect, useState } from 'preact/hooks';
import type { DeadLettersView, DeadLetterView } from '../../core/overview.ts';
import { api, type LetterFilter, Problem } from './api.ts';

export interface Letters {
  readonly rows: readonly DeadLetterView[];
  readonly total: number;
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
      while (loaded.length < count) {
        const last = loaded.at(-1);
        if (last?.next === '') break;
        loaded.push(await api.letters(filter, last?.next ?? '', abort.signal));
      }
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
  return {
    rows: list.flatMap(({ letters }) => letters),
    total: last?.total ?? 0,
    silent: last?.silent ?? [],
    problem,
    pending: pages.key !== key && problem === undefined,
    hasMore: (last?.next ?? '') !== '',
    more: () => setWanted({ key, count: list.length + 1, round: wanted.round }),
    reload: () => setWanted({ key, count: 1, round: wanted.round + 1 }),
  };
}
