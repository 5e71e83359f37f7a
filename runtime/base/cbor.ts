/**
 * Deterministic CBOR (RFC 8949 §4.2.1) over maps with integer or text keys, arrays, integers, byte and text strings,
 * booleans and null. No floats, no tags, no indefinite lengths, at most eight levels deep.
 */
import { compare, concat, fromUtf8, utf8 } from "./bytes.ts";

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
  if (value === null) return head(MAJOR.simple, 22);
  if (typeof value === "boolean") return head(MAJOR.simple, value ? 21 : 20);
  if (typeof value === "number" || typeof value === "bigint") return encodeInteger(value);
  if (typeof value === "string") return encodeString(MAJOR.text, utf8(value));
  if (value instanceof Uint8Array) return encodeString(MAJOR.bytes, value);
  if (value instanceof Map) return encodeMap(value);
  const list = value as readonly Cbor[];
  return concat(head(MAJOR.list, list.length), ...list.map(encodeCbor));
}

function encodeInteger(value: number | bigint): Uint8Array {
  if (typeof value === "number" && !Number.isSafeInteger(value)) throw new RangeError(`${value} is no safe integer`);
  return value < 0 ? head(MAJOR.negative, -1n - BigInt(value)) : head(MAJOR.unsigned, value);
}

const encodeString = (major: number, content: Uint8Array): Uint8Array => concat(head(major, content.length), content);

/** Entries in the order of their encoded keys. */
function encodeMap(map: ReadonlyMap<Cbor, Cbor>): Uint8Array {
  const entries = [...map].map(([key, value]) => [encodeCbor(key), encodeCbor(value)] as const);
  const ordered = entries.sort(([a], [b]) => compare(a, b)).flat();
  return concat(head(MAJOR.map, map.size), ...ordered);
}

/** Major type and argument in the shortest form. */
function head(major: number, argument: number | bigint): Uint8Array {
  if (argument < 24) return Uint8Array.of((major << 5) | Number(argument));
  if (argument < 0x100) return Uint8Array.of((major << 5) | 24, Number(argument));
  if (argument < 0x1_0000) return Uint8Array.of((major << 5) | 25, Number(argument) >> 8, Number(argument) & 0xff);
  const n = BigInt(argument);
  if (n >= ARGUMENT_MAX) throw new RangeError(`${argument} has more than 64 bits`);
  const size = n < 0x1_0000_0000n ? 2 : 3; // log2 of the bytes
  const out = new Uint8Array(1 + (1 << size));
  out[0] = (major << 5) | (24 + size);
  for (let at = out.length - 1, rest = n; at > 0; at--, rest >>= 8n) out[at] = Number(rest & 0xffn);
  return out;
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
    this.#data = data;
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
    if (major === MAJOR.bytes) return new Uint8Array(this.#take(count) as Uint8Array);
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
    let before: Uint8Array | undefined;
    for (let i = 0; i < count; i++) {
      const from = this.#at;
      const key = this.item(1);
      if (typeof key !== "number" && typeof key !== "string") return undefined;
      const encoded = this.#data.subarray(from, this.#at);
      if (before && compare(before, encoded) >= 0) return undefined; // out of order, or twice
      before = encoded;
      const value = this.item(depth);
      if (value === undefined) return undefined;
      out.set(key, value);
    }
    return out;
  }

  /** Undefined for a reserved or indefinite form, and for one longer than it need be. */
  #argument(info: number): number | bigint | undefined {
    if (info < 24) return info;
    const bytes = info < 28 ? this.#take(1 << (info - 24)) : undefined;
    if (!bytes) return undefined;
    if (bytes.length === 8) {
      const value = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
      return value < 0x1_0000_0000n ? undefined : value;
    }
    let value = 0;
    for (let i = 0; i < bytes.length; i++) value = value * 256 + (bytes[i] as number);
    const least = info === 24 ? 24 : 2 ** (8 << (info - 25));
    return value >= least ? value : undefined;
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
