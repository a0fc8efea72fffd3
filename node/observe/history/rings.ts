// Memory of fixed size for what happened last: rows of numbers, and texts, each in a ring where the newest takes the place of the
// oldest. Whoever reads says which row he means by its number, which counts up for ever.

/** Rows of `width` numbers. Memory is touched, and so taken, only as rows are written. */
export class Rows {
  readonly cells: Float64Array;
  readonly #width: number;
  readonly #capacity: number;
  /** Where the next row goes. */
  #cursor = 0;
  #count = 0;

  constructor(capacity: number, width: number) {
    this.cells = new Float64Array(capacity * width);
    this.#width = width;
    this.#capacity = capacity;
  }

  /** One above the number of the newest row. */
  get end(): number {
    return this.#count;
  }

  /** Number of the oldest row that is still there. */
  get start(): number {
    return Math.max(0, this.#count - this.#capacity);
  }

  /** Makes room for a row; returns where its cells begin. */
  push(): number {
    const at = this.#cursor;
    this.#cursor += this.#width;
    if (this.#cursor === this.cells.length) this.#cursor = 0;
    this.#count++;
    return at;
  }

  /** Where the cells of a row begin that is still there. */
  at(row: number): number {
    return (row % this.#capacity) * this.#width;
  }

  cell(row: number, column: number): number {
    return this.cells[this.at(row) + column] ?? 0;
  }
}

/** Few texts that come again and again: numbers stand for them in rows. */
export class Texts {
  readonly #texts: string[] = [];
  readonly #numbers = new Map<string, number>();
  readonly #capacity: number;
  #next = 1;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  /** 0 stands for ''. */
  numberOf(text: string): number {
    if (text === '') return 0;
    const known = this.#numbers.get(text);
    // what would soon be written over, and is still in use, is written anew
    if (known !== undefined && this.#next - known < this.#capacity / 2) return known;
    const number = this.#next++;
    const place = number % this.#capacity;
    const former = this.#texts[place];
    if (former !== undefined && this.#numbers.get(former) === number - this.#capacity)
      this.#numbers.delete(former);
    this.#texts[place] = text;
    this.#numbers.set(text, number);
    return number;
  }

  /** '' where it was written over. */
  textOf(number: number): string {
    if (number <= 0 || number >= this.#next || this.#next - number > this.#capacity) return '';
    return this.#texts[number % this.#capacity] ?? '';
  }
}
