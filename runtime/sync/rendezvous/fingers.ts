/**
 * With whom of those at a broker a member exchanges: who follows it in the circle of ids, and who stands half, a quarter, an
 * eighth … of the circle further on (the fingers of Chord). So a thousand have ten each, and what one knows is everywhere after a few steps.
 */

/** Hex digits of an id that say where in the circle it is; a double holds them. */
const DIGITS = 12;
const CIRCLE = 2 ** (4 * DIGITS);
const FINGERS = 16;

const placeOf = (id: string): number => Number.parseInt(id.slice(0, DIGITS), 16);

/** Of `others` (ids, hex, without `self`). */
export function fingersOf(self: string, others: readonly string[]): ReadonlySet<string> {
  const circle = [...others].sort();
  if (circle.length === 0) return new Set();
  const chosen = new Set([circle.find((id) => id > self) ?? (circle[0] as string)]);
  for (let i = 1; i <= FINGERS; i++) chosen.add(atOrBehind(circle, (placeOf(self) + CIRCLE / 2 ** i) % CIRCLE));
  return chosen;
}

/** The first of `circle` at `place` or behind it. */
function atOrBehind(circle: readonly string[], place: number): string {
  let [low, high] = [0, circle.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (placeOf(circle[middle] as string) < place) low = middle + 1;
    else high = middle;
  }
  return circle[low % circle.length] as string;
}
