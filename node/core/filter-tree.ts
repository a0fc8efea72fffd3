// Finds the filters that match a topic: a tree of levels, one node per distinct prefix of filters, so that the cost
// of a match grows with the topic's levels and wildcards, not with the number of filters.

class Level<V> {
  exact: Map<string, Level<V>> | undefined;
  plus: Level<V> | undefined;
  /** Values of filters that end here. */
  here: V[] | undefined;
  /** Values of filters that end here with `#`. */
  rest: V[] | undefined;
}

export class FilterTree<V> {
  #root = new Level<V>();
  #size = 0;

  /** Number of (filter, value) pairs. */
  get size(): number {
    return this.#size;
  }

  /** The caller adds a pair once only. */
  add(filter: string, value: V): void {
    let level = this.#root;
    const names = filter.split('/');
    const last = names.length - 1;
    for (let i = 0; i <= last; i++) {
      const name = names[i] ?? '';
      if (name === '#') {
        (level.rest ??= []).push(value);
        this.#size++;
        return;
      }
      level = name === '+' ? (level.plus ??= new Level()) : child(level, name);
    }
    (level.here ??= []).push(value);
    this.#size++;
  }

  /** False when the pair was not there. Empty branches are cut off. */
  remove(filter: string, value: V): boolean {
    const names = filter.split('/');
    const way: { level: Level<V>; name: string }[] = [];
    let level = this.#root;
    let inRest = false;
    for (const name of names) {
      if (name === '#') {
        inRest = true;
        break;
      }
      const next = name === '+' ? level.plus : level.exact?.get(name);
      if (!next) return false;
      way.push({ level, name });
      level = next;
    }
    const values = inRest ? level.rest : level.here;
    const at = values?.indexOf(value) ?? -1;
    if (!values || at < 0) return false;
    const lastValue = values.pop();
    if (at < values.length && lastValue !== undefined) values[at] = lastValue;
    if (values.length === 0) {
      if (inRest) level.rest = undefined;
      else level.here = undefined;
    }
    this.#size--;
    for (let i = way.length - 1; i >= 0 && isEmpty(level); i--) {
      const step = way[i];
      if (!step) break;
      if (step.name === '+') step.level.plus = undefined;
      else {
        step.level.exact?.delete(step.name);
        if (step.level.exact?.size === 0) step.level.exact = undefined;
      }
      level = step.level;
    }
    return true;
  }

  /** All values whose filter matches; a value is given once per matching filter. */
  match(topic: string): V[] {
    const found: V[] = [];
    const names = topic.split('/');
    if (topic.startsWith('$')) {
      // internal topics are not caught by a wildcard in the first level [MQTT-4.7.2-1]
      const named = this.#root.exact?.get(names[0] ?? '');
      if (named) walk(named, names, 1, found);
    } else {
      walk(this.#root, names, 0, found);
    }
    return found;
  }
}

function child<V>(level: Level<V>, name: string): Level<V> {
  const children = (level.exact ??= new Map<string, Level<V>>());
  let next = children.get(name);
  if (!next) {
    next = new Level<V>();
    children.set(name, next);
  }
  return next;
}

function isEmpty<V>(level: Level<V>): boolean {
  return !level.exact && !level.plus && !level.here && !level.rest;
}

function walk<V>(level: Level<V>, names: readonly string[], at: number, found: V[]): void {
  if (level.rest) for (const value of level.rest) found.push(value);
  const name = names[at];
  if (name === undefined) {
    if (level.here) for (const value of level.here) found.push(value);
    return;
  }
  const exact = level.exact?.get(name);
  if (exact) walk(exact, names, at + 1, found);
  if (level.plus) walk(level.plus, names, at + 1, found);
}
