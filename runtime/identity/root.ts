/** The mesh's root: keys that sign the first members and are then meant to lie in a drawer. */
import { equal } from "../base/bytes.ts";
import { bytesOf, field, record } from "../base/cbor-shape.ts";
import { TrellisError } from "../base/errors.ts";
import type { RandomBytes } from "../base/random.ts";
import type { SigningSecrets, VerifyingKeys } from "../crypto/hybrid-signature.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { type CompositeSignature, type Signer, verifySignature } from "./cose.ts";
import { GENESIS_VERSION, type Genesis } from "./genesis.ts";

/** One root key. */
export interface RootKey {
  readonly secrets: SigningSecrets; // 32-byte seeds
  readonly public: VerifyingKeys;
}

/** Seeds of one root key, as files carry them. */
export const ROOT_SECRETS = record<SigningSecrets>({ ed25519: field(1, bytesOf(32)), mlDsa65: field(2, bytesOf(32)) });

export const generateRoot = (crypto: CryptoProvider, random: RandomBytes): Promise<RootKey> =>
  rootFromSecrets(crypto, { ed25519: random(32), mlDsa65: random(32) });

export const rootFromSecrets = async (crypto: CryptoProvider, secrets: SigningSecrets): Promise<RootKey> => ({
  secrets,
  public: {
    ed25519: crypto.ed25519.publicKey(secrets.ed25519),
    mlDsa65: await crypto.mlDsa65.publicKey(secrets.mlDsa65),
  },
});

/** A mesh under `roots`, of which `threshold` sign together. `name`: see names.ts. */
export const createGenesis = (
  name: string,
  roots: readonly VerifyingKeys[],
  threshold: number,
  createdBy: string,
): Genesis => ({ version: GENESIS_VERSION, name, threshold, roots, createdBy });

/**
 * The signers for statements of the root. Throws `root/foreign-key` for a key the genesis does not name and
 * `root/too-few-keys` below the threshold.
 */
export function rootSigners(genesis: Genesis, keys: readonly RootKey[]): readonly Signer[] {
  const signers = keys.map((key) => ({ keyId: rootKeyId(placeOf(genesis, key.public)), secrets: key.secrets }));
  const different = new Map(signers.map((s) => [s.keyId[0], s]));
  if (different.size < genesis.threshold)
    throw new TrellisError("root/too-few-keys", `${different.size} root keys came, ${genesis.threshold} must sign`, {
      hint: "bring the other root files",
    });
  return [...different.values()];
}

function placeOf(genesis: Genesis, key: VerifyingKeys): number {
  const at = genesis.roots.findIndex((r) => equal(r.ed25519, key.ed25519) && equal(r.mlDsa65, key.mlDsa65));
  if (at < 0)
    throw new TrellisError("root/foreign-key", `this root key is not one of mesh "${genesis.name}"`, {
      hint: "is it the root file of another mesh?",
    });
  return at;
}

/** A root key's id in a signature: its place in the genesis, one byte. */
const rootKeyId = (place: number): Uint8Array => Uint8Array.of(place);

/** Whether at least k of the n root keys signed, and no signature is foreign or wrong. */
export async function verifyByRoot(
  crypto: CryptoProvider,
  genesis: Genesis,
  payload: Uint8Array,
  label: Uint8Array,
  signatures: readonly CompositeSignature[],
): Promise<boolean> {
  if (signatures.length < genesis.threshold) return false;
  for (const signature of signatures) {
    const keys = signature.keyId.length === 1 ? genesis.roots[signature.keyId[0] as number] : undefined;
    if (!keys || !(await verifySignature(crypto, payload, label, keys, signature))) return false;
  }
  return true; // key ids ascend (cose.ts), so no key counts twice
}
