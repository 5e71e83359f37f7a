/** What somebody who mistyped a word may have meant. */

/**
 * The one of `words` that takes the fewest edits to become, when that is at most a third of its length (and one edit for short ones);
 * else the only one that begins so.
 */
export function nearest(given: string, words: readonly string[]): string | undefined {
  const ranked = words.map((word) => ({ word, edits: edits(given, word) })).sort((a, b) => a.edits - b.edits);
  const best = ranked[0];
  if (best && best.edits <= Math.max(1, Math.floor(best.word.length / 3))) return best.word;
  const longer = given === "" ? [] : words.filter((word) => word.startsWith(given));
  return longer.length === 1 ? longer[0] : undefined;
}

/** Insertions, deletions, replacements and swaps of neighbours (Damerau's optimal string alignment). */
export function edits(a: string, b: string): number {
  const width = b.length + 1;
  const d = Array.from({ length: (a.length + 1) * width }, (_, i) => (i < width ? i : i % width === 0 ? i / width : 0));
  const at = (i: number, j: number): number => d[i * width + j] as number;
  for (let i = 1; i <= a.length; i++) {
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      const swapped = i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1];
      const ways = [at(i - 1, j) + 1, at(i, j - 1) + 1, at(i - 1, j - 1) + (same ? 0 : 1)];
      d[i * width + j] = Math.min(...ways, swapped ? at(i - 2, j - 2) + 1 : Number.POSITIVE_INFINITY);
    }
  }
  return at(a.length, b.length);
}
