// Orders of tables.

/** Undefined is not known, and comes last in either order. */
export type SortValue = number | string | undefined;

const names = new Intl.Collator('en', { numeric: true });

export function compareCells(one: SortValue, other: SortValue, descending: boolean): number {
  if (one === undefined || other === undefined)
    return Number(one === undefined) - Number(other === undefined);
  const ascending =
    typeof one === 'number' && typeof other === 'number'
      ? one - other
      : names.compare(String(one), String(other));
  return descending ? -ascending : ascending;
}

/** True where each word of the search is in one of the texts, in any case of letters. */
export function matchesSearch(search: string, texts: readonly string[]): boolean {
  const within = texts.join('\n').toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => within.includes(word));
}
