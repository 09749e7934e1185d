/**
 * "Did you mean …?": the nearest of the known names by Damerau-Levenshtein distance (optimal string alignment:
 * insert, delete, replace, swap neighbours), regardless of case, and only if it is near enough to be a slip.
 */

/** Slips per letter that still count as one: at most two in five, and never more than three. */
const slipsPerLetterMax = 0.4;
const slipsMax = 3;

/** The known name that was probably meant, or undefined if none is near. */
export function nearest(typed: string, known: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.min(slipsMax, Math.floor(typed.length * slipsPerLetterMax) || 1) + 1;
  for (const name of known) {
    const distance = distanceBetween(typed.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance || (distance === bestDistance && name.toLowerCase().startsWith(typed.toLowerCase()))) {
      best = name;
      bestDistance = distance;
    }
  }
  return best ?? uniqueContinuation(typed, known);
}

/** `did you mean addItem?`, or undefined. */
export function didYouMean(typed: string, known: Iterable<string>): string | undefined {
  const name = nearest(typed, known);
  return name === undefined ? undefined : `did you mean ${name}?`;
}

/** The one name that begins with what was typed. */
function uniqueContinuation(typed: string, known: Iterable<string>): string | undefined {
  if (typed.length < 2) return undefined;
  const found = [...known].filter((name) => name.toLowerCase().startsWith(typed.toLowerCase()));
  return found.length === 1 ? found[0] : undefined;
}

function distanceBetween(a: string, b: string): number {
  let beforePrevious: number[] = [];
  let previous = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const current = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(previous[j]! + 1, current[j - 1]! + 1, previous[j - 1]! + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, beforePrevious[j - 2]! + 1);
      current.push(cost);
    }
    beforePrevious = previous;
    previous = current;
  }
  return previous[b.length]!;
}
