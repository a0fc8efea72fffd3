// The interests of one record, in 256 buckets by hash of filter and group, and their digests. Buckets are arrays in the order
// in which they are digested (interest-lines.ts), and are never changed but replaced: an interest is found by halving, a digest
// needs no sorting, and what was given out stays what it was.

import { hash32 } from './event.ts';
import { compareNames, DIGEST_BYTES, digestOf, InterestLines, type InterestName } from './interest-lines.ts';
import type { Interest } from './messages.ts';

export const BUCKETS = 256;
const NOTHING: readonly never[] = [];

export function interestKey(filter: string, group: string): string {
  return `${filter}\u0000${group}`;
}

/** A bucket's place follows from the key alone, so that everybody agrees on it. */
export function bucketOf(key: string): number {
  return hash32(key) & (BUCKETS - 1);
}

/** Digests are kept up to date lazily. */
export class InterestSet<I extends Interest = Interest> {
  readonly #buckets = Array<readonly I[]>(BUCKETS).fill(NOTHING);
  /** Of buckets whose digest was made and which changed once since at most. */
  readonly #lines: (InterestLines | undefined)[] | undefined;
  /** One after the other. A bucket without interests has zeros. */
  readonly #digests = Buffer.alloc(BUCKETS * DIGEST_BYTES);
  /** Buckets whose digest is out of date. */
  readonly #stale = new Set<number>();
  #root: Uint8Array | undefined;
  #size = 0;

  /**
   * `keepsLines`: a change costs no more than its bucket's bytes moved and digested. For the own record, each version of
   * which is signed; others' are digested every few seconds, and are not worth the memory.
   */
  constructor(keepsLines = false) {
    if (keepsLines) this.#lines = Array.from({ length: BUCKETS }, () => undefined);
  }

  get size(): number {
    return this.#size;
  }

  get(filter: string, group: string): I | undefined {
    const bucket = this.bucket(bucketOf(interestKey(filter, group)));
    const place = placeOf(bucket, { filter, group });
    return place < 0 ? undefined : bucket[place];
  }

  /** Returns what filter and group held before. */
  set(interest: I): I | undefined {
    const index = bucketOf(interestKey(interest.filter, interest.group));
    const bucket = this.bucket(index);
    const place = placeOf(bucket, interest);
    if (place >= 0) {
      this.#replace(index, bucket.with(place, interest));
      this.#reline(index, place, 1, interest);
      return bucket[place];
    }
    this.#replace(index, bucket.toSpliced(~place, 0, interest));
    this.#reline(index, ~place, 0, interest);
    this.#size++;
    return undefined;
  }

  delete(filter: string, group: string): I | undefined {
    const index = bucketOf(interestKey(filter, group));
    const bucket = this.bucket(index);
    const place = placeOf(bucket, { filter, group });
    if (place < 0) return undefined;
    this.#replace(index, bucket.length === 1 ? NOTHING : bucket.toSpliced(place, 1));
    this.#reline(index, place, 1, undefined);
    this.#size--;
    return bucket[place];
  }

  /** All of one bucket, as `compareNames` orders them, none twice. */
  setBucket(index: number, interests: readonly I[]): void {
    this.#size += interests.length - this.bucket(index).length;
    this.#replace(index, interests.length === 0 ? NOTHING : interests);
    if (this.#lines) this.#lines[index] = undefined;
    this.#stale.add(index);
  }

  #replace(index: number, bucket: readonly I[]): void {
    this.#buckets[index] = bucket;
    this.#root = undefined;
  }

  /** One change is made in the lines; with more before the next digest, they had better be written anew. */
  #reline(index: number, place: number, removed: 0 | 1, interest: I | undefined): void {
    if (this.#lines) {
      if (this.#stale.has(index)) this.#lines[index] = undefined;
      else this.#lines[index]?.splice(place, removed, interest);
    }
    this.#stale.add(index);
  }

  /** It stays as it is. */
  bucket(index: number): readonly I[] {
    return this.#buckets[index] ?? NOTHING;
  }

  *all(): Iterable<I> {
    // most records are small, and most buckets empty: to enter one costs more than to look
    for (const bucket of this.#buckets) if (bucket.length > 0) yield* bucket;
  }

  /** Of all buckets, one after the other. Valid until the next change. */
  digests(): Uint8Array {
    for (const index of this.#stale) {
      const lines = this.#lines?.[index] ?? new InterestLines(this.bucket(index));
      if (this.#lines) this.#lines[index] = lines;
      this.#digests.set(lines.digest(), index * DIGEST_BYTES);
    }
    this.#stale.clear();
    return this.#digests;
  }

  root(): Uint8Array {
    this.#root ??= digestOf(this.digests());
    return this.#root;
  }
}

/** Independent of the order of `interests`. */
export function bucketDigest(interests: readonly Interest[]): Uint8Array {
  return new InterestLines(interests.toSorted(compareNames)).digest();
}

/** Where it is; where it is not, `~` of where it belongs, which is below 0. */
function placeOf(bucket: readonly InterestName[], wanted: InterestName): number {
  let low = 0;
  let high = bucket.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const other = bucket[middle];
    const order = other === undefined ? 1 : compareNames(other, wanted);
    if (order === 0) return middle;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return ~low;
}
