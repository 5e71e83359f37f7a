/** A node's long-term keys. Secrets are seeds: everything else is computed from them. */
import { wipe } from "../base/bytes.ts";
import type { RandomBytes } from "../base/random.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { nodeId } from "./node-id.ts";

export interface PublicKeys {
  readonly ed25519: Uint8Array; // 32 bytes
  readonly mlDsa65: Uint8Array; // 1952
  readonly x25519: Uint8Array; // 32
  readonly mlKem768: Uint8Array; // 1184
}

export interface NodeSecrets {
  readonly ed25519: Uint8Array; // 32 bytes
  readonly mlDsa65: Uint8Array; // 32, FIPS 204 seed
  readonly x25519: Uint8Array; // 32
  readonly mlKem768: Uint8Array; // 64, FIPS 203 d then z
}

export interface NodeKeys {
  readonly secrets: NodeSecrets;
  readonly public: PublicKeys;
  readonly id: Uint8Array; // 32 bytes
}

export const generateKeys = (crypto: CryptoProvider, random: RandomBytes): Promise<NodeKeys> =>
  keysFromSecrets(crypto, { ed25519: random(32), mlDsa65: random(32), x25519: random(32), mlKem768: random(64) });

export async function keysFromSecrets(crypto: CryptoProvider, secrets: NodeSecrets): Promise<NodeKeys> {
  const keys: PublicKeys = {
    ed25519: crypto.ed25519.publicKey(secrets.ed25519),
    mlDsa65: await crypto.mlDsa65.publicKey(secrets.mlDsa65),
    x25519: crypto.x25519.publicKey(secrets.x25519),
    mlKem768: await crypto.mlKem768.publicKey(secrets.mlKem768),
  };
  return { secrets, public: keys, id: nodeId(crypto, keys) };
}

export const wipeKeys = (keys: NodeKeys): void => wipe(...Object.values(keys.secrets));
