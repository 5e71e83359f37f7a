/** Whose an address in a subnet is: a radix-16 trie over the address, in rows as those of rules are. The longest prefix wins. */
import { concat } from "../base/bytes.ts";
import type { Prefix } from "../base/ip.ts";
import { LEAF, NO_RULE, ROW_WORDS } from "./trie.ts";

/** A prefix and the leaf below it. */
export interface Placed {
  readonly prefix: Prefix;
  readonly leaf: number;
}

export class SubnetTrie {
  readonly #first: number;
  readonly #rows: number[][] = [];

  /** Its rows come behind others: their numbers begin with `first`. */
  constructor(first: number) {
    this.#first = first;
  }

  get rows(): readonly (readonly number[])[] {
    return this.#rows;
  }

  /** Reference to the trie of these. */
  build(placed: readonly Placed[]): number {
    const mapped = placed.map(({ prefix, leaf }) => ({ prefix: mappedPrefix(prefix), leaf }));
    const shorterFirst = mapped.sort((a, b) => a.prefix.length - b.prefix.length);
    return shorterFirst.reduce((root, one) => this.#put(root, one, 0), NO_RULE);
  }

  /** What stands there is of shorter prefixes: it stays wherever this one does not reach. */
  #put(reference: number, { prefix, leaf }: Placed, level: number): number {
    const left = prefix.length - 4 * level;
    if (left <= 0) return leaf;
    const at = reference < LEAF ? reference - this.#first : this.#rows.push(new Array(ROW_WORDS).fill(reference)) - 1;
    const row = this.#rows[at] as number[];
    const byte = prefix.address[level >> 1] as number;
    const digit = level % 2 === 0 ? byte >> 4 : byte & 15;
    const covered = left >= 4 ? 1 : 2 ** (4 - left); // the digits that this prefix leaves open
    for (let i = digit; i < digit + covered; i++) row[i] = this.#put(row[i] as number, { prefix, leaf }, level + 1);
    return this.#first + at;
  }
}

const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

/** As the kernel has addresses: IPv4 in IPv6. */
const mappedPrefix = ({ address, length }: Prefix): Prefix =>
  address.length === 16 ? { address, length } : { address: concat(MAPPED, address), length: length + 96 };

/** The leaf of an address of 4 or 16 bytes. */
export function lookUpAddress(words: ArrayLike<number>, root: number, address: Uint8Array): number {
  const whole = address.length === 16 ? address : concat(MAPPED, address);
  let reference = root;
  for (let level = 0; reference < LEAF && level < 32; level++) {
    const byte = whole[level >> 1] as number;
    reference = words[ROW_WORDS * reference + (level % 2 === 0 ? byte >> 4 : byte & 15)] as number;
  }
  return reference;
}
