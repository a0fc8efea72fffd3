// Faults to be found: what the fuzzer itself is tested with.

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
