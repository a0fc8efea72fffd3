// Finds what somebody probably meant: the known name with the fewest typing errors between it and the one written.
// Unlike core/nearest.ts it always names one, since an unknown setting is always an error that does.

import { editDistance } from '../core/nearest.ts';

// The distance costs the square of the length, and longer names are no slips of the finger.
const charactersMax = 64;

/** The candidate nearest to `name`, or undefined where there is none at all. Ties go to the first. */
export function nearest(name: string, candidates: Iterable<string>): string | undefined {
  const written = name.slice(0, charactersMax).toLowerCase();
  let best: string | undefined;
  let bestScore = Infinity;
  for (const candidate of candidates) {
    const known = candidate.toLowerCase();
    const score = Math.min(
      editDistance(written, known),
      editDistance(lastPart(written), lastPart(known)) + 1,
    );
    if (score < bestScore) {
      best = candidate;
      bestScore = score;
    }
  }
  return best;
}

/** `listen` written at the wrong level still names `http.listen`. */
function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}
