/** What routing remembers of one neighbour: what it must still be told, what it was asked for, how far it is trusted. */
import { type Ms, seconds } from "../../base/time.ts";
import { type LinkDatabase, revealsOf } from "./database.ts";
import { ENTRIES_MAX, encodeMessage, type RevealGroup } from "./message.ts";
import { TokenBucket } from "./token-bucket.ts";
import type { Label } from "./types.ts";

/** Reveals and offers go out at once, and what follows soon after goes together. */
const STATES_APART: Ms = 5;
const OFFERS_APART: Ms = 20;
/** Messages that do not verify: so many of one neighbour, then nothing of it counts until the pause is over. */
const SPOILED = { most: 16, pause: seconds(60) } as const;
/** Lists that a neighbour may ask for: all there are at a start, and then so many. */
const SERVED = { burst: 4096, refill: 20 } as const;
/** A neighbour is sent bucket digests and whole buckets at most this often. */
export const COMPARE_EVERY: Ms = seconds(1);

export class RoutingNeighbour {
  readonly label: Label;
  /** Keys that it offered and that we may want to ask it for; some meanwhile came from others. */
  readonly queue = new Set<string>();
  /** Keys it was asked for, in that order. */
  readonly asked = new Set<string>();
  /** When it was asked or delivered last. */
  progress: Ms = 0;
  nextBuckets: Ms = 0;
  /** When it is told our digest; infinity: not by us. */
  digestDue: Ms = Number.POSITIVE_INFINITY;
  nextSummary: Ms = 0;
  readonly served: TokenBucket;
  readonly #offers = new Set<string>();
  readonly #states = new Map<string, Set<number>>();
  #offersAt: Ms = Number.NEGATIVE_INFINITY;
  #statesAt: Ms = Number.NEGATIVE_INFINITY;
  #spoiled = 0;
  #mutedUntil: Ms = 0;

  constructor(label: Label, now: Ms) {
    this.label = label;
    this.served = new TokenBucket(SERVED.burst, SERVED.refill, now);
  }

  isMuted(now: Ms): boolean {
    return now < this.#mutedUntil;
  }

  /** It handed us something that an honest neighbour would not have handed on. */
  spoil(now: Ms): void {
    if (++this.#spoiled < SPOILED.most) return;
    this.#spoiled = 0;
    this.#mutedUntil = now + SPOILED.pause;
  }

  owesOffer(key: string): void {
    this.#offers.add(key);
  }

  owesState(key: string, index: number): void {
    const known = this.#states.get(key);
    if (known) known.add(index);
    else this.#states.set(key, new Set([index]));
  }

  /** It knows already. */
  hasList(key: string): void {
    this.#offers.delete(key);
  }

  hasState(key: string, index: number): void {
    const owed = this.#states.get(key);
    if (owed?.delete(index) && owed.size === 0) this.#states.delete(key);
  }

  /** When `take` will have something. */
  get due(): Ms {
    const offers = this.#offers.size > 0 ? this.#offersAt + OFFERS_APART : Number.POSITIVE_INFINITY;
    const states = this.#states.size > 0 ? this.#statesAt + STATES_APART : Number.POSITIVE_INFINITY;
    return Math.min(offers, states, this.digestDue);
  }

  /** Messages that may go now. */
  take(database: LinkDatabase, now: Ms): Uint8Array[] {
    const out: Uint8Array[] = [];
    if (now >= this.digestDue) {
      this.digestDue = Number.POSITIVE_INFINITY;
      out.push(encodeMessage({ kind: "digest", digest: database.digest }));
    }
    if (this.#states.size > 0 && now >= this.#statesAt + STATES_APART) {
      const groups = this.#takeStates(database);
      if (groups.length > 0) out.push(encodeMessage({ kind: "states", groups }));
      this.#statesAt = now;
    }
    if (this.#offers.size > 0 && now >= this.#offersAt + OFFERS_APART) {
      const keys = [...this.#offers].slice(0, ENTRIES_MAX);
      for (const key of keys) this.#offers.delete(key);
      const entries = keys.map((key) => database.summaryOf(key)).filter((entry) => entry !== undefined);
      if (entries.length > 0) out.push(encodeMessage({ kind: "summary", whole: 0, entries }));
      this.#offersAt = now;
    }
    return out;
  }

  #takeStates(database: LinkDatabase): RevealGroup[] {
    const groups: RevealGroup[] = [];
    for (const [key, indices] of [...this.#states].slice(0, ENTRIES_MAX)) {
      this.#states.delete(key);
      const record = database.get(key);
      if (!record) continue;
      const reveals = revealsOf(record, indices);
      if (reveals.length > 0) groups.push({ name: record.list.name, reveals });
    }
    return groups;
  }
}
