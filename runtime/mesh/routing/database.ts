/**
 * All link lists that are known, how far their chains are revealed, and the graph that follows: an edge is one that both
 * ends list and neither says is down; it costs what the dearer of both says. So nobody can invent one.
 */
import { concat } from "../../base/bytes.ts";
import { LABEL } from "../../crypto/labels.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";
import { chainTag, follows } from "./chain.ts";
import { Graph } from "./graph.ts";
import { ELEMENT_BYTES, type SignedList } from "./link-list.ts";
import { BUCKETS, bucketOf, DIGEST_BYTES, type Reveal, type SummaryEntry } from "./message.ts";
import { COSTS, type EdgeView, type Label, type LinkValue, type Subnet, VALUES } from "./types.ts";

export interface LinkRecord {
  readonly list: SignedList;
  /** How far each link's chain is revealed. */
  readonly steps: Uint8Array;
  /** The elements of these numbers, one after the other; undefined while nothing is revealed. */
  elements: Uint8Array | undefined;
}

export class LinkDatabase {
  readonly graph = new Graph();
  readonly #crypto: CryptoProvider;
  readonly #mesh: Uint8Array;
  readonly #records = new Map<string, LinkRecord>();
  readonly #origins = new Map<Label, LinkRecord[]>();
  readonly #buckets: Set<string>[] = Array.from({ length: BUCKETS }, () => new Set());
  readonly #bucketDigests: (Uint8Array | undefined)[] = new Array(BUCKETS).fill(undefined);
  #digest: Uint8Array | undefined;

  constructor(crypto: CryptoProvider, mesh: Uint8Array) {
    this.#crypto = crypto;
    this.#mesh = mesh;
  }

  get size(): number {
    return this.#records.size;
  }

  isMember(label: Label): boolean {
    return this.graph.numberOf(label) !== undefined;
  }

  add(member: Label): void {
    this.graph.add(member);
  }

  remove(member: Label): void {
    for (const { list } of this.#origins.get(member) ?? []) {
      this.#records.delete(list.key);
      this.#buckets[bucketOf(list.key)]?.delete(list.key);
      this.#touch(list.key);
    }
    this.#origins.delete(member);
    this.graph.remove(member);
  }

  get(key: string): LinkRecord | undefined {
    return this.#records.get(key);
  }

  records(): Iterable<LinkRecord> {
    return this.#records.values();
  }

  /** Lists of bucket `b`. */
  keysOf(b: number): ReadonlySet<string> {
    return this.#buckets[b] as Set<string>;
  }

  subnetsOf(origin: Label): readonly Subnet[] {
    return this.#origins.get(origin)?.find((r) => r.list.page === 0)?.list.subnets ?? [];
  }

