/**
 * Shapes of CBOR values, declared once as data: the encoder and a decoder that refuses everything else follow from
 * them. Records are maps with small integer keys; a key that the shape does not name is refused.
 */
import { type Cbor, decodeCbor, encodeCbor } from "./cbor.ts";

export interface Shape<T> {
  readonly encode: (value: T) => Cbor;
  /** The value, or undefined when it has another shape. Never throws. */
  readonly decode: (value: Cbor) => T | undefined;
}

/** Bytes of `value`. Throws RangeError when it does not fit its own shape: a bug of the caller. */
export function encodeAs<T>(shape: Shape<T>, value: T): Uint8Array {
  const cbor = shape.encode(value);
  if (shape.decode(cbor) === undefined) throw new RangeError("the value does not fit its shape");
  return encodeCbor(cbor);
}

/** The value of `data`, or undefined when it is not its deterministic encoding. Byte strings are copies. */
export function decodeAs<T>(shape: Shape<T>, data: Uint8Array): T | undefined {
  const value = decodeCbor(data);
  return value === undefined ? undefined : shape.decode(value);
}

export const bytesBetween = (min: number, max: number): Shape<Uint8Array> => ({
  encode: (value) => value,
  decode: (v) => (v instanceof Uint8Array && v.length >= min && v.length <= max ? v : undefined),
});

export const bytesOf = (length: number): Shape<Uint8Array> => bytesBetween(length, length);

export const text = (fits: (value: string) => boolean): Shape<string> => ({
  encode: (value) => value,
  decode: (v) => (typeof v === "string" && fits(v) ? v : undefined),
});

export const uint = (max: number, min = 0): Shape<number> => ({
  encode: (value) => value,
  decode: (v) => (typeof v === "number" && Number.isSafeInteger(v) && v >= min && v <= max ? v : undefined),
});

export const flag: Shape<boolean> = {
  encode: (value) => value,
  decode: (v) => (typeof v === "boolean" ? v : undefined),
};

export const oneOf = <const T extends string>(...words: readonly T[]): Shape<T> => ({
  encode: (value) => value,
  decode: (v) => words.find((w) => w === v),
});

export const listOf = <T>(item: Shape<T>, max: number): Shape<readonly T[]> => ({
  encode: (values) => values.map(item.encode),
  decode: (v) => {
    if (!isList(v) || v.length > max) return undefined;
    const out: T[] = [];
    for (const one of v) {
      const value = item.decode(one);
      if (value === undefined) return undefined;
      out.push(value);
    }
    return out;
  },
});

const isList = (v: Cbor): v is readonly Cbor[] => Array.isArray(v);

/** The values of `shape` for which `fits` holds. */
export const where = <T>(shape: Shape<T>, fits: (value: T) => boolean): Shape<T> => ({
  encode: shape.encode,
  decode: (v) => {
    const value = shape.decode(v);
    return value !== undefined && fits(value) ? value : undefined;
  },
});

export interface Field<T> {
  readonly key: number;
  readonly shape: Shape<T>;
  readonly optional: boolean;
}

export const field = <T>(key: number, shape: Shape<T>): Field<T> => ({ key, shape, optional: false });
/** Left out when undefined. */
export const optional = <T>(key: number, shape: Shape<T>): Field<T | undefined> => ({
  key,
  shape: shape as Shape<T | undefined>,
  optional: true,
});

export function record<T extends object>(fields: { readonly [K in keyof T]: Field<T[K]> }): Shape<T> {
  const rows = Object.entries(fields) as [string, Field<unknown>][];
  return {
    encode(value) {
      const given = value as Record<string, unknown>;
      const out = new Map<Cbor, Cbor>();
      for (const [name, f] of rows) if (given[name] !== undefined) out.set(f.key, f.shape.encode(given[name]));
      return out;
    },
    decode(v) {
      if (!(v instanceof Map)) return undefined;
      const out: Record<string, unknown> = {};
      let left = v.size;
      for (const [name, f] of rows) {
        const raw = v.get(f.key) as Cbor | undefined;
        if (raw !== undefined) left--;
        const value = raw === undefined ? undefined : f.shape.decode(raw);
        if (value === undefined && !(f.optional && raw === undefined)) return undefined;
        out[name] = value;
      }
      if (left > 0) return undefined; // a key that is none of ours
      return out as T;
    },
  };
}
