// The fewest, smallest inputs that together reach what all inputs known for a target reach: what is worth committing.

import { committedInputs, localInputs } from './corpus.ts';
import { fuzz } from './campaign.ts';
import { targetNamed } from './targets/index.ts';

/** Of one input that is kept for good; larger ones stay on the machine that found them. */
const BYTES_MAX = 2_048;
const INPUTS_MAX = 150;

/** Shortest first, an input is kept where it reaches what none before it did: what the fuzzer does with what it is given. */
export async function distilled(name: string): Promise<readonly Uint8Array[]> {
  const { bytesMax } = await targetNamed(name);
  const inputs = [...committedInputs(name), ...localInputs(name)]
    .map(({ input }) => input)
    .filter(({ length }) => length <= BYTES_MAX)
    .sort((a, b) => a.length - b.length);
  const kept: Uint8Array[] = [];
  await fuzz(
    { target: name, seed: 1, inputs, bytesMax, executionsMax: 0, msMax: Infinity },
    { kept: (input) => kept.push(input), found: () => undefined },
  );
  return kept.slice(0, INPUTS_MAX);
}
