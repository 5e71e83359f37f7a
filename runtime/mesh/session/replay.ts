/** Which counters of a session have been seen: a sliding window as in RFC 6479, in words that are reused as a ring. */

/** Counters behind the newest that are still told apart. */
export const REPLAY_WINDOW = 8192;

const WORDS = REPLAY_WINDOW / 32 + 1; // one spare word, so that moving on clears whole words only

export class ReplayWindow {
  readonly #words = new Uint32Array(WORDS);
  #newest = -1;

  /** Highest counter accepted so far; -1 before the first. */
  get newest(): number {
    return this.#newest;
  }

  /** Whether `counter` is new, and remembers it. A safe integer from 0; call it only after the tag was right. */
  accept(counter: number): boolean {
    if (counter + REPLAY_WINDOW <= this.#newest) return false;
    const word = Math.floor(counter / 32);
    if (counter > this.#newest) {
      const from = Math.floor(this.#newest / 32); // floor(-1 / 32) is -1: the first word counts as unseen
      for (let i = 1; i <= Math.min(word - from, WORDS); i++) this.#words[(from + i) % WORDS] = 0;
      this.#newest = counter;
    }
    const bit = 1 << (counter % 32);
    const seen = this.#words[word % WORDS] as number;
    this.#words[word % WORDS] = seen | bit;
    return (seen & bit) === 0;
  }
}
