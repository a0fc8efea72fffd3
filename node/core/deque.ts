// A queue open at both ends. Taking from the front is O(1): the array is cut only when half of it is behind the head.

export class Deque<T> {
  #items: (T | undefined)[] = [];
  #head = 0;

  get size(): number {
    return this.#items.length - this.#head;
  }

  pushBack(item: T): void {
    this.#items.push(item);
  }

  pushFront(item: T): void {
    if (this.#head > 0) this.#items[--this.#head] = item;
    else this.#items.unshift(item);
  }

  /** Puts `items` before all others, in their order. */
  pushAllFront(items: readonly T[]): void {
    if (items.length > this.#head) {
      // one move of all, instead of one for each
      this.#items = [...items, ...this];
      this.#head = 0;
      return;
    }
    for (let i = items.length - 1; i >= 0; i--) {
      const item = items[i];
      if (item !== undefined) this.pushFront(item);
    }
  }

  clear(): void {
    this.#items = [];
    this.#head = 0;
  }

  /** From the front, from 0. */
  at(index: number): T | undefined {
    return this.#items[this.#head + index];
  }

  front(): T | undefined {
    return this.#items[this.#head];
  }

  popFront(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#head];
    this.#items[this.#head++] = undefined;
    if (this.#head > 64 && this.#head * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#head);
      this.#head = 0;
    }
    return item;
  }

  /** Takes out the first that satisfies `wanted`. O(size). */
  take(wanted: (item: T) => boolean): T | undefined {
    for (let i = this.#head; i < this.#items.length; i++) {
      const item = this.#items[i];
      if (item === undefined || !wanted(item)) continue;
      this.#items.splice(i, 1);
      return item;
    }
    return undefined;
  }

  *[Symbol.iterator](): Iterator<T> {
    for (let i = this.#head; i < this.#items.length; i++) {
      const item = this.#items[i];
      if (item !== undefined) yield item;
    }
  }
}
