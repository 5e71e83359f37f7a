import { toHex } from "../base/bytes.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import type { PublicKeys } from "./keys.ts";

/** SHA-256(label ‖ ed25519 ‖ mlDsa65 ‖ x25519 ‖ mlKem768): all lengths are fixed, so no separators are needed. */
export const nodeId = (crypto: CryptoProvider, keys: PublicKeys): Uint8Array =>
  crypto.sha256(LABEL.nodeId, keys.ed25519, keys.mlDsa65, keys.x25519, keys.mlKem768);

/** The form people compare: the first 16 hex digits. */
export const shortId = (id: Uint8Array): string => toHex(id.subarray(0, 8));
