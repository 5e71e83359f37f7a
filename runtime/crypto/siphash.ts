/**
 * SipHash-2-4 with 64 bits of output (Aumasson and Bernstein, 2012): admission tags, not integrity. The state is kept as
 * halves of 32 bits, since BigInt in the loop would allocate per round.
 */

/** 8 bytes, little-endian, of SipHash-2-4 of the parts in a row under a 16-byte key. */
export function sipHash(key: Uint8Array, ...parts: readonly Uint8Array[]): Uint8Array {
  const k = new DataView(key.buffer, key.byteOffset, 16);
  const s = new SipState(k.getUint32(0, true), k.getUint32(4, true), k.getUint32(8, true), k.getUint32(12, true));
  let low = 0;
  let high = 0;
  let length = 0;
  for (const part of parts) {
    for (const byte of part) {
      const at = length & 7;
      if (at < 4) low |= byte << (8 * at);
      else high |= byte << (8 * (at - 4));
      length++;
      if (at === 7) {
        s.absorb(low, high);
        low = 0;
        high = 0;
      }
    }
  }
  s.absorb(low, high | ((length & 0xff) << 24));
  return s.finish();
}

class SipState {
  readonly #v = new Int32Array(8); // v0 low, v0 high, v1 low, ...

  constructor(k0l: number, k0h: number, k1l: number, k1h: number) {
    this.#v.set([k0l ^ 0x70736575, k0h ^ 0x736f6d65, k1l ^ 0x6e646f6d, k1h ^ 0x646f7261]);
    this.#v.set([k0l ^ 0x6e657261, k0h ^ 0x6c796765, k1l ^ 0x79746573, k1h ^ 0x74656462], 4);
  }

  absorb(low: number, high: number): void {
    const v = this.#v;
    v[6] = (v[6] as number) ^ low;
    v[7] = (v[7] as number) ^ high;
    this.#round();
    this.#round();
    v[0] = (v[0] as number) ^ low;
    v[1] = (v[1] as number) ^ high;
  }

  finish(): Uint8Array {
    const v = this.#v;
    v[4] = (v[4] as number) ^ 0xff;
    for (let i = 0; i < 4; i++) this.#round();
    const out = new Uint8Array(8);
    const view = new DataView(out.buffer);
    view.setInt32(0, (v[0] as number) ^ (v[2] as number) ^ (v[4] as number) ^ (v[6] as number), true);
    view.setInt32(4, (v[1] as number) ^ (v[3] as number) ^ (v[5] as number) ^ (v[7] as number), true);
    return out;
  }

  #round(): void {
    this.#add(0, 2);
    this.#rotateXor(2, 0, 13);
    this.#swap(0);
    this.#add(4, 6);
    this.#rotateXor(6, 4, 16);
    this.#add(0, 6);
    this.#rotateXor(6, 0, 21);
    this.#add(4, 2);
    this.#rotateXor(2, 4, 17);
    this.#swap(4);
  }

  /** v[a] += v[b], 64 bits. */
  #add(a: number, b: number): void {
    const v = this.#v;
    const low = ((v[a] as number) >>> 0) + ((v[b] as number) >>> 0);
    v[a + 1] = (v[a + 1] as number) + (v[b + 1] as number) + (low > 0xffff_ffff ? 1 : 0);
    v[a] = low;
  }

  /** v[a] = rotl(v[a], n) ^ v[b], n below 32. */
  #rotateXor(a: number, b: number, n: number): void {
    const v = this.#v;
    const low = v[a] as number;
    const high = v[a + 1] as number;
    v[a] = ((low << n) | (high >>> (32 - n))) ^ (v[b] as number);
    v[a + 1] = ((high << n) | (low >>> (32 - n))) ^ (v[b + 1] as number);
  }

  /** v[a] = rotl(v[a], 32). */
  #swap(a: number): void {
    const v = this.#v;
    const low = v[a] as number;
    v[a] = v[a + 1] as number;
    v[a + 1] = low;
  }
}
