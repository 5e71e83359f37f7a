/**
 * Which Ed25519 public keys are refused before any signature is looked at. RFC 8032 §5.1.7 leaves small-order keys to the
 * implementation and libraries differ (BoringSSL verifies under them, noble does not), so the rule stands here, once.
 */
import { fromHex, toHex } from "../base/bytes.ts";

/** p = 2^255 - 19, little-endian. */
const FIELD_PRIME = fromHex("edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f") as Uint8Array;

/** The y coordinates of the eight points whose order divides eight, sign bit cleared. */
const SMALL_ORDER_Y = new Set([
  "0000000000000000000000000000000000000000000000000000000000000000", // order 4
  "0100000000000000000000000000000000000000000000000000000000000000", // order 1
  "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f", // order 2
  "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05", // order 8
  "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a", // order 8
]);

/**
 * Whether `publicKey` is 32 bytes, encodes y canonically (y < p) and is not of small order. Under a small-order key one
 * signature fits many messages, and two encodings of one key would be two identities.
 */
export function isUsableEd25519Key(publicKey: Uint8Array): boolean {
  if (publicKey.length !== 32) return false;
  const y = publicKey.slice();
  y[31] = (y[31] as number) & 0x7f;
  return isBelow(y, FIELD_PRIME) && !SMALL_ORDER_Y.has(toHex(y));
}

function isBelow(a: Uint8Array, b: Uint8Array): boolean {
  for (let i = 31; i >= 0; i--) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference < 0;
  }
  return false;
}
