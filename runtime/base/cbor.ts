/**
 * Deterministic CBOR (RFC 8949 §4.2.1) over maps with integer or text keys, arrays, integers, byte and text strings,
 * booleans and null. No floats, no tags, no indefinite lengths, at most eight levels deep.
 */
import { compare, fromUtf8, utf8 } from "./bytes.ts";

export type Cbor = number | bigint | string | boolean | null | Uint8Array | readonly Cbor[] | ReadonlyMap<Cbor, Cbor>;

/** Deeper than anything we write; bounds what nested input can cost. */
const DEPTH_MAX = 8;
const MAJOR = { unsigned: 0, negative: 1, bytes: 2, text: 3, list: 4, map: 5, simple: 7 } as const;
const SIMPLE = new Map<number, boolean | null>([
  [20, false],
  [21, true],
  [22, null],
]);
const ARGUMENT_MAX = 2n ** 64n;

/** Throws RangeError for an integer beyond 64 bits or a number that is none: a bug of the caller. */
export function encodeCbor(value: Cbor): Uint8Array {
  const writer = new Writer();
  writer.item(value);
  return writer.bytes();
}

/** One buffer for all items: a copy of each for each level that it stands below costs more than all else. */
class Writer {
  #out = new Uint8Array(256);
  #at = 0;

  bytes(): Uint8Array {
    return this.#out.slice(0, this.#at);
  }

  item(value: Cbor): void {
    if (typeof value === "number" || typeof value === "bigint") this.#integer(value);
    else if (value instanceof Uint8Array) this.#string(MAJOR.bytes, value);
    else if (value instanceof Map) this.#map(value);
    else if (typeof value === "string") this.#string(MAJOR.text, utf8(value));
    else if (value === null) this.#head(MAJOR.simple, 22);
    else if (typeof value === "boolean") this.#head(MAJOR.simple, value ? 21 : 20);
    else this.#list(value as readonly Cbor[]);
  }

