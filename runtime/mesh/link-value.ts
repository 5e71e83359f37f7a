/** How dear a link is, as routing counts it: by its round trip, in steps that do not follow every tremble. */
import type { Ms } from "../base/time.ts";
import type { LinkValue } from "./routing/types.ts";

/** Above these round trips a link is of the next class. */
const CLASSES: readonly Ms[] = [5, 15, 45, 135, 405, 1215];
/** So far beyond its border a round trip is before the class changes. */
const MARGIN = 1.5;
/** Of a link whose round trip nobody knows yet: most links are near, and what is said of them first then holds. */
const UNKNOWN: LinkValue = 1;

/** 1 to 7. `before`: what it was; 0 when it was down. */
export function linkValue(roundTrip: Ms | undefined, before: LinkValue): LinkValue {
  if (roundTrip === undefined) return before || UNKNOWN;
  const classOf = (ms: Ms): LinkValue => 1 + CLASSES.filter((border) => ms > border).length;
  if (before === 0) return classOf(roundTrip);
  return Math.max(classOf(roundTrip / MARGIN), Math.min(before, classOf(roundTrip * MARGIN)));
}
