// Texts that come again and again, found by their bytes: to find one takes a quarter of the time of decoding it, and what is
// found takes no memory of its own. Of texts with the same hash the last one is known.

/** Topics that are busy at the same time; a power of two. */
const TEXTS_MAX = 256;
/** Longer ones are decoded each time: what a hostile peer has us remember stays below 200 KiB for each source. */
const TEXT_BYTES_MAX = 256;

interface Known {
  readonly bytes: Uint8Array;
  readonly text: string;
}

export class KnownTexts {
  /** As long as the last place that is taken: most are made for one block, and soon forgotten. */
  readonly #known: (Known | undefined)[] = [];

  /** The text of these bytes, which `decode` gives where it is not known. */
  find(
    bytes: Buffer,
    start: number,
    end: number,
    decode: (bytes: Buffer, start: number, end: number) => string,
  ): string {
    if (end - start > TEXT_BYTES_MAX) return decode(bytes, start, end);
    // FNV-1a
    let hash = 0x811c9dc5;
    for (let i = start; i < end; i++) hash = Math.imul(hash ^ (bytes[i] ?? 0), 0x01000193);
    const place = (hash ^ (hash >>> 16)) & (TEXTS_MAX - 1);
    const known = this.#known[place];
    if (known?.bytes.length === end - start && isAt(known.bytes, bytes, start)) return known.text;
    const text = decode(bytes, start, end);
    this.#known[place] = { bytes: copyOf(bytes, start, end), text };
    return text;
  }
}

/** Whether `known` stands in `bytes` at `at`. */
export function isAt(known: Uint8Array, bytes: Uint8Array, at: number): boolean {
  if (at + known.length > bytes.length) return false;
  for (let i = 0; i < known.length; i++) if (known[i] !== bytes[at + i]) return false;
  return true;
}

/** In memory of its own, so that what is known holds on to nothing else. */
export function copyOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.subarray(start, end));
}
