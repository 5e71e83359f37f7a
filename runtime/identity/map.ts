/** Reads fields of a decoded CBOR map with their type; anything else makes the whole document malformed. */
import type { Cbor } from "../base/cbor.ts";
import { decodeCbor } from "../base/cbor.ts";

export class FieldReader {
  readonly #map: ReadonlyMap<Cbor, Cbor>;
  readonly #seen = new Set<Cbor>();

  constructor(map: ReadonlyMap<Cbor, Cbor>) {
    this.#map = map;
  }

  #take(key: number): Cbor | undefined {
    this.#seen.add(key);
    return this.#map.get(key);
  }

  bytes(key: number, length?: number): Uint8Array {
    const value = this.#take(key);
    if (value instanceof Uint8Array && (length === undefined || value.length === length)) return value;
    throw new Malformed();
  }

  optionalBytes(key: number, length: number): Uint8Array | undefined {
    return this.#map.has(key) ? this.bytes(key, length) : undefined;
  }

  text(key: number, pattern: RegExp): string {
    const value = this.#take(key);
    if (typeof value === "string" && pattern.test(value)) return value;
    throw new Malformed();
  }

  /** An integer in [0, 2^53). */
  integer(key: number): number {
    const value = this.#take(key);
    if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
    throw new Malformed();
  }

  optionalInteger(key: number): number | undefined {
    return this.#map.has(key) ? this.integer(key) : undefined;
  }

  list<T>(key: number, limit: number, item: (value: Cbor) => T | undefined): T[] {
    const value = this.#take(key);
    if (!Array.isArray(value) || value.length > limit) throw new Malformed();
    return value.map((v: Cbor) => {
      const read = item(v);
      if (read === undefined) throw new Malformed();
      return read;
    });
  }

  map<T>(key: number, read: (fields: FieldReader) => T): T | undefined {
    const value = this.#take(key);
    if (value === undefined) return undefined;
    if (!(value instanceof Map)) throw new Malformed();
    return readMap(value, read);
  }

  /** Fields that nobody asked for are refused: a signer must not carry what a verifier does not understand. */
  end(): void {
    for (const key of this.#map.keys()) if (!this.#seen.has(key)) throw new Malformed();
  }
}

class Malformed extends Error {}

function readMap<T>(map: ReadonlyMap<Cbor, Cbor>, read: (fields: FieldReader) => T): T {
  const fields = new FieldReader(map);
  const value = read(fields);
  fields.end();
  return value;
}

/** What `read` makes of the CBOR map in `data`; undefined when it is no map or a field is missing, wrong or unknown. */
export function parseFields<T>(data: Uint8Array, read: (fields: FieldReader) => T): T | undefined {
  const value = decodeCbor(data);
  if (!(value instanceof Map)) return undefined;
  try {
    return readMap(value, read);
  } catch (thrown) {
    if (thrown instanceof Malformed) return undefined;
    throw thrown;
  }
}

/** A map with the entries whose value is not undefined. */
export const fieldsOf = (...entries: readonly (readonly [number, Cbor | undefined])[]): Map<Cbor, Cbor> =>
  new Map(entries.filter((e): e is [number, Cbor] => e[1] !== undefined));
