/** A cursor over received bytes: reading past the end gives zeros and is noticed at the end, by `done`. */
export class Reader {
  readonly #data: Uint8Array;
  #at = 0;

  constructor(data: Uint8Array) {
    this.#data = data;
  }

  get at(): number {
    return this.#at;
  }

  get left(): number {
    return this.#data.length - this.#at;
  }

  /** Whether everything was read, and nothing beyond. */
  get done(): boolean {
    return this.#at === this.#data.length;
  }

  get overran(): boolean {
    return this.#at > this.#data.length;
  }

  u8(): number {
    return this.#data[this.#at++] ?? 0;
  }

  /** Big-endian, as all numbers here, so that bytes sort as numbers do. */
  u16(): number {
    return (this.u8() << 8) | this.u8();
  }

  u32(): number {
    return this.u16() * 0x1_0000 + this.u16();
  }

  /** A view, not a copy; shorter than asked for past the end. */
  bytes(length: number): Uint8Array {
    this.#at += length;
    return this.#data.subarray(this.#at - length, this.#at);
  }

  hex(length: number): string {
    return this.bytes(length).toHex();
  }
}
