/** Which revocations are in force here, as those who meet at a broker compare them. */
import { compare, concat } from "../../base/bytes.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";

const DIGEST = 16;

export class Revocations {
  readonly #crypto: Pick<CryptoProvider, "sha256">;
  readonly #inForce: () => readonly Uint8Array[];
  /** Those that were looked at: none ever goes. */
  readonly #known = new Set<Uint8Array>();
  #digest: Uint8Array;
  #turn = 0;

  /** `inForce`: the same objects each time, and some more. */
  constructor(crypto: Pick<CryptoProvider, "sha256">, inForce: () => readonly Uint8Array[]) {
    this.#crypto = crypto;
    this.#inForce = inForce;
    this.#digest = this.#digestOf([]);
    this.news();
  }

  /** The same where the same are in force, 16 bytes. */
  get digest(): Uint8Array {
    return this.#digest;
  }

  /** What came into force since the last call. */
  news(): readonly Uint8Array[] {
    const all = this.#inForce();
    if (all.length === this.#known.size) return [];
    const news = all.filter((record) => !this.#known.has(record));
    for (const record of news) this.#known.add(record);
    this.#digest = this.#digestOf(all);
    return news;
  }

  /** At most so many, and others the next time where there are more. */
  some(most: number): readonly Uint8Array[] {
    const all = [...this.#known];
    const from = all.length > most ? this.#turn % all.length : 0;
    this.#turn += most;
    return [...all.slice(from), ...all.slice(0, from)].slice(0, most);
  }

  #digestOf(records: readonly Uint8Array[]): Uint8Array {
    const hashes = records.map((record) => this.#crypto.sha256(record)).sort(compare);
    return this.#crypto.sha256(concat(...hashes)).subarray(0, DIGEST);
  }
}
