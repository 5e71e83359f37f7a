/** A stream that comes in parts of any length, read in pieces of a known one. */
import { concat } from "./bytes.ts";

/** To be closed. */
export class ByteReader {
  readonly #parts: AsyncIterator<Uint8Array>;
  #rest: Uint8Array = new Uint8Array(0);

  constructor(parts: AsyncIterable<Uint8Array>) {
    this.#parts = parts[Symbol.asyncIterator]();
  }

  /** The next `length` bytes, a view where they came in one part; undefined when the stream ends before. */
  async take(length: number): Promise<Uint8Array | undefined> {
    if (this.#rest.length < length) await this.#gather(length);
    if (this.#rest.length < length) return undefined;
    const taken = this.#rest.subarray(0, length);
    this.#rest = this.#rest.subarray(length);
    return taken;
  }

  async atEnd(): Promise<boolean> {
    return this.#rest.length === 0 && !(await this.#gather(1));
  }

  /** All that was not taken. */
  async *rest(): AsyncGenerator<Uint8Array> {
    while (!(await this.atEnd())) yield (await this.take(this.#rest.length)) as Uint8Array;
  }

  /** The stream lets go of what it reads from. */
  async close(): Promise<void> {
    await this.#parts.return?.();
  }

  async #gather(length: number): Promise<boolean> {
    const parts = [this.#rest];
    for (let size = this.#rest.length; size < length; ) {
      const { done, value } = await this.#parts.next();
      if (done) break;
      parts.push(value);
      size += value.length;
    }
    this.#rest = concat(...parts);
    return this.#rest.length >= length;
  }
}