  /** Takes a list of a member whose signature holds and which is newer than the one it replaces. */
  put(list: SignedList): void {
    const before = this.#records.get(list.key);
    const record = { list, steps: new Uint8Array(list.links.length), elements: undefined };
    this.#records.set(list.key, record);
    this.#buckets[bucketOf(list.key)]?.add(list.key);
    const others = (this.#origins.get(list.origin) ?? []).filter((r) => r !== before);
    this.#origins.set(list.origin, [...others, record]);
    this.#touch(list.key);
    for (const { neighbour } of before?.list.links ?? []) this.#refresh(list.origin, neighbour);
    for (const { neighbour } of list.links) this.#refresh(list.origin, neighbour);
  }

  /** Whether the reveal goes on from what is known; then it counts. */
  advance(record: LinkRecord, { index, step, element }: Reveal): "news" | "old" | "forged" {
    const { list, steps } = record;
    const link = list.links[index];
    const known = steps[index];
    if (!link || known === undefined) return "forged";
    if (step <= known) return "old";
    const tag = this.chainTag(list, link.neighbour);
    const knownElement = known === 0 ? link.anchor : elementOf(record, index);
    if (!follows(this.#crypto, tag, element, step, knownElement, known)) return "forged";
    this.reveal(record, { index, step, element });
    return "news";
  }

  /** Without a look at the element: ours. */
  reveal(record: LinkRecord, { index, step, element }: Reveal): void {
    record.elements ??= new Uint8Array(record.list.links.length * ELEMENT_BYTES);
    record.elements.set(element, index * ELEMENT_BYTES);
    record.steps[index] = step;
    this.#touch(record.list.key);
    this.#refresh(record.list.origin, record.list.links[index]?.neighbour as Label);
  }

  chainTag(list: SignedList, neighbour: Label): Uint8Array {
    const hex = (text: string): Uint8Array => Uint8Array.fromHex(text);
    return chainTag(this.#crypto, this.#mesh, hex(list.origin), list.body.subarray(10, 18), hex(neighbour));
  }

  /** What `origin` says of its link to `neighbour`; undefined: nothing. */
  claim(origin: Label, neighbour: Label): LinkValue | undefined {
    let best: LinkRecord | undefined;
    let at = 0;
    for (const record of this.#origins.get(origin) ?? []) {
      const index = record.list.indices.get(neighbour);
      if (index === undefined || (best && best.list.version > record.list.version)) continue;
      best = record;
      at = index;
    }
    return best && stateOf(best, at);
  }

  /** Who says that it is a neighbour of this one. */
  claimants(neighbour: Label): Label[] {
    return [...this.#origins.keys()].filter((origin) => (this.claim(origin, neighbour) ?? 0) > 0);
  }

  /** Equal where the same is known. */
  get digest(): Uint8Array {
    this.#digest ??= this.#short(concat(...this.buckets));
    return this.#digest;
  }

  get buckets(): readonly Uint8Array[] {
    return Array.from({ length: BUCKETS }, (_, b) => this.#bucketDigest(b));
  }

  summaryOf(key: string): SummaryEntry | undefined {
    const record = this.#records.get(key);
    return record && { name: record.list.name, steps: record.steps };
  }

  /** Every link that somebody lists, each once. */
  edges(): EdgeView[] {
    const out: EdgeView[] = [];
    const seen = new Set<string>();
    for (const { list } of this.#records.values()) {
      for (const { neighbour } of list.links) {
        const ends: [Label, Label] = list.origin < neighbour ? [list.origin, neighbour] : [neighbour, list.origin];
        const id = ends.join();
        if (seen.has(id)) continue;
        seen.add(id);
        const values = [this.claim(ends[0], ends[1]), this.claim(ends[1], ends[0])] as const;
        out.push({ ends, values, cost: this.#cost(ends[0], ends[1]) || undefined });
      }
    }
    return out.sort((a, b) => (a.ends.join() < b.ends.join() ? -1 : 1));
  }

  #cost(a: Label, b: Label): number {
    const one = this.claim(a, b);
    const other = one ? this.claim(b, a) : undefined;
    return one && other ? (COSTS[Math.max(one, other)] as number) : 0;
  }

  #refresh(origin: Label, neighbour: Label): void {
    const [a, b] = [this.graph.numberOf(origin), this.graph.numberOf(neighbour)];
    if (a !== undefined && b !== undefined) this.graph.set(a, b, this.#cost(origin, neighbour));
  }

  #touch(key: string): void {
    this.#bucketDigests[bucketOf(key)] = undefined;
    this.#digest = undefined;
  }

  #bucketDigest(b: number): Uint8Array {
    const known = this.#bucketDigests[b];
    if (known) return known;
    const parts = [...this.keysOf(b)].sort().flatMap((key) => {
      const { list, steps } = this.#records.get(key) as LinkRecord;
      return [list.name, Uint8Array.of(steps.length), steps];
    });
    const digest = this.#short(concat(...parts));
    this.#bucketDigests[b] = digest;
    return digest;
  }

  #short(data: Uint8Array): Uint8Array {
    return this.#crypto.sha256(concat(LABEL.linkDigest, data)).slice(0, DIGEST_BYTES);
  }
}

export const stateOf = ({ list, steps }: LinkRecord, index: number): LinkValue =>
  ((list.links[index]?.value as number) + (steps[index] as number)) % VALUES;

export const elementOf = (record: LinkRecord, index: number): Uint8Array =>
  (record.elements as Uint8Array).subarray(index * ELEMENT_BYTES, (index + 1) * ELEMENT_BYTES);

/** How far the record's chains are revealed, of these links or of all. */
export const revealsOf = (record: LinkRecord, indices?: Iterable<number>): Reveal[] =>
  [...(indices ?? record.steps.keys())]
    .filter((index) => record.steps[index])
    .sort((a, b) => a - b)
    .map((index) => ({ index, step: record.steps[index] as number, element: elementOf(record, index) }));
