// What views use of the world outside: the live overview, the time, the address, and answers to questions.

import { createContext } from 'preact';
import { useContext, useEffect, useState } from 'preact/hooks';
import type { Overview } from '../../core/overview.ts';
import { parseHash, type Route } from '../model/routes.ts';
import { Problem } from './api.ts';
import { type Live, LiveFeed } from './live-feed.ts';

export interface Federation {
  readonly overview: Overview;
  /** The time as the mesher has it: what the browser's clock says may be another. */
  readonly now: number;
}

export const FederationContext = createContext<Federation | undefined>(undefined);

/** Only below where there is an overview. */
export function useFederation(): Federation {
  const federation = useContext(FederationContext);
  if (federation === undefined) throw new Error('a view was shown before there was an overview');
  return federation;
}

export function useLive(): Live {
  const [live, setLive] = useState<Live>({ state: 'connecting', overview: undefined, receivedAt: 0 });
  useEffect(() => {
    const feed = new LiveFeed('/v1/overview/stream', setLive);
    return () => feed.close();
  }, []);
  return live;
}

/** Draws anew each second; ages go on while nothing comes. */
export function useMonotonic(): number {
  const [now, setNow] = useState(() => performance.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(performance.now()), 1_000);
    return () => clearInterval(timer);
  }, []);
  return now;
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseHash(location.hash));
  useEffect(() => {
    const changed = (): void => setRoute(parseHash(location.hash));
    addEventListener('hashchange', changed);
    return () => removeEventListener('hashchange', changed);
  }, []);
  return route;
}

export interface Answer<T> {
  readonly value: T | undefined;
  readonly problem: Problem | undefined;
  readonly pending: boolean;
}

const UNASKED = { value: undefined, problem: undefined, pending: false };

/**
 * Asks whenever `key` changes, and every `everyMs` where that is given; undefined: not at all. While it asks again for the same key
 * the earlier answer stands.
 */
export function useAnswer<T>(
  key: string | undefined,
  ask: (signal: AbortSignal) => Promise<T>,
  everyMs?: number,
): Answer<T> {
  const [answer, setAnswer] = useState<Answer<T> & { readonly key: string | undefined }>({
    ...UNASKED,
    key: undefined,
  });
  useEffect(() => {
    if (key === undefined) return undefined;
    const abort = new AbortController();
    const once = (): void => {
      ask(abort.signal).then(
        (value) => abort.signal.aborted || setAnswer({ value, problem: undefined, pending: false, key }),
        (error: unknown) => {
          if (abort.signal.aborted) return;
          const problem =
            error instanceof Problem ? error : new Problem('This page has a fault', String(error), '');
          setAnswer((last) => ({
            value: last.key === key ? last.value : undefined,
            problem,
            pending: false,
            key,
          }));
        },
      );
    };
    once();
    const timer = everyMs === undefined ? undefined : setInterval(once, everyMs);
    return () => {
      abort.abort();
      clearInterval(timer);
    };
  }, [key, everyMs]);
  if (key === undefined) return UNASKED;
  return answer.key === key ? answer : { ...UNASKED, pending: true };
}

/** Width in pixels of what the ref is given to, as it changes. */
export function useWidth(): readonly [number, (element: Element | null) => void] {
  const [width, setWidth] = useState(0);
  const [element, setElement] = useState<Element | null>(null);
  useEffect(() => {
    if (element === null) return undefined;
    const observer = new ResizeObserver(([entry]) => setWidth(Math.floor(entry?.contentRect.width ?? 0)));
    observer.observe(element);
    return () => observer.disconnect();
  }, [element]);
  return [width, setElement];
}
