/** The mesh's root as a file that leaves the gateway: sealed by a passphrase, and read back before anybody relies on it. */
import { existsSync } from "node:fs";
import { equal } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import type { RandomBytes } from "../base/random.ts";
import type { SigningSecrets } from "../crypto/hybrid-signature.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { type RootKey, rootFromSecrets } from "../identity/root.ts";
import { openRoot, type SealedRoot, sealRoot } from "../identity/seal-root.ts";
import { decodeState, encodeState, SEALED_ROOT_FILE } from "../identity/state.ts";
import { readOptional, removeDurably, writeAtomic } from "../store/atomic.io.ts";
import { readBack } from "../store/read-back.io.ts";

/**
 * Writes a new file and reads it back from the medium: when this resolves, the passphrase opens it and the keys in it are
 * `keys`. Throws `root/exists` (nothing is ever overwritten), `root/unverified` (the file is removed again) and what
 * `writeAtomic` throws.
 */
export async function writeRootFile(
  crypto: CryptoProvider,
  random: RandomBytes,
  path: string,
  passphrase: string,
  keys: readonly SigningSecrets[],
): Promise<void> {
  if (existsSync(path))
    throw new TrellisError("root/exists", `${path} is there already`, {
      hint: "choose another name: nothing is overwritten",
    });
  const sealed = await sealRoot(crypto, random, passphrase, keys);
  await writeAtomic(path, encodeState(crypto, SEALED_ROOT_FILE, sealed), "foreign");
  try {
    await checkRootFile(crypto, path, passphrase, keys);
  } catch (cause) {
    await removeDurably(path).catch(() => {}); // the medium is bad: what matters is the first error
    throw new TrellisError("root/unverified", `${path} could not be read back as it was written`, {
      cause,
      hint: "the root is still where it was; try another medium",
    });
  }
}

/** Whether the medium gives back what was written. Throws `root/differs` and those of `readRootFile`. */
export async function checkRootFile(
  crypto: CryptoProvider,
  path: string,
  passphrase: string,
  keys: readonly SigningSecrets[],
): Promise<void> {
  const sealed = decodeState(crypto, SEALED_ROOT_FILE, await readBack(path));
  const back = await openRoot(crypto, passphrase, sealed);
  if (back.length !== keys.length || !back.every((one, i) => isSame(one, keys[i] as SigningSecrets)))
    throw new TrellisError("root/differs", `the keys in ${path} are others`);
}

const isSame = (a: SigningSecrets, b: SigningSecrets): boolean =>
  equal(a.ed25519, b.ed25519) && equal(a.mlDsa65, b.mlDsa65);

/** The root keys in a file. Throws `root/no-file`, `root/damaged` and `root/passphrase`. */
export async function readRootFile(
  crypto: CryptoProvider,
  path: string,
  passphrase: string,
): Promise<readonly RootKey[]> {
  const secrets = await openRoot(crypto, passphrase, await sealedIn(crypto, path));
  return await Promise.all(secrets.map((one) => rootFromSecrets(crypto, one)));
}

/** What the file carries, still sealed. Throws `root/no-file` and `root/damaged`. */
export async function sealedIn(crypto: CryptoProvider, path: string): Promise<SealedRoot> {
  const content = await readOptional(path);
  if (!content) throw new TrellisError("root/no-file", `there is no ${path}`, { hint: "is the medium mounted?" });
  try {
    return decodeState(crypto, SEALED_ROOT_FILE, content);
  } catch (cause) {
    throw new TrellisError("root/damaged", `${path} is no sealed root, or is damaged`, {
      cause,
      hint: "take another copy",
    });
  }
}
