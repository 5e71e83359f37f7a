/** Seeded randomness for tests: the same seed, the same bytes (a counter through SHA-256). */
import type { RandomBytes } from "../../runtime/base/random.ts";

export function seededRandom(seed: string): RandomBytes {
  const next = seededBytes(seed);
  return (length) => {
    const out = new Uint8Array(length);
    for (let i = 0; i < length; i++) out[i] = next();
    return out;
  };
}

/** A uniform number in [0, 1). */
export function seededNumber(seed: string): () => number {
  const next = seededBytes(seed);
  return () => (((next() << 24) | (next() << 16) | (next() << 8) | next()) >>> 0) / 2 ** 32;
}

function seededBytes(seed: string): () => number {
  let counter = 0;
  let pool: Uint8Array = new Uint8Array(0);
  let at = 0;
  return () => {
    if (at === pool.length) {
      pool = new Bun.CryptoHasher("sha256").update(`${seed}/${counter++}`).digest();
      at = 0;
    }
    return pool[at++] as number;
  };
}
