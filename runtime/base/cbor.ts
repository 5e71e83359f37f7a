/**
 * Deterministic CBOR (RFC 8949 §4.2.1) over maps with integer or text keys, arrays, integers, byte and text strings,
 * booleans and null. No floats, no tags, no indefinite lengths.
 */
import { type DecodeOptions, decode, encode, rfc8949EncodeOptions } from "cborg";
import { equal } from "./bytes.ts";

export type Cbor = number | bigint | string | boolean | null | Uint8Array | readonly Cbor[] | ReadonlyMap<Cbor, Cbor>;

const DECODE: DecodeOptions = {
  allowIndefinite: false,
  allowUndefined: false,
  allowInfinity: false,
  allowNaN: false,
  strict: true,
  useMaps: true,
  rejectDuplicateMapKeys: true,
};

export const encodeCbor = (value: Cbor): Uint8Array => encode(value, rfc8949EncodeOptions);

/** The value, or undefined for anything that is not the one deterministic encoding of a value (RFC 8949 §4.2). */
export function decodeCbor(data: Uint8Array): Cbor | undefined {
  try {
    const value = decode(data, DECODE) as Cbor;
    return equal(encodeCbor(value), data) ? value : undefined;
  } catch {
    return undefined; // garbled input is an event for the caller, not an error
  }
}
