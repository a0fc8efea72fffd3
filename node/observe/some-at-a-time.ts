/** As `Promise.allSettled` of `work` on each, with at most `max` of them under way. */
export async function someAtATime<T, R>(
  max: number,
  list: readonly T[],
  work: (one: T) => Promise<R>,
): Promise<PromiseSettledResult<R>[]> {
  const outcomes: PromiseSettledResult<R>[] = [];
  const waiting = list.entries();
  const turn = async (): Promise<void> => {
    for (const [at, one] of waiting) {
      const [outcome] = await Promise.allSettled([work(one)]);
      outcomes[at] = outcome;
    }
  };
  await Promise.all(Array.from({ length: Math.min(max, list.length) }, turn));
  return outcomes;
}
