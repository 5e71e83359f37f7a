/**
 * Which members are known here, as those who meet at a broker compare them: by hashes of their certificate chains. Nobody is asked for what is known, or
 * was asked for lately, and nothing counts that was not asked for.
 */
import { compare, concat, toHex } from "../../base/bytes.ts";
import { type Ms, minutes, seconds } from "../../base/time.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";

const HASH = 16;
/** Hashes in one letter: as many as a roster has members. */
const LISTED_MAX = 4_096;
/** Chains that are asked for, or given, at a time. */
export const CHAINS_MAX = 64;
const CHAIN_MAX = 40_000;
/** What was asked for may be lost; what came and is still unknown is no member here. */
const ASK_AGAIN: Ms = seconds(10);
const TAKE_AGAIN: Ms = minutes(10);
const ASKED_MAX = 8_192;

export interface Roll {
  /** Another number whenever somebody came or went. */
  readonly revision: number;
  /** Encoded chains: the same objects as long as they are known. */
  chains(): readonly Uint8Array[];
}

export class Certificates {
  readonly #crypto: Pick<CryptoProvider, "sha256">;
  readonly #roll: Roll;
  readonly #hashes = new WeakMap<Uint8Array, string>();
  #revision: number | undefined;
  /** By hash, hex. */
  #known: ReadonlyMap<string, Uint8Array> = new Map();
  #digest: Uint8Array = new Uint8Array(HASH);
  /** Hashes that nobody is asked for before then. */
  readonly #asked = new Map<string, Ms>();

  constructor(crypto: Pick<CryptoProvider, "sha256">, roll: Roll) {
    this.#crypto = crypto;
    this.#roll = roll;
    this.news();
  }

  /** The same where the same are known, 16 bytes. */
  get digest(): Uint8Array {
    return this.#digest;
  }

  /** Hashes of all. */
  get list(): Uint8Array {
    return joined([...this.#known.keys()]);
  }

  /** Hashes of those that came since the last call; empty for none. */
  news(): Uint8Array {
    if (this.#revision === this.#roll.revision) return joined([]);
    this.#revision = this.#roll.revision;
    const before = this.#known;
    this.#known = new Map(this.#roll.chains().map((chain) => [this.#hashOf(chain), chain]));
    const sorted = [...this.#known.keys()].map((hash) => Uint8Array.fromHex(hash)).sort(compare);
    this.#digest = this.#crypto.sha256(concat(...sorted)).slice(0, HASH);
    return joined([...this.#known.keys()].filter((hash) => !before.has(hash)));
  }

  /** Hashes to ask for, of those that another has; empty for none. */
  lacking(theirs: Uint8Array, now: Ms): Uint8Array {
    const lacking = hashesIn(theirs).filter((h) => !this.#known.has(h) && now >= (this.#asked.get(h) ?? now));
    const asked = lacking.slice(0, CHAINS_MAX);
    if (this.#asked.size > ASKED_MAX) this.#asked.clear();
    for (const hash of asked) this.#asked.set(hash, now + ASK_AGAIN);
    return joined(asked);
  }

  /** What another asks for, as far as it is known. */
  wanted(hashes: Uint8Array): readonly Uint8Array[] {
    const wanted = hashesIn(hashes).slice(0, CHAINS_MAX);
    return wanted.map((hash) => this.#known.get(hash)).filter((chain) => chain !== undefined);
  }

  /** Whether it was asked for, and has not come yet. */
  expects(chain: Uint8Array, now: Ms): boolean {
    if (chain.length > CHAIN_MAX) return false;
    const hash = this.#hashOf(chain);
    const until = this.#asked.get(hash);
    if (until === undefined || until > now + ASK_AGAIN) return false;
    this.#asked.set(hash, now + TAKE_AGAIN);
    return true;
  }

  #hashOf(chain: Uint8Array): string {
    const known = this.#hashes.get(chain);
    if (known !== undefined) return known;
    const hash = toHex(this.#crypto.sha256(chain).subarray(0, HASH));
    this.#hashes.set(chain, hash);
    return hash;
  }
}

const joined = (hashes: readonly string[]): Uint8Array =>
  concat(...hashes.slice(0, LISTED_MAX).map((hash) => Uint8Array.fromHex(hash)));

/** Once each; what is no whole hash is left out. */
function hashesIn(bytes: Uint8Array): string[] {
  const count = Math.min(Math.floor(bytes.length / HASH), LISTED_MAX);
  return [...new Set(Array.from({ length: count }, (_, i) => toHex(bytes.subarray(i * HASH, (i + 1) * HASH))))];
}