  #integer(value: number | bigint): void {
    if (typeof value === "number" && !Number.isSafeInteger(value)) throw new RangeError(`${value} is no safe integer`);
    if (value < 0) this.#head(MAJOR.negative, -1n - BigInt(value));
    else this.#head(MAJOR.unsigned, value);
  }

  #string(major: number, content: Uint8Array): void {
    this.#head(major, content.length);
    this.#room(content.length);
    this.#out.set(content, this.#at);
    this.#at += content.length;
  }

  #list(list: readonly Cbor[]): void {
    this.#head(MAJOR.list, list.length);
    for (const value of list) this.item(value);
  }

  /** Entries in the order of their encoded keys. */
  #map(map: ReadonlyMap<Cbor, Cbor>): void {
    this.#head(MAJOR.map, map.size);
    for (const [key, value] of inOrder(map)) {
      this.item(key);
      this.item(value);
    }
  }

  /** Major type and argument in the shortest form. */
  #head(major: number, argument: number | bigint): void {
    this.#room(9);
    if (argument < 24) this.#byte((major << 5) | Number(argument));
    else if (argument < 0x1_0000_0000) this.#argument(major, Number(argument));
    else {
      const n = BigInt(argument);
      if (n >= ARGUMENT_MAX) throw new RangeError(`${argument} has more than 64 bits`);
      this.#byte((major << 5) | 27);
      for (let shift = 56n; shift >= 0n; shift -= 8n) this.#byte(Number((n >> shift) & 0xffn));
    }
  }

  #argument(major: number, n: number): void {
    const size = n < 0x100 ? 0 : n < 0x1_0000 ? 1 : 2; // log2 of the bytes
    this.#byte((major << 5) | (24 + size));
    for (let shift = 8 * ((1 << size) - 1); shift >= 0; shift -= 8) this.#byte((n >>> shift) & 0xff);
  }

  #byte(value: number): void {
    this.#out[this.#at++] = value;
  }

  #room(more: number): void {
    if (this.#at + more <= this.#out.length) return;
    const larger = new Uint8Array(Math.max(this.#at + more, 2 * this.#out.length));
    larger.set(this.#out);
    this.#out = larger;
  }
}

const isIndex = (key: Cbor): key is number => typeof key === "number" && key >= 0;

/** Numbers from 0 up, which most keys are, are encoded in the order of their values. */
function inOrder(map: ReadonlyMap<Cbor, Cbor>): readonly (readonly [Cbor, Cbor])[] {
  const entries = [...map];
  if (entries.every(([key], i) => isIndex(key) && (i === 0 || (entries[i - 1]?.[0] as number) < key))) return entries;
  const encoded = entries.map(([key, value]) => ({ name: encodeCbor(key), entry: [key, value] as const }));
  return encoded.sort((a, b) => compare(a.name, b.name)).map(({ entry }) => entry);
}

/** The value, or undefined for anything that is not the one deterministic encoding of a value. Never throws. */
export function decodeCbor(data: Uint8Array): Cbor | undefined {
  const reader = new Reader(data);
  const value = reader.item(DEPTH_MAX);
  return reader.left === 0 ? value : undefined;
}

/** Every method gives undefined where the input ends early or has another form than the encoder's. */
class Reader {
  readonly #data: Uint8Array;
  #at = 0;

  constructor(data: Uint8Array) {
    // A Buffer's `slice` would be no copy.
    this.#data = data.constructor === Uint8Array ? data : new Uint8Array(data.buffer, data.byteOffset, data.length);
  }

  get left(): number {
    return this.#data.length - this.#at;
  }

  item(depth: number): Cbor | undefined {
    const first = this.#data[this.#at++];
    if (first === undefined || depth === 0) return undefined;
    const major = first >> 5;
    const info = first & 31;
    if (major === MAJOR.simple) return SIMPLE.get(info);
    const argument = this.#argument(info);
    if (argument === undefined) return undefined;
    if (major === MAJOR.unsigned) return plain(argument);
    if (major === MAJOR.negative) return plain(-1n - BigInt(argument));
    if (argument > this.left) return undefined; // a byte or an item each: no count is believed beyond what came
    const count = Number(argument);
    if (major === MAJOR.bytes) return this.#copy(count);
    if (major === MAJOR.text) return fromUtf8(this.#take(count) as Uint8Array);
    if (major === MAJOR.list) return this.#list(count, depth - 1);
    return major === MAJOR.map ? this.#map(count, depth - 1) : undefined;
  }

  #list(count: number, depth: number): Cbor[] | undefined {
    const out: Cbor[] = [];
    for (let i = 0; i < count; i++) {
      const value = this.item(depth);
      if (value === undefined) return undefined;
      out.push(value);
    }
    return out;
  }

  #map(count: number, depth: number): Map<Cbor, Cbor> | undefined {
    const out = new Map<Cbor, Cbor>();
    let [from, length] = [0, 0];
    for (let i = 0; i < count; i++) {
      const at = this.#at;
      const key = this.item(1);
      if (typeof key !== "number" && typeof key !== "string") return undefined;
      if (i > 0 && !this.#ascends(from, length, at)) return undefined; // out of order, or twice
      [from, length] = [at, this.#at - at];
      const value = this.item(depth);
      if (value === undefined) return undefined;
      out.set(key, value);
    }
    return out;
  }

  /** Whether the bytes that were read since `at` come behind those `length` ones at `from`. */
  #ascends(from: number, length: number, at: number): boolean {
    const n = Math.min(length, this.#at - at);
    for (let i = 0; i < n; i++) {
      const difference = (this.#data[at + i] as number) - (this.#data[from + i] as number);
      if (difference !== 0) return difference > 0;
    }
    return this.#at - at > length;
  }

  /** Undefined for a reserved or indefinite form, and for one longer than it need be. */
  #argument(info: number): number | bigint | undefined {
    if (info < 24) return info;
    const size = info < 28 ? 1 << (info - 24) : Number.POSITIVE_INFINITY;
    if (size > this.left) return undefined;
    if (size === 8) {
      const value = this.#take(8)?.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) ?? 0n;
      return value < 0x1_0000_0000n ? undefined : value;
    }
    let value = 0;
    for (let i = 0; i < size; i++) value = value * 256 + (this.#data[this.#at++] as number);
    const least = info === 24 ? 24 : 2 ** (8 << (info - 25));
    return value >= least ? value : undefined;
  }

  /** Of what is here. */
  #copy(count: number): Uint8Array {
    this.#at += count;
    return this.#data.slice(this.#at - count, this.#at);
  }

  #take(count: number): Uint8Array | undefined {
    if (count > this.left) return undefined;
    this.#at += count;
    return this.#data.subarray(this.#at - count, this.#at);
  }
}

const plain = (n: number | bigint): number | bigint => {
  const small = Number(n);
  return Number.isSafeInteger(small) ? small : n;
};
