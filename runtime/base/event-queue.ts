/** Work done one piece after the other, in the order in which it came, and how long the piece at hand is taking. */
import type { Ms } from "./time.ts";

export class EventQueue {
  readonly #now: () => Ms;
  #tail: Promise<void> = Promise.resolve();
  #since: Ms | undefined;
  #release: (() => void) | undefined;

  constructor(now: () => Ms) {
    this.#now = now;
  }

  /** Resolves when this piece is done. `work` deals with its own errors: one that rejects would end the queue. */
  push(work: () => Promise<void>): Promise<void> {
    this.#tail = this.#tail.then(async () => {
      this.#since = this.#now();
      await work();
      this.#since = undefined;
    });
    return this.#tail;
  }

  /** What is pushed from now on waits for `release`. */
  hold(): void {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#release = resolve;
    this.#tail = this.#tail.then(() => promise);
  }

  release(): void {
    this.#release?.();
    this.#release = undefined;
  }

  get isHeld(): boolean {
    return this.#release !== undefined;
  }

  /** Since the piece at hand began; 0 when there is none. */
  busyFor(): Ms {
    return this.#since === undefined ? 0 : this.#now() - this.#since;
  }
}
