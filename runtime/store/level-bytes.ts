/** Numbers and strings as LevelDB writes them. */

const MASK_DELTA = 0xa282_ead8;

/** The checksum that a kept one stands for: LevelDB keeps them changed, since data may hold checksums itself. */
export function unmask(kept: number): number {
  const rotated = (kept - MASK_DELTA) >>> 0;
  return ((rotated >>> 17) | (rotated << 15)) >>> 0;
}

/** Every method gives undefined where the input ends early. */
export class Varints {
  readonly #bytes: Uint8Array;
  at: number;

  constructor(bytes: Uint8Array, at: number) {
    this.#bytes = bytes;
    this.at = at;
  }

  get left(): number {
    return this.#bytes.length - this.at;
  }

  /** Up to 2^53. */
  next(): number | undefined {
    let value = 0;
    for (let scale = 1; scale < 2 ** 49; scale *= 128) {
      const byte = this.#bytes[this.at++];
      if (byte === undefined) return undefined;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    return undefined;
  }

  take(length: number): Uint8Array | undefined {
    if (length > this.left) return undefined;
    this.at += length;
    return this.#bytes.subarray(this.at - length, this.at);
  }

  /** With its length in front. */
  string(): Uint8Array | undefined {
    const length = this.next();
    return length === undefined ? undefined : this.take(length);
  }
}
