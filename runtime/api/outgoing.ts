/** Bytes on their way out of a socket that may take fewer at a time than it is given. */

/** A client that asks and never reads is cut off when so much waits for it. */
export const WAITING_MAX = 16 << 20; // bytes

export class Outgoing {
  readonly #write: (chunk: Uint8Array) => number;
  #waiting: Uint8Array[] = [];
  #size = 0;

  /** `write` gives how many bytes the socket took: all, some, or none (0, or -1 once it is closed). */
  constructor(write: (chunk: Uint8Array) => number) {
    this.#write = write;
  }

  /** False when more waits than `WAITING_MAX`: the caller ends the connection. */
  send(text: string): boolean {
    const chunk = new TextEncoder().encode(text);
    this.#waiting.push(chunk);
    this.#size += chunk.length;
    this.drain();
    return this.#size <= WAITING_MAX;
  }

  /** Goes on where the socket had stopped taking; for its `drain` event. */
  drain(): void {
    for (let chunk = this.#waiting[0]; chunk; chunk = this.#waiting[0]) {
      const taken = Math.max(0, this.#write(chunk));
      this.#size -= taken;
      if (taken < chunk.length) {
        this.#waiting[0] = chunk.subarray(taken);
        return;
      }
      this.#waiting.shift();
    }
  }
}
