/** Seeded randomness for tests: the same seed, the same bytes (a counter through SHA-256). */
import type { RandomBytes } from "../../runtime/base/random.ts";

export function seededRandom(seed: string): RandomBytes {
  let counter = 0;
  let pool: Uint8Array = new Uint8Array(0);
  return (length) => {
    const out = new Uint8Array(length);
    let at = 0;
    while (at < length) {
      if (pool.length === 0) pool = new Bun.CryptoHasher("sha256").update(`${seed}/${counter++}`).digest();
      const part = pool.subarray(0, length - at);
      out.set(part, at);
      at += part.length;
      pool = pool.subarray(part.length);
    }
    return out;
  };
}

/** A uniform number in [0, 1). */
export function seededNumber(seed: string): () => number {
  const random = seededRandom(seed);
  return () => new DataView(random(4).buffer).getUint32(0) / 2 ** 32;
}
