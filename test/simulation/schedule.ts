// Virtual time: what is to happen, ordered by time, then by when it was asked for. Nothing else moves the clock.

interface Due {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class Schedule {
  /** Virtual ms since the run began. */
  now = 0;
  /** Things that have happened. */
  count = 0;
  readonly #heap: Due[] = [];
  #order = 0;

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run);
  }

  at(time: number, run: () => void): void {
    const due: Due = { at: Math.max(time, this.now), order: this.#order++, run };
    const heap = this.#heap;
    let at = heap.push(due) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (!above || !isBefore(due, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = due;
  }

  /** Lets everything happen up to `time`, or until `done` says so (asked after each thing). */
  runUntil(time: number, done: () => boolean = () => false): void {
    for (let next = this.#heap[0]; next && next.at <= time; next = this.#heap[0]) {
      this.#pop();
      this.now = next.at;
      this.count++;
      next.run();
      if (done()) return;
    }
    this.now = Math.max(this.now, time);
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (!last || heap.length === 0) return;
    let at = 0;
    for (;;) {
      const left = at * 2 + 1;
      const a = heap[left];
      if (!a) break;
      const b = heap[left + 1];
      const child = b && isBefore(b, a) ? left + 1 : left;
      const smallest = heap[child];
      if (!smallest || !isBefore(smallest, last)) break;
      heap[at] = smallest;
      at = child;
    }
    heap[at] = last;
  }
}

function isBefore(a: Due, b: Due): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
