/** Gateways by distance, nearest first, and of equally near ones the lower number: a binary heap of single numbers. */

const NUMBERS = 0x100_0000; // a distance times this stays below 2^53

export class PathHeap {
  readonly #keys: number[] = [];
  #popped = 0;

  get size(): number {
    return this.#keys.length;
  }

  /** The distance with which the last popped one was pushed. */
  get popped(): number {
    return this.#popped;
  }

  push(distance: number, n: number): void {
    const keys = this.#keys;
    const key = distance * NUMBERS + n;
    let at = keys.push(key) - 1;
    while (at > 0) {
      const above = (at - 1) >> 1;
      const other = keys[above] as number;
      if (other <= key) break;
      keys[at] = other;
      at = above;
    }
    keys[at] = key;
  }

  /** The heap must not be empty. */
  pop(): number {
    const keys = this.#keys;
    const top = keys[0] as number;
    const last = keys.pop() as number;
    const size = keys.length;
    if (size > 0) {
      let at = 0;
      for (;;) {
        let child = 2 * at + 1;
        if (child >= size) break;
        if (child + 1 < size && (keys[child + 1] as number) < (keys[child] as number)) child++;
        const below = keys[child] as number;
        if (below >= last) break;
        keys[at] = below;
        at = child;
      }
      keys[at] = last;
    }
    this.#popped = Math.floor(top / NUMBERS);
    return top % NUMBERS;
  }
}
