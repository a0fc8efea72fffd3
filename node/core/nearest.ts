// The known word that a mistyped one was most likely meant to be, for messages such as "unknown key … did you mean …?".

/**
 * Undefined when no known word is near: more than a third of its letters (at least two), or all of them, would have to
 * change. Ties go to the first. Of dotted names the last part alone may be the near one, since `listen` written at the
 * wrong level is still `http.listen`.
 */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  // Longer words are no slips of the finger, and comparing them would cost the square of their length.
  if (word.length > 64) return undefined;
  const written = word.toLowerCase();
  let best: string | undefined;
  let bestDistance = Infinity;
  for (const candidate of known) {
    const meant = candidate.toLowerCase();
    const distance = Math.min(
      nearDistance(written, meant),
      nearDistance(lastPart(written), lastPart(meant)) + 1,
    );
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** Infinity: not near. */
function nearDistance(written: string, meant: string): number {
  const most = Math.min(Math.max(2, Math.floor(meant.length / 3)), meant.length - 1);
  const distance = editDistance(written, meant);
  return distance <= most ? distance : Infinity;
}

function lastPart(name: string): string {
  return name.slice(name.lastIndexOf('.') + 1);
}

/** Letters inserted, deleted, replaced, or swapped with their neighbour (optimal string alignment). */
export function editDistance(a: string, b: string): number {
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let distance = Math.min(
        (last[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (last[column - 1] ?? 0) + (same ? 0 : 1),
      );
      if (row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1]) {
        distance = Math.min(distance, (before[column - 2] ?? 0) + 1);
      }
      current.push(distance);
    }
    before = last;
    last = current;
  }
  return last[b.length] ?? 0;
}
