/** The machine's clock and randomness, as the pure parts want them. */
import type { Clock } from "./base/time.ts";

export const systemClock: Clock = { now: () => performance.now(), unix: () => Math.floor(Date.now() / 1000) };
export const systemRandom = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));
