/** Self-certifying overlay addresses: whoever holds the node's keys can show that the address is its own. */
import { concat } from "../base/bytes.ts";
import { formatIp } from "../base/ip.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";

export const OVERLAY_PREFIX_LENGTH = 64;

/** The 64-bit label of a node in a mesh. */
export const overlayLabel = (crypto: CryptoProvider, meshId: Uint8Array, nodeId: Uint8Array): Uint8Array =>
  crypto.sha256(LABEL.overlayLabel, meshId, nodeId).slice(0, 8);

/** fd ‖ 40 bits of the mesh id (RFC 4193 §3.1) ‖ subnet 0 ‖ label, in RFC 5952 text. */
export const overlayAddress = (crypto: CryptoProvider, meshId: Uint8Array, nodeId: Uint8Array): string =>
  formatIp(concat(prefixBytes(meshId), overlayLabel(crypto, meshId, nodeId)));

/** The /64 of a mesh. */
export const overlayPrefix = (meshId: Uint8Array): string =>
  `${formatIp(concat(prefixBytes(meshId), new Uint8Array(8)))}/${OVERLAY_PREFIX_LENGTH}`;

const prefixBytes = (meshId: Uint8Array): Uint8Array =>
  concat(Uint8Array.of(0xfd), meshId.subarray(0, 5), new Uint8Array(2));
