/**
 * SipHash-2-4 with 64-bit output (Aumasson and Bernstein, 2012). Hop tags and hash tables keyed against flooding; not a
 * signature. 64-bit words are pairs of 32-bit halves, since BigInt costs two orders of magnitude more here.
 */
const C_ROUNDS = 2;
const D_ROUNDS = 4;

/** v0..v3 as (low, high) pairs. One state serves all calls: the function neither awaits nor calls out. */
const v = new Int32Array(8);

/** 8 bytes, little-endian as in the reference implementation. `key` 16 bytes. */
export function sipHash24(key: Uint8Array, data: Uint8Array): Uint8Array {
  const k = [word(key, 0), word(key, 4), word(key, 8), word(key, 12)] as const;
  v[0] = 0x70736575 ^ k[0]; // "somepseudorandomlygeneratedbytes"
  v[1] = 0x736f6d65 ^ k[1];
  v[2] = 0x6e646f6d ^ k[2];
  v[3] = 0x646f7261 ^ k[3];
  v[4] = 0x6e657261 ^ k[0];
  v[5] = 0x6c796765 ^ k[1];
  v[6] = 0x79746573 ^ k[2];
  v[7] = 0x74656462 ^ k[3];
  const whole = data.length & ~7;
  for (let at = 0; at < whole; at += 8) absorb(word(data, at), word(data, at + 4));
  const last = new Uint8Array(8);
  last.set(data.subarray(whole));
  last[7] = data.length & 0xff;
  absorb(word(last, 0), word(last, 4));
  v[4] = (v[4] as number) ^ 0xff;
  rounds(D_ROUNDS);
  return output();
}

function word(bytes: Uint8Array, at: number): number {
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  return low | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24);
}

function absorb(low: number, high: number): void {
  v[6] = (v[6] as number) ^ low;
  v[7] = (v[7] as number) ^ high;
  rounds(C_ROUNDS);
  v[0] = (v[0] as number) ^ low;
  v[1] = (v[1] as number) ^ high;
}

function output(): Uint8Array {
  const out = new Uint8Array(8);
  for (let half = 0; half < 2; half++) {
    const x = (v[half] as number) ^ (v[half + 2] as number) ^ (v[half + 4] as number) ^ (v[half + 6] as number);
    for (let i = 0; i < 4; i++) out[4 * half + i] = x >>> (8 * i);
  }
  return out;
}

/** SipRound `count` times. Locals, because typed-array stores in the middle would cost more than the arithmetic. */
function rounds(count: number): void {
  let al = v[0] as number; // read one by one: destructuring would walk an iterator
  let ah = v[1] as number;
  let bl = v[2] as number;
  let bh = v[3] as number;
  let cl = v[4] as number;
  let ch = v[5] as number;
  let dl = v[6] as number;
  let dh = v[7] as number;
  let t = 0;
  for (let i = 0; i < count; i++) {
    // v0 += v1; v1 = rotl(v1, 13) ^ v0; v0 = rotl(v0, 32)
    al = (al >>> 0) + (bl >>> 0);
    ah = (ah + bh + (al > 0xffff_ffff ? 1 : 0)) | 0;
    al |= 0;
    t = (bl << 13) | (bh >>> 19);
    bh = ((bh << 13) | (bl >>> 19)) ^ ah;
    bl = t ^ al;
    t = al;
    al = ah;
    ah = t;
    // v2 += v3; v3 = rotl(v3, 16) ^ v2
    cl = (cl >>> 0) + (dl >>> 0);
    ch = (ch + dh + (cl > 0xffff_ffff ? 1 : 0)) | 0;
    cl |= 0;
    t = (dl << 16) | (dh >>> 16);
    dh = ((dh << 16) | (dl >>> 16)) ^ ch;
    dl = t ^ cl;
    // v0 += v3; v3 = rotl(v3, 21) ^ v0
    al = (al >>> 0) + (dl >>> 0);
    ah = (ah + dh + (al > 0xffff_ffff ? 1 : 0)) | 0;
    al |= 0;
    t = (dl << 21) | (dh >>> 11);
    dh = ((dh << 21) | (dl >>> 11)) ^ ah;
    dl = t ^ al;
    // v2 += v1; v1 = rotl(v1, 17) ^ v2; v2 = rotl(v2, 32)
    cl = (cl >>> 0) + (bl >>> 0);
    ch = (ch + bh + (cl > 0xffff_ffff ? 1 : 0)) | 0;
    cl |= 0;
    t = (bl << 17) | (bh >>> 15);
    bh = ((bh << 17) | (bl >>> 15)) ^ ch;
    bl = t ^ cl;
    t = cl;
    cl = ch;
    ch = t;
  }
  v[0] = al;
  v[1] = ah;
  v[2] = bl;
  v[3] = bh;
  v[4] = cl;
  v[5] = ch;
  v[6] = dl;
  v[7] = dh;
}
