/** Randomness is injected: the system's generator in the daemon, a seeded one in tests and simulations. */
export type RandomBytes = (length: number) => Uint8Array;

/** A uniform integer in [0, below), without modulo bias; `below` is at most 2^32. */
export function randomBelow(random: RandomBytes, below: number): number {
  const limit = Math.floor(0x1_0000_0000 / below) * below;
  for (;;) {
    const b = random(4);
    const value = new DataView(b.buffer, b.byteOffset, 4).getUint32(0, true);
    if (value < limit) return value % below;
  }
}

/** A non-zero random u32, for session indices. */
export function randomIndex(random: RandomBytes): number {
  return randomBelow(random, 0xffff_ffff) + 1;
}
