// Faults to be found: what the fuzzer itself is tested with.

import type { Target } from './target.ts';

/** Throws for what begins with CAVE: chance alone would need billions of tries, coverage takes it a byte at a time. */
export function staircase(input: Uint8Array): boolean {
  if (input[0] !== 0x43) return false;
  if (input[1] !== 0x41) return false;
  if (input[2] !== 0x56) return false;
  if (input[3] !== 0x45) return false;
  throw new TypeError('down here');
}

/** Looks at each pair of bytes, again and again. */
export function square(input: Uint8Array): boolean {
  let sum = 0;
  for (const a of input)
    for (const b of input) for (let i = 0; i < 8; i++) if (((a ^ b) >> i) % 2 === 1) sum++;
  return sum % 2 === 0;
}

const shape = { shape: 'bytes', bytesMax: 256, dictionary: [], quick: 0 } as const;

/** Never ends with what begins with EN. */
export const endless: Target = {
  ...shape,
  name: 'planted-endless',
  sample: (chance) => Buffer.alloc(3, chance.below(256)),
  run: (input) => {
    while (input[0] === 0x45 && input[1] === 0x4e);
    return false;
  },
};

/** Takes its thread with it, from outside of any call. */
export const deadly: Target = {
  ...shape,
  name: 'planted-deadly',
  sample: (chance) => Buffer.alloc(3, chance.below(256)),
  run: (input) => {
    if (input[0] !== 0x45 || input[1] !== 0x4e) return false;
    setImmediate(() => {
      throw new Error('nobody catches this');
    });
    return new Promise(() => undefined);
  },
};
