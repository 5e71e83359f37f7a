import { toHex } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import { VERSION } from "../base/version.ts";
import { path, subnets } from "../config/parsers.ts";
import { chooseProvider } from "../crypto/choose.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { overlayAddress } from "../identity/address.ts";
import { SERIAL_MAX, SUBNETS_MAX } from "../identity/certificate.ts";
import { openMesh } from "../identity/chain.ts";
import { encodeGenesis } from "../identity/genesis.ts";
import { issueByRoot } from "../identity/issue.ts";
import { createGenesis, generateRoot, type RootKey } from "../identity/root.ts";
import type { OwnHome } from "../provisioning/home.io.ts";
import { writeRootFile } from "../provisioning/root-file.io.ts";
import { systemRandom } from "../system.io.ts";
import { command, NONE, option } from "./command.ts";
import { ownHome, print } from "./context.ts";
import { memberName, nameOption } from "./names.ts";
import { newPassphrase, passphraseFile } from "./passphrase.ts";

export const init = command({
  name: "init",
  doc: "found a mesh with this gateway as its first member",
  positionals: NONE,
  options: {
    name: nameOption,
    meshName: option({ key: "mesh-name", fallback: "mesh", unit: "", doc: "the mesh's name", parse: memberName }),
    rootOut: option<string | undefined>({
      key: "root-out",
      fallback: undefined,
      shown: "it stays on this gateway",
      unit: "",
      doc: "a file for the mesh's root, sealed by a passphrase",
      parse: path,
    }),
    subnets: option<readonly string[]>({
      key: "subnets",
      many: true,
      fallback: ["0.0.0.0/0", "::/0"],
      shown: "all",
      unit: "",
      doc: "what this gateway may announce, and let others announce",
      parse: subnets(SUBNETS_MAX),
    }),
    passphraseFile,
  },
  examples: [
    ["trellis init --name a", "a mesh called mesh with one gateway called a"],
    ["trellis init --name a --root-out /media/usb/mesh.root", "the root never lies on this gateway's disk"],
  ],
  async run(args) {
    const { provider } = await chooseProvider();
    const home = await ownHome(args);
    if (await home.member()) {
      throw new TrellisError("init/exists", `${home.path} belongs to a mesh already`, {
        hint: "use another --state-dir, or move this one away",
      });
    }
    const passphrase = args.rootOut === undefined ? "" : await newPassphrase(args.passphraseFile);
    const keys = await home.keysOrNew(systemRandom);
    const root = await makeRoot(home, provider, args.rootOut, passphrase);
    const genesis = encodeGenesis(createGenesis(args.meshName, [root.public], 1, `trellis ${VERSION}`));
    const mesh = openMesh(provider, genesis);
    if (!mesh) throw new TrellisError("init/genesis", "the genesis could not be made");
    const chain = await issueByRoot(provider, mesh, [root], {
      keys: keys.public,
      name: args.name,
      serial: 1,
      capabilities: ["admin", "issue"],
      subnets: args.subnets,
      issuing: { firstSerial: 2, lastSerial: SERIAL_MAX, nameSpace: "", depth: 1 },
    });
    await home.saveMember({ genesis, chain });
    const address = overlayAddress(provider, mesh.id, keys.id);
    const result = {
      name: args.name,
      meshName: args.meshName,
      meshId: toHex(mesh.id),
      nodeId: toHex(keys.id),
      address,
      root: args.rootOut ?? null,
    };
    print(args, result, () => [
      `mesh ${args.meshName} (${toHex(mesh.id).slice(0, 16)}) with its first gateway, ${args.name}`,
      `overlay address ${address}`,
      ...(args.rootOut === undefined
        ? ["the root key lies here: trellis root move FILE takes it to a safe place"]
        : [`the root key lies in ${args.rootOut}`, "keep file and passphrase: nobody can make them again"]),
      "next: trellis run",
    ]);
  },
});

/** On this gateway, or in a file that was read back. */
async function makeRoot(
  home: OwnHome,
  crypto: CryptoProvider,
  file: string | undefined,
  passphrase: string,
): Promise<RootKey> {
  if (file === undefined) return await home.newRoot(systemRandom);
  const root = await generateRoot(crypto, systemRandom);
  await writeRootFile(crypto, systemRandom, file, passphrase, [root.secrets]);
  return root;
}
