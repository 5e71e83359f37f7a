/** What is due next among many things whose times change often: a binary heap whose outdated entries are skipped. */
import type { Ms } from "../base/time.ts";

interface Entry<T> {
  readonly item: T;
  readonly at: Ms;
}

export class DueQueue<T> {
  readonly #heap: Entry<T>[] = [];
  readonly #due = new Map<T, Entry<T>>();

  /** The earliest time; undefined when nothing is ever due. */
  get next(): Ms | undefined {
    for (let top = this.#heap[0]; top; top = this.#heap[0]) {
      if (this.#due.get(top.item) === top) return top.at;
      this.#pop();
    }
    return undefined;
  }

  /** Replaces the time of `item`; infinity takes it out. */
  set(item: T, at: Ms): void {
    if (this.#due.get(item)?.at === at) return;
    if (at === Number.POSITIVE_INFINITY) {
      this.#due.delete(item);
      return;
    }
    const entry = { item, at };
    this.#due.set(item, entry);
    this.#push(entry);
  }

  delete(item: T): void {
    this.#due.delete(item);
  }

  /** Takes out everything that is due, the earliest first. */
  take(now: Ms): T[] {
    const out: T[] = [];
    for (let next = this.next; next !== undefined && next <= now; next = this.next) {
      const { item } = this.#pop() as Entry<T>;
      this.#due.delete(item);
      out.push(item);
    }
    return out;
  }

  #push(entry: Entry<T>): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((heap[parent] as Entry<T>).at <= entry.at) break;
      heap[at] = heap[parent] as Entry<T>;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): Entry<T> | undefined {
    const heap = this.#heap;
    const top = heap[0];
    const last = heap.pop();
    if (!last || heap.length === 0) return top;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && (heap[child + 1] as Entry<T>).at < (heap[child] as Entry<T>).at) child++;
      if ((heap[child] as Entry<T>).at >= last.at) break;
      heap[at] = heap[child] as Entry<T>;
      at = child;
    }
    heap[at] = last;
    return top;
  }
}
