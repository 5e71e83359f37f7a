/** Judges records that a neighbour sent: which are news, and whether proof, signature and right of their author hold. */
import { equal, toHex } from "../base/bytes.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import type { Decoding } from "./decoding.ts";
import type { Arrival, Holdings } from "./holdings.ts";
import { type Membership, mayWrite } from "./membership.ts";
import { checkProof } from "./merkle.ts";
import type { Group } from "./message.ts";
import { Recent } from "./recent.ts";
import type { Batch, Rec } from "./record.ts";

export interface Judged {
  /** News that hold. */
  readonly arrivals: readonly Arrival[];
  /** Ids that need not be asked for again: they are here, or something newer is. */
  readonly settled: readonly string[];
  /** Ids of what is not taken now. */
  readonly refused: readonly string[];
  readonly reason: "unknown author" | "no right" | undefined;
}

/** Batches whose signature held, 4 kB each, so that one is verified once however its records come. */
const VERIFIED_MAX = 256;

export class Intake {
  readonly #crypto: CryptoProvider;
  readonly #membership: Membership;
  readonly #holdings: Holdings;
  readonly #decoding: Decoding;
  readonly #verified = new Recent<Batch>(VERIFIED_MAX);

  constructor(crypto: CryptoProvider, membership: Membership, holdings: Holdings, decoding: Decoding) {
    this.#crypto = crypto;
    this.#membership = membership;
    this.#holdings = holdings;
    this.#decoding = decoding;
  }

  /** `forged` when no honest neighbour could have sent this, `unsigned` when the batch's signature is wanted with it. */
  async judge(group: Group): Promise<Judged | "forged" | "unsigned"> {
    const batch = group.batch ? this.#decoding.batch(group.batch) : await this.#known(group.id);
    if (!batch) return group.batch ? "forged" : "unsigned";
    const records = this.#records(batch, group);
    if (!records) return "forged";
    const news = new Set(records.filter((r) => this.#holdings.would(r.record) === "added").map((r) => r.record.id));
    const settled = records.filter((r) => !news.has(r.record.id)).map((r) => r.record.id);
    if (news.size === 0) return { arrivals: [], settled, refused: [], reason: undefined };
    const author = this.#membership.author(batch.author);
    if (typeof author !== "object") {
      const reason = author === "unknown" ? "unknown author" : "no right";
      return { arrivals: [], settled, refused: [...news], reason };
    }
    const leaves = records.map(({ index, record }) => ({ index, leaf: record.hash }));
    const checked = checkProof(this.#crypto, batch.count, leaves, group.proof);
    if (!checked || !equal(checked.root, batch.root)) return "forged";
    if (!this.#isVerified(batch) && !(await this.#decoding.isSigned(batch, author.keys))) return "forged";
    this.#verified.set(toHex(batch.id), batch);
    const arrivals: Arrival[] = [];
    const refused: string[] = [];
    for (const [i, { index, record }] of records.entries()) {
      if (!news.has(record.id)) continue;
      if (!mayWrite(record.kind, author)) refused.push(record.id);
      else arrivals.push({ record, batch, index, path: checked.proven[i]?.path ?? [] });
    }
    return { arrivals, settled, refused, reason: refused.length > 0 ? "no right" : undefined };
  }

  #records(batch: Batch, group: Group): readonly { readonly index: number; readonly record: Rec }[] | undefined {
    const out: { index: number; record: Rec }[] = [];
    for (const { index, encoded } of group.records) {
      const record = this.#decoding.record(batch.author, encoded);
      if (!record) return undefined;
      out.push({ index, record });
    }
    return out;
  }

  /** A statement names one root, so what held once holds with whatever signature it comes. */
  #isVerified = (batch: Batch): boolean =>
    this.#verified.get(toHex(batch.id)) !== undefined || this.#holdings.hasBatch(batch.id);

  async #known(id: Uint8Array | undefined): Promise<Batch | undefined> {
    return id && (this.#verified.get(toHex(id)) ?? (await this.#holdings.batch(id)));
  }
}
