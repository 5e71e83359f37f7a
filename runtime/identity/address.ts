/** Where a member lives in the overlay: an address that only the holder of the node's keys can own. */
import { concat } from "../base/bytes.ts";
import { formatIp } from "../base/ip.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";

export const OVERLAY_PREFIX_LENGTH = 64;

/** The node's 64-bit label: first 8 bytes of SHA-256(label ‖ mesh id ‖ node id). */
export const overlayLabel = (crypto: CryptoProvider, meshId: Uint8Array, nodeId: Uint8Array): Uint8Array =>
  crypto.sha256(LABEL.overlayLabel, meshId, nodeId).slice(0, 8);

/** `fd` ‖ first 5 bytes of the mesh id ‖ `0000` ‖ label: a unique local address (RFC 4193 §3.1), as RFC 5952 text. */
export const overlayAddress = (crypto: CryptoProvider, meshId: Uint8Array, nodeId: Uint8Array): string =>
  formatIp(concat(meshPart(meshId), overlayLabel(crypto, meshId, nodeId)));

/** The mesh's /64: every member lives in it. */
export const overlayPrefix = (meshId: Uint8Array): { readonly prefix: string; readonly length: 64 } => ({
  prefix: formatIp(concat(meshPart(meshId), new Uint8Array(8))),
  length: OVERLAY_PREFIX_LENGTH,
});

const meshPart = (meshId: Uint8Array): Uint8Array =>
  concat(Uint8Array.of(0xfd), meshId.subarray(0, 5), new Uint8Array(2));
