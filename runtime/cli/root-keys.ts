/** What commands that sign by the root need: its keys out of a sealed file, and the mesh they are the root of. */
import { TrellisError } from "../base/errors.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import type { RootKey } from "../identity/root.ts";
import type { MemberState } from "../identity/state.ts";
import type { Home } from "../provisioning/home.io.ts";
import { readRootFile, sealedIn } from "../provisioning/root-file.io.ts";
import { knownPassphrase } from "./passphrase.ts";

/** Looks at the file before it asks for the passphrase. */
export async function rootKeysIn(
  crypto: CryptoProvider,
  file: string,
  passphraseFile: string,
): Promise<readonly RootKey[]> {
  await sealedIn(crypto, file);
  return await readRootFile(crypto, file, await knownPassphrase(passphraseFile));
}

/** Throws `node/no-mesh`. */
export async function memberOf(home: Home): Promise<MemberState> {
  const member = await home.member();
  if (member) return member;
  throw new TrellisError("node/no-mesh", `${home.path} holds no membership of a mesh`, {
    hint: "is --state-dir right?",
  });
}
