/** Which letters of a direction came: none counts twice, and none that is far behind. */

/** Letters behind the newest that are still told apart; more are never on their way. */
const WINDOW = 1_024;

export class Seen {
  #newest = -1;
  #oldest = 0;
  #counters = new Set<number>();

  /** Whether it is new, and remembers it. Call it only once the letter was opened. */
  accept(counter: number): boolean {
    if (counter < this.#oldest || this.#counters.has(counter)) return false;
    this.#counters.add(counter);
    this.#newest = Math.max(this.#newest, counter);
    this.#oldest = Math.max(this.#oldest, this.#newest - WINDOW + 1);
    if (this.#counters.size > 2 * WINDOW)
      this.#counters = new Set([...this.#counters].filter((c) => c >= this.#oldest));
    return true;
  }

  /** From now on only what is newer than all that came. */
  close(): void {
    this.#oldest = this.#newest + 1;
    this.#counters.clear();
  }
}
