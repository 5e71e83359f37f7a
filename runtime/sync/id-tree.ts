/**
 * A set of ids (32 hex digits, 16 bytes of a hash) with a fingerprint for every range of ids that begin alike. Two sets agree on a range when
 * its fingerprints agree; where they do not, the range's sixteen parts tell where to look further.
 *
 * A fingerprint is a hash over hashes, not a sum of them: whoever writes many records could find sets of them whose sums are equal
 * (Wagner's generalized birthday: with 2^16 records to choose from, 2^31 steps for a sum of 256 bits). It depends on the set alone:
 * with at most `BUCKET` ids SHA-256(label ‖ 0 ‖ ids in order), else SHA-256(label ‖ 1 ‖ fingerprints of the parts), an empty part being zeros; 16 bytes of it.
 */
import { concat } from "../base/bytes.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";

export const PARTS = 16;
export const FINGERPRINT = 16;
const ID_DIGITS = 32;
/** Ids that a range holds before it has parts. */
const BUCKET = 16;
const EMPTY = new Uint8Array(FINGERPRINT);

interface Node {
  count: number;
  /** Exactly one of the two is there. */
  ids: Set<string> | undefined;
  parts: (Node | undefined)[] | undefined;
  fingerprint: Uint8Array | undefined;
}

const bucket = (ids: Iterable<string> = []): Node => {
  const set = new Set(ids);
  return { count: set.size, ids: set, parts: undefined, fingerprint: undefined };
};

export class IdTree {
  readonly #crypto: Pick<CryptoProvider, "sha256">;
  #root: Node = bucket();

  constructor(crypto: Pick<CryptoProvider, "sha256">) {
    this.#crypto = crypto;
  }

  get size(): number {
    return this.#root.count;
  }

  /** False when it was there. */
  add(id: string): boolean {
    return insert(this.#root, id, 0);
  }

  /** False when it was not there. */
  delete(id: string): boolean {
    return remove(this.#root, id, 0);
  }

  has(id: string): boolean {
    return this.#at(id)?.node.ids?.has(id) === true;
  }

  /** How many ids begin with `prefix` (hex digits). */
  count(prefix: string): number {
    const found = this.#at(prefix);
    return found?.depth === prefix.length ? found.node.count : this.ids(prefix).length;
  }

  /** Those that begin with `prefix`, in order. */
  ids(prefix: string): string[] {
    const out: string[] = [];
    const found = this.#at(prefix);
    if (found) collect(found.node, out);
    return out.filter((id) => id.startsWith(prefix)).sort();
  }

  /** 16 bytes; zeros for an empty range. */
  fingerprint(prefix: string): Uint8Array {
    const found = this.#at(prefix);
    return found?.depth === prefix.length ? this.#fingerprint(found.node) : this.#ofIds(this.ids(prefix));
  }

  /** The fingerprints of the sixteen parts of a range, one after the other. */
  parts(prefix: string): Uint8Array {
    return concat(...Array.from({ length: PARTS }, (_, i) => this.fingerprint(prefix + i.toString(PARTS))));
  }

  /** The range of a prefix, or the bucket on the way to it, which its ids are in; undefined where there is none of either. */
  #at(prefix: string): { readonly node: Node; readonly depth: number } | undefined {
    let node = this.#root;
    let depth = 0;
    for (; node.parts && depth < prefix.length; depth++) {
      const next = node.parts[digit(prefix, depth)];
      if (!next) return undefined;
      node = next;
    }
    return { node, depth };
  }

  #fingerprint(node: Node): Uint8Array {
    node.fingerprint ??= node.ids
      ? this.#ofIds([...node.ids].sort())
      : this.#hash(1, ...(node.parts ?? []).map((part) => (part ? this.#fingerprint(part) : EMPTY)));
    return node.fingerprint;
  }

  #ofIds(ids: readonly string[]): Uint8Array {
    return ids.length === 0 ? EMPTY : this.#hash(0, ...ids.map((id) => Uint8Array.fromHex(id)));
  }

  #hash(form: number, ...inputs: readonly Uint8Array[]): Uint8Array {
    return this.#crypto.sha256(LABEL.syncRange, Uint8Array.of(form), ...inputs).slice(0, FINGERPRINT);
  }
}

const digit = (id: string, depth: number): number => Number.parseInt(id[depth] as string, PARTS);

function insert(node: Node, id: string, depth: number): boolean {
  let added: boolean;
  if (node.ids) {
    added = !node.ids.has(id);
    node.ids.add(id);
    if (node.ids.size > BUCKET && depth < ID_DIGITS) divide(node, depth);
  } else added = insert(partFor(node, id, depth), id, depth + 1);
  if (added) node.count++;
  if (added) node.fingerprint = undefined;
  return added;
}

function partFor(node: Node, id: string, depth: number): Node {
  const parts = node.parts as (Node | undefined)[];
  const at = digit(id, depth);
  const part = parts[at] ?? bucket();
  parts[at] = part;
  return part;
}

function divide(node: Node, depth: number): void {
  const ids = node.ids as Set<string>;
  node.ids = undefined;
  node.parts = new Array<Node | undefined>(PARTS).fill(undefined);
  for (const id of ids) insert(partFor(node, id, depth), id, depth + 1);
}

function remove(node: Node, id: string, depth: number): boolean {
  const part = node.parts?.[digit(id, depth)];
  const removed = node.ids ? node.ids.delete(id) : part !== undefined && remove(part, id, depth + 1);
  if (!removed) return false;
  node.count--;
  node.fingerprint = undefined;
  if (node.parts && part?.count === 0) node.parts[digit(id, depth)] = undefined;
  if (node.parts && node.count <= BUCKET) {
    const left: string[] = [];
    collect(node, left);
    node.parts = undefined;
    node.ids = new Set(left);
  }
  return true;
}

function collect(node: Node, out: string[]): void {
  if (node.ids) out.push(...node.ids);
  else for (const part of node.parts ?? []) if (part) collect(part, out);
}
