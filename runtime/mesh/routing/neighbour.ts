/** What routing remembers of one neighbour: what it must still be told, what it was asked for, how far it is trusted. */
import { Muting } from "../../base/muting.ts";
import { type Ms, seconds } from "../../base/time.ts";
import { type LinkDatabase, revealsOf } from "./database.ts";
import { LABEL_BYTES } from "./link-list.ts";
import { ENTRIES_MAX, encodeMessage, type RevealGroup } from "./message.ts";
import { Owed } from "./owed.ts";
import { TokenBucket } from "./token-bucket.ts";
import type { Label } from "./types.ts";

/** Reveals and offers go out at once, and what follows soon after goes together: the more the longer it keeps coming. */
const STATES_APART = { first: 5, most: 40 } as const;
const OFFERS_APART = { first: 20, most: 80 } as const;
/** Lists that a neighbour may ask for: all there are at a start, and then so many. */
const SERVED = { burst: 4096, refill: 20 } as const;
/** A neighbour is sent bucket digests and whole buckets at most this often. */
export const COMPARE_EVERY: Ms = seconds(1);
const KEY_DIGITS = 2 * (LABEL_BYTES + 1);

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
  readonly #offers = new Owed<string>(OFFERS_APART);
  readonly #states = new Owed<string>(STATES_APART);
  /** For what an honest neighbour would not have handed on. */
  readonly muting = new Muting();

  constructor(label: Label, now: Ms) {
    this.label = label;
    this.served = new TokenBucket(SERVED.burst, SERVED.refill, now);
  }

  /** `at`: not before. */
  owesOffer(key: string, at: Ms): void {
    this.#offers.add(key, at);
  }

  owesState(key: string, index: number, at: Ms): void {
    this.#states.add(stateId(key, index), at);
  }

  /** It knows already. */
  hasList(key: string): void {
    this.#offers.delete(key);
  }

  hasState(key: string, index: number): void {
    this.#states.delete(stateId(key, index));
  }

  /** Somebody else has probably told it. */
  coverList(key: string): void {
    this.#offers.cover(key);
  }

  coverState(key: string, index: number): void {
    this.#states.cover(stateId(key, index));
  }

  /** When `take` will have something. */
  get due(): Ms {
    return Math.min(this.#offers.due, this.#states.due, this.digestDue);
  }

  /** Messages that may go now. */
  take(database: LinkDatabase, now: Ms): Uint8Array[] {
    const out: Uint8Array[] = [];
    if (now >= this.digestDue) {
      this.digestDue = Number.POSITIVE_INFINITY;
      out.push(encodeMessage({ kind: "digest", digest: database.digest }));
    }
    if (now >= this.#states.due) {
      const groups = groupsOf(database, this.#states.take(now, ENTRIES_MAX));
      if (groups.length > 0) out.push(encodeMessage({ kind: "states", groups }));
    }
    if (now >= this.#offers.due) {
      const keys = this.#offers.take(now, ENTRIES_MAX);
      const entries = keys.map((key) => database.summaryOf(key)).filter((entry) => entry !== undefined);
      if (entries.length > 0) out.push(encodeMessage({ kind: "summary", whole: 0, entries }));
    }
    return out;
  }
}

const stateId = (key: string, index: number): string => key + index;

function groupsOf(database: LinkDatabase, ids: readonly string[]): RevealGroup[] {
  const indices = new Map<string, number[]>();
  for (const id of ids) {
    const key = id.slice(0, KEY_DIGITS);
    indices.set(key, [...(indices.get(key) ?? []), Number(id.slice(KEY_DIGITS))]);
  }
  return [...indices].flatMap(([key, list]) => {
    const record = database.get(key);
    const reveals = record ? revealsOf(record, list) : [];
    return record && reveals.length > 0 ? [{ name: record.list.name, reveals }] : [];
  });
}
