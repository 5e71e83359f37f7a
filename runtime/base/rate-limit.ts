/** Token buckets in a table of fixed size, by any key: a source prefix (an IPv4 address, an IPv6 /64) or a member. */
import { toHex } from "./bytes.ts";
import type { Endpoint } from "./endpoint.ts";
import { parseIp } from "./ip.ts";
import type { Ms } from "./time.ts";

export const sourcePrefix = (e: Endpoint): string => {
  if (e.port === 0) return e.address; // through the mesh: one member, not a network of hosts
  const address = parseIp(e.address.split("%")[0] as string);
  return address ? toHex(address.subarray(0, 8)) : e.address;
};

export class RateLimit {
  readonly #burst: number;
  readonly #refill: Ms;
  readonly #limit: number;
  readonly #buckets = new Map<string, { tokens: number; at: Ms }>();

  /** `burst` at once, then one per `refill`; at most `limit` keys are remembered, the oldest forgotten first. */
  constructor(burst: number, refill: Ms, limit: number) {
    this.#burst = burst;
    this.#refill = refill;
    this.#limit = limit;
  }

  /** Whether there is anything left; spends nothing. */
  has(key: string, now: Ms): boolean {
    return this.#level(key, now) >= 1;
  }

  spend(key: string, now: Ms): void {
    const tokens = Math.max(0, this.#level(key, now) - 1);
    this.#buckets.delete(key);
    this.#buckets.set(key, { tokens, at: now });
    if (this.#buckets.size > this.#limit) this.#buckets.delete(this.#buckets.keys().next().value as string);
  }

  #level(key: string, now: Ms): number {
    const b = this.#buckets.get(key);
    return b ? Math.min(this.#burst, b.tokens + (now - b.at) / this.#refill) : this.#burst;
  }
}
