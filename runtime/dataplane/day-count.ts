/** How many bytes have gone over an interface today, by a counter that begins at 0 whenever the interface does. */

export interface DayCount {
  /** A date, as `2026-11-26`. */
  readonly day: string;
  readonly bytes: number;
  /** The counter when that was so. */
  readonly counter: number;
}

/** The count goes on while the day is the same. Without one before, today begins now. */
export function counted(before: DayCount | undefined, day: string, counter: number): DayCount {
  if (!before) return { day, bytes: 0, counter };
  const since = counter >= before.counter ? counter - before.counter : counter;
  return { day, bytes: before.day === day ? before.bytes + since : since, counter };
}

/** Value of the counter at which a day's cap is reached. */
export const limitOf = ({ bytes, counter }: DayCount, cap: number): number => counter + Math.max(0, cap - bytes);
