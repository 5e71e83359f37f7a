/**
 * Byte layouts declared once as data; sizes, offsets, encoder, decoder and the generated C header follow from them.
 *
 * A field is `u8`, `u16le`, `u32le`, `u64le` (bigint), `u16be`, `u32be`, `bytes(n)`, `several(n, struct)`, or `reserved(n)`: zero bytes that
 * a decoder refuses when they are not zero, so that they can mean something later.
 */
export type Scalar = "u8" | "u16le" | "u32le" | "u64le" | "u16be" | "u32be";
export interface BytesField {
  readonly bytes: number;
  /** The struct that they are an array of, in C; here they stay bytes. */
  readonly of?: string;
}
export interface ReservedField {
  readonly reserved: number;
}
export type Field = Scalar | BytesField | ReservedField;
export type Fields = Readonly<Record<string, Field>>;

export const bytes = (length: number): BytesField => ({ bytes: length });
/** `count` structs in a row. */
export const several = (count: number, of: { readonly name: string; readonly size: number }): BytesField => ({
  bytes: count * of.size,
  of: `${of.name}[${count}]`,
});
export const reserved = (length: number): ReservedField => ({ reserved: length });

type ValueOf<F> = F extends "u64le" ? bigint : F extends Scalar ? number : Uint8Array;
export type Values<F extends Fields> = {
  -readonly [K in keyof F as F[K] extends ReservedField ? never : K]: ValueOf<F[K]>;
};

export interface Struct<F extends Fields> {
  readonly name: string;
  readonly fields: F;
  readonly size: number;
  readonly offsets: { readonly [K in keyof F]: number };
  /** A fresh buffer of `size` bytes. Throws RangeError when a value does not fit its field: a bug of the caller. */
  encode(values: Values<F>): Uint8Array;
  /** Values of the first `size` bytes (views, not copies), or undefined when too short or a reserved byte is set. */
  decode(buffer: Uint8Array): Values<F> | undefined;
}

const SCALAR_SIZE: Record<Scalar, number> = { u8: 1, u16le: 2, u32le: 4, u64le: 8, u16be: 2, u32be: 4 };

export function sizeOf(field: Field): number {
  if (typeof field === "string") return SCALAR_SIZE[field];
  return "bytes" in field ? field.bytes : field.reserved;
}

export function struct<const F extends Fields>(name: string, fields: F): Struct<F> {
  const rows: { key: string; field: Field; at: number }[] = [];
  let size = 0;
  for (const [key, field] of Object.entries(fields)) {
    rows.push({ key, field, at: size });
    size += sizeOf(field);
  }
  const offsets = Object.fromEntries(rows.map((r) => [r.key, r.at])) as { [K in keyof F]: number };

  return {
    name,
    fields,
    size,
    offsets,
    encode(values) {
      const out = new Uint8Array(size);
      const view = new DataView(out.buffer);
      for (const { key, field, at } of rows) {
        if (typeof field === "string") writeScalar(view, at, field, (values as Record<string, number | bigint>)[key]);
        else if ("bytes" in field) {
          const value = (values as Record<string, Uint8Array>)[key];
          if (value?.length !== field.bytes) throw new RangeError(`${name}.${key} takes ${field.bytes} bytes`);
          out.set(value, at);
        }
      }
      return out;
    },
    decode(buffer) {
      if (buffer.length < size) return undefined;
      const view = new DataView(buffer.buffer, buffer.byteOffset, size);
      const out: Record<string, number | bigint | Uint8Array> = {};
      for (const { key, field, at } of rows) {
        if (typeof field === "string") out[key] = readScalar(view, at, field);
        else if ("bytes" in field) out[key] = buffer.subarray(at, at + field.bytes);
        else for (let i = at; i < at + field.reserved; i++) if (buffer[i] !== 0) return undefined;
      }
      return out as Values<F>;
    },
  };
}

function fits(kind: Scalar, value: number | bigint | undefined): value is number | bigint {
  if (typeof value === "bigint") return value >= 0n && value < 1n << BigInt(8 * SCALAR_SIZE[kind]);
  return Number.isInteger(value) && (value as number) >= 0 && (value as number) < 2 ** (8 * SCALAR_SIZE[kind]);
}

function writeScalar(view: DataView, at: number, kind: Scalar, value: number | bigint | undefined): void {
  if (!fits(kind, value)) throw new RangeError(`${value} is no ${kind}`);
  switch (kind) {
    case "u8":
      view.setUint8(at, Number(value));
      return;
    case "u16le":
      view.setUint16(at, Number(value), true);
      return;
    case "u32le":
      view.setUint32(at, Number(value), true);
      return;
    case "u64le":
      view.setBigUint64(at, BigInt(value), true);
      return;
    case "u16be":
      view.setUint16(at, Number(value));
      return;
    case "u32be":
      view.setUint32(at, Number(value));
      return;
  }
}

function readScalar(view: DataView, at: number, kind: Scalar): number | bigint {
  switch (kind) {
    case "u8":
      return view.getUint8(at);
    case "u16le":
      return view.getUint16(at, true);
    case "u32le":
      return view.getUint32(at, true);
    case "u64le":
      return view.getBigUint64(at, true);
    case "u16be":
      return view.getUint16(at);
    case "u32be":
      return view.getUint32(at);
  }
}
