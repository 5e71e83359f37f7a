/**
 * Puts fragments together. A joined message is checked against its `instance` before anything is computed from it, and
 * each candidate is given out once: a repeated fragment never makes the same work twice.
 */
import { concat, equal, toHex } from "../../base/bytes.ts";
import { type Endpoint, endpointKey } from "../../base/endpoint.ts";
import { type Ms, seconds } from "../../base/time.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";
import { FairTable } from "./fair-table.ts";
import { type Fragment, instanceOf } from "./fragment.ts";

export const REASSEMBLY_SLOTS = 256;
/** No exchange lasts longer. */
export const REASSEMBLY_LIFE = seconds(10);
/** Variants kept per fragment: an attacker on the wire who sends forged ones must not displace the true one. */
export const VARIANTS = 3;
/** Candidates tried per arriving fragment, so that forged variants cannot make us hash for long. */
export const CANDIDATES = 9;

interface Slot {
  readonly instance: number;
  readonly parts: Uint8Array[][];
}

/** A fixed number of messages in the making. */
export class Reassembly {
  readonly #crypto: CryptoProvider;
  readonly #slots: FairTable<Slot>;

  constructor(crypto: CryptoProvider, limit = REASSEMBLY_SLOTS) {
    this.#crypto = crypto;
    this.#slots = new FairTable(limit, REASSEMBLY_LIFE, () => {});
  }

  get size(): number {
    return this.#slots.size;
  }

  /** Whole messages that this fragment completes (several only when somebody forged variants), and what has arrived. */
  add(f: Fragment, source: Endpoint, now: Ms): { readonly whole: Uint8Array[]; readonly bitmap: number } {
    const { instance, parts } = this.#slots.get(keyOf(f, source)) ?? this.#open(f, source, now);
    const variants = parts[f.index] as Uint8Array[];
    const isNew = variants.length < VARIANTS && !variants.some((v) => equal(v, f.payload));
    const part = f.payload.slice();
    if (isNew) variants.push(part);
    const bitmap = parts.reduce((bits, v, i) => (v.length > 0 ? bits | (1 << i) : bits), 0) >>> 0;
    const candidates = isNew ? combinations(parts.with(f.index, [part])) : [];
    return { whole: candidates.filter((m) => instanceOf(this.#crypto, m) === instance), bitmap };
  }

  /** Forgets a message that was dealt with. */
  done(f: Fragment, source: Endpoint): void {
    this.#slots.delete(keyOf(f, source));
  }

  expire(now: Ms): void {
    this.#slots.expire(now);
  }

  #open(f: Fragment, source: Endpoint, now: Ms): Slot {
    const slot: Slot = { instance: f.instance, parts: Array.from({ length: f.count }, () => []) };
    this.#slots.set(keyOf(f, source), source, slot, now);
    return slot;
  }
}

/** By source as well: a copy from elsewhere, which may fail, must not count as the repetition of the true one. */
const keyOf = (f: Fragment, source: Endpoint): string =>
  `${toHex(f.exchange)}.${f.message}.${f.instance}.${f.count} ${endpointKey(source)}`;

/** None while a part is missing. */
function combinations(parts: readonly (readonly Uint8Array[])[]): Uint8Array[] {
  let rows: Uint8Array[][] = [[]];
  for (const variants of parts) {
    rows = rows.flatMap((row) => variants.map((v) => [...row, v])).slice(0, CANDIDATES);
  }
  return rows.map((row) => concat(...row));
}
