/** The two providers as rows for `describe.each`, and small generators the crypto tests share. */
import * as fc from "fast-check";
import { native } from "../../../runtime/crypto/native.ts";
import { noble } from "../../../runtime/crypto/noble.ts";

export const PROVIDERS = [
  ["native", native],
  ["noble", noble],
] as const;

export const bytes = (length: number): fc.Arbitrary<Uint8Array> =>
  fc.uint8Array({ minLength: length, maxLength: length });
export const upTo = (maxLength: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ maxLength });

/** `length` bytes that differ from each other and by `seed`; not random. */
export const pattern = (length: number, seed = 0): Uint8Array =>
  Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 17 + 5) & 0xff);
