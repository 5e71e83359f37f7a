/**
 * How roster and revocations reach everyone: neighbours compare one digest of all they know; where it differs one lists
 * its hashes, and each asks for what it lacks. What is new is offered at once. Values only; the mesh core sends and applies.
 */
import { concat, equal, toHex } from "../../base/bytes.ts";
import { Muting } from "../../base/muting.ts";
import { type Ms, seconds } from "../../base/time.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";
import type { MeshDirectory } from "../ports.ts";
import { HASH_BYTES, HASHES_MAX, type StreamMessage } from "./message.ts";

/** A neighbour is told our digest this often; one who knows the same as we do, less often. */
const DIGEST_EVERY: Ms = seconds(5);
const DIGEST_STEADY: Ms = seconds(10);
/** Who hears digests, which come by so much `later` than to a neighbour, is kept by their sender for so long; some may be lost. */
export const keptByDigest = (later: Ms): Ms => 3.5 * (DIGEST_STEADY + later);
/** A neighbour is sent the whole list of hashes at most this often. */
const LIST_EVERY: Ms = seconds(1);
/** What one neighbour was asked for is not asked of another before. */
const ASK_AGAIN: Ms = seconds(3);

export interface Item {
  readonly kind: "member" | "revocation";
  readonly data: Uint8Array;
  /** Node id of a member. */
  readonly id: Uint8Array | undefined;
}

/** `key`: as hex, which is ordered as the bytes are. */
interface Hash {
  readonly bytes: Uint8Array;
  readonly key: string;
}

/** What gossip remembers of one neighbour. */
export class GossipPeer {
  nextDigest: Ms = 0;
  nextList: Ms = 0;
  /** What it said last of all that it knows. */
  told: Uint8Array | undefined;
  /** For what does not verify; while it lasts the neighbour is not asked for anything. */
  readonly muting = new Muting();
}

export class Gossip {
  readonly #crypto: CryptoProvider;
  readonly #directory: MeshDirectory;
  readonly #hashes = new WeakMap<Uint8Array, Hash>();
  #revision = -1;
  #items = new Map<string, Item>();
  /** Undefined while nobody has asked for it since something changed. */
  #digest: Uint8Array | undefined;
  readonly #asked = new Map<string, Ms>();

  constructor(crypto: CryptoProvider, directory: MeshDirectory) {
    this.#crypto = crypto;
    this.#directory = directory;
    this.refresh();
  }

  /** SHA-256 over the sorted hashes of all we know: equal where the same is known. */
  get digest(): Uint8Array {
    this.#digest ??= this.#crypto.sha256(
      concat(...[...this.#items.keys()].sort().map((key) => Uint8Array.fromHex(key))),
    );
    return this.#digest;
  }

  /** When the neighbour is told next, after being told now. */
  nextDigest(peer: GossipPeer, now: Ms): Ms {
    return now + (peer.told && equal(peer.told, this.digest) ? DIGEST_STEADY : DIGEST_EVERY);
  }

  /** Looks whether the directory changed; gives what is new since the last time. */
  refresh(): Item[] {
    if (this.#revision === this.#directory.revision) return [];
    this.#revision = this.#directory.revision;
    const before = this.#items;
    this.#items = new Map();
    for (const data of this.#directory.revocationRecords()) this.#add({ kind: "revocation", data, id: undefined });
    for (const { chain, id } of this.#directory.list()) this.#add({ kind: "member", data: chain, id });
    this.#digest = undefined;
    return [...this.#items].filter(([key]) => !before.has(key)).map(([, item]) => item);
  }

  /** The list of all we know, for a neighbour whose digest is another. */
  list(peer: GossipPeer, digest: Uint8Array, now: Ms): StreamMessage | undefined {
    peer.told = digest;
    if (equal(digest, this.digest) || now < peer.nextList) return undefined;
    peer.nextList = now + LIST_EVERY;
    return {
      kind: "have",
      hashes: [...this.#items.values()].slice(0, HASHES_MAX).map((i) => this.#hashOf(i.data).bytes),
    };
  }

  offer(items: readonly Item[]): StreamMessage {
    return { kind: "offer", hashes: items.map((i) => this.#hashOf(i.data).bytes).slice(0, HASHES_MAX) };
  }

  /** What to ask for, and what to offer in return, after a neighbour's `have` or `offer`. */
  compare(peer: GossipPeer, m: StreamMessage, now: Ms): StreamMessage[] {
    const theirs = new Map((m.hashes ?? []).map((h) => [toHex(h), h]));
    const lacking = [...theirs].filter(([key]) => !this.#items.has(key) && this.#mayAsk(key, now));
    const answers: StreamMessage[] = [];
    if (lacking.length > 0 && !peer.muting.isMuted(now)) {
      for (const [key] of lacking) this.#asked.set(key, now + ASK_AGAIN);
      answers.push({ kind: "want", hashes: lacking.map(([, hash]) => hash) });
    }
    const extra = m.kind === "have" ? [...this.#items].filter(([key]) => !theirs.has(key)) : [];
    if (extra.length > 0) answers.push(this.offer(extra.map(([, item]) => item)));
    return answers;
  }

  wanted(m: StreamMessage): Item[] {
    const keys = new Set((m.hashes ?? []).map(toHex));
    return [...keys].map((key) => this.#items.get(key)).filter((i) => i !== undefined);
  }

  /** Whether we asked for exactly this and did not get it yet. Revocations come unasked. */
  expects(data: Uint8Array): boolean {
    return this.#asked.delete(this.#hashOf(data).key);
  }

  #mayAsk(key: string, now: Ms): boolean {
    const until = this.#asked.get(key);
    if (until !== undefined && now < until) return false;
    if (this.#asked.size > HASHES_MAX) this.#asked.clear();
    return true;
  }

  #add(item: Item): void {
    this.#items.set(this.#hashOf(item.data).key, item);
  }

  /** Chains and records are kept, so each is hashed once. */
  #hashOf(data: Uint8Array): Hash {
    const known = this.#hashes.get(data);
    if (known) return known;
    const bytes = this.#crypto.sha256(data).slice(0, HASH_BYTES);
    const hash = { bytes, key: toHex(bytes) };
    this.#hashes.set(data, hash);
    return hash;
  }
}
