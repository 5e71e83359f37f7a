/** What is to happen on the virtual clock: a binary heap by time, and in order of insertion where times are equal. */
import type { Ms } from "../../runtime/base/time.ts";

interface Entry<T> {
  readonly at: Ms;
  readonly order: number;
  readonly value: T;
}

export class EventQueue<T> {
  readonly #heap: Entry<T>[] = [];
  #order = 0;

  get size(): number {
    return this.#heap.length;
  }

  /** Time of the earliest entry; undefined when there is none. */
  get next(): Ms | undefined {
    return this.#heap[0]?.at;
  }

  push(at: Ms, value: T): void {
    const entry = { at, order: this.#order++, value };
    let i = this.#heap.push(entry) - 1;
    while (i > 0) {
      const above = (i - 1) >> 1;
      const parent = this.#heap[above] as Entry<T>;
      if (!isBefore(entry, parent)) break;
      this.#heap[i] = parent;
      i = above;
    }
    this.#heap[i] = entry;
  }

  /** Takes the earliest entry out. Throws RangeError when there is none. */
  pop(): T {
    const first = this.#heap[0];
    const last = this.#heap.pop();
    if (!first || !last) throw new RangeError("the queue is empty");
    if (this.#heap.length > 0) this.#sink(last);
    return first.value;
  }

  #sink(entry: Entry<T>): void {
    const size = this.#heap.length;
    let i = 0;
    for (let child = 1; child < size; child = 2 * i + 1) {
      const right = this.#heap[child + 1];
      if (right && isBefore(right, this.#heap[child] as Entry<T>)) child++;
      const below = this.#heap[child] as Entry<T>;
      if (!isBefore(below, entry)) break;
      this.#heap[i] = below;
      i = child;
    }
    this.#heap[i] = entry;
  }
}

const isBefore = (a: Entry<unknown>, b: Entry<unknown>): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);
