/** Lists in the ascending order of a name that each item has: of all ways to find an item by it the one that takes least memory. */

/** Where the item of this name stands, or would. */
export function placeOf<T>(list: readonly T[], name: string, nameOf: (item: T) => string): number {
  let [low, high] = [0, list.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (nameOf(list[middle] as T) < name) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Moves what stands from `at` on. */
export function insertAt<T>(list: T[], at: number, item: T): void {
  list.push(item);
  for (let i = list.length - 1; i > at; i--) list[i] = list[i - 1] as T;
  list[at] = item;
}
