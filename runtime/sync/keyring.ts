/** The group keys of this gateway: what it may write under, read with, and hand to neighbours. */
import { toHex } from "../base/bytes.ts";
import type { RandomBytes } from "../base/random.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import type { RecordStore } from "../store/store.ts";
import { createEpoch, decodeEpoch, type Epoch, EpochBook, encodeEpoch, isEpochSigned } from "./epochs.ts";
import type { Membership } from "./membership.ts";

const SLICE = 64;
/** Epochs that are kept in any case; beyond it those that nothing is sealed with go. */
const KEPT = 64;

export class Keyring {
  readonly #crypto: CryptoProvider;
  readonly #random: RandomBytes;
  readonly #store: RecordStore;
  readonly #membership: Membership;
  readonly #book = new EpochBook();
  /** Ids of epochs whose signature holds. The key of any other can be read with, since its id commits to it. */
  readonly #signed = new Set<string>();

  constructor(crypto: CryptoProvider, random: RandomBytes, store: RecordStore, membership: Membership) {
    this.#crypto = crypto;
    this.#random = random;
    this.#store = store;
    this.#membership = membership;
  }

  async load(): Promise<void> {
    let behind: Uint8Array | undefined;
    for (;;) {
      const slice = await this.#store.list("epoch", SLICE, behind);
      for (const { value } of slice) {
        const epoch = decodeEpoch(this.#crypto, this.#membership.meshId, value);
        if (epoch && this.#book.add(epoch)) await this.#judge(epoch);
      }
      behind = slice.at(-1)?.key;
      if (slice.length < SLICE) return;
    }
  }

  get(id: Uint8Array): Epoch | undefined {
    return this.#book.get(id);
  }

  /** The epoch to write under now; made, signed and stored where there is none. Throws what the store throws. */
  async current(): Promise<{ readonly epoch: Epoch; readonly fresh: boolean }> {
    const { meshId, self } = this.#membership;
    const revocations = this.#membership.revocations();
    for (const epoch of this.#book) await this.#judge(epoch);
    const known = this.#book.current(revocations, (e) => this.#mayWriteUnder(e));
    if (known) return { epoch: known, fresh: false };
    const epoch = await createEpoch(this.#crypto, this.#random, meshId, self, revocations);
    await this.#store.commit([{ range: "epoch", key: epoch.id, value: encodeEpoch(epoch) }]);
    this.#book.add(epoch);
    this.#signed.add(toHex(epoch.id));
    return { epoch, fresh: true };
  }

  /** Takes what a neighbour handed over. Throws what the store throws. */
  async accept(carried: Uint8Array): Promise<"added" | "known" | "refused"> {
    const epoch = decodeEpoch(this.#crypto, this.#membership.meshId, carried);
    if (!epoch) return "refused";
    if (this.#book.get(epoch.id)) return "known";
    if (!this.#book.add(epoch)) return "refused";
    await this.#judge(epoch);
    try {
      await this.#store.commit([{ range: "epoch", key: epoch.id, value: carried }]);
    } catch (thrown) {
      this.#book.remove(epoch.id);
      throw thrown;
    }
    return "added";
  }

  /** What a member may be given by us, who know of these revocations. */
  shareable(): readonly Epoch[] {
    return [...this.#book.shareable(this.#membership.revocations())];
  }

  /** Forgets epochs that nothing is sealed with and that nobody who knows what we know would write under. */
  async prune(isUsed: (id: string) => boolean): Promise<void> {
    if (this.#book.size <= KEPT) return;
    const revocations = this.#membership.revocations();
    const stale = [...this.#book].filter((e) => !isUsed(toHex(e.id)) && e.revocations.size < revocations.size);
    await this.#store.commit(stale.map(({ id }) => ({ range: "epoch", key: id, value: undefined })));
    for (const { id } of stale) this.#book.remove(id);
  }

  #mayWriteUnder(epoch: Epoch): boolean {
    return this.#signed.has(toHex(epoch.id)) && typeof this.#membership.author(epoch.creator) === "object";
  }

  /** Checked once its creator's keys are known. */
  async #judge(epoch: Epoch): Promise<void> {
    if (this.#signed.has(toHex(epoch.id))) return;
    const creator = this.#membership.author(epoch.creator);
    if (typeof creator !== "object") return;
    if (await isEpochSigned(this.#crypto, epoch, creator.keys)) this.#signed.add(toHex(epoch.id));
  }
}
