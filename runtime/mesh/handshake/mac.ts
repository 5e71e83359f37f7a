/** Admission tags of handshake datagrams: SipHash-2-4 over all but the tag itself, which stands at bytes 24 to 31. */
import { concat, equal } from "../../base/bytes.ts";
import { LABEL } from "../../crypto/labels.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";
import { sipHash24 } from "../../crypto/siphash.ts";

const AT = 24;
const LENGTH = 8;

const tagOf = (key: Uint8Array, datagram: Uint8Array): Uint8Array =>
  sipHash24(key, concat(datagram.subarray(0, AT), datagram.subarray(AT + LENGTH)));

/** Writes the tag into the datagram and gives it back. */
export function setMac(key: Uint8Array, datagram: Uint8Array): Uint8Array {
  datagram.set(tagOf(key, datagram), AT);
  return datagram;
}

export const hasMac = (key: Uint8Array, datagram: Uint8Array): boolean =>
  datagram.length >= AT + LENGTH && equal(tagOf(key, datagram), datagram.subarray(AT, AT + LENGTH));

/** Key of K1, K3 and F1 and of what answers their fragments: known to who knows whom it is calling. */
export const firstMacKey = (crypto: CryptoProvider, meshId: Uint8Array, responderId: Uint8Array): Uint8Array =>
  crypto.sha256(LABEL.firstMac, meshId, responderId).slice(0, 16);

/** Key of F2: known to who saw F1 and knows whom it calls, so that a mere listener cannot answer in the callee's place. */
export const nonceMacKey = (
  crypto: CryptoProvider,
  meshId: Uint8Array,
  responderId: Uint8Array,
  nonce: Uint8Array,
): Uint8Array => crypto.sha256(LABEL.nonceMac, meshId, responderId, nonce).slice(0, 16);
