import { statSync } from "node:fs";
import { toHex } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import { flag, subnets, text } from "../config/parsers.ts";
import { chooseProvider } from "../crypto/choose.ts";
import { SUBNETS_MAX } from "../identity/certificate.ts";
import { isNameSpace } from "../identity/names.ts";
import { rootSigners } from "../identity/root.ts";
import { loadMembership } from "../membership.ts";
import { certifyIssuer } from "../provisioning/certify.ts";
import { writeRootFile } from "../provisioning/root-file.io.ts";
import { systemRandom } from "../system.io.ts";
import { command, type Globals, option } from "./command.ts";
import { note, ownHome, print, viewHome } from "./context.ts";
import { newPassphrase, passphraseFile } from "./passphrase.ts";
import { memberOf, rootKeysIn } from "./root-keys.ts";

export const root = command({
  name: "root",
  doc: "take the mesh's root off this gateway, use it from a file",
  positionals: {
    action: { doc: "what to do with it, see the examples", choices: ["move", "check", "certify"] },
    file: { doc: "the sealed file", completes: "file" },
  },
  options: {
    passphraseFile,
    nameSpace: option<string | undefined>({
      key: "name-space",
      fallback: undefined,
      shown: "its own name",
      unit: "",
      doc: 'certify: the names it may give end so; "" lets it give any',
      parse: { ...text, sign: "NAME" },
    }),
    subnets: option<readonly string[] | undefined>({
      key: "subnets",
      many: true,
      fallback: undefined,
      shown: "those it has",
      unit: "",
      doc: "certify: what it may announce, and let others announce",
      parse: subnets(SUBNETS_MAX),
    }),
    admin: option({ key: "admin", fallback: false, unit: "", doc: "certify: it may revoke members too", parse: flag }),
  },
  examples: [
    ["trellis root move /media/usb/mesh.root", "seals it there, reads it back, and only then removes it here"],
    ["trellis root check /media/usb/mesh.root", "whether file and passphrase are those of this mesh"],
    ["trellis root certify /media/usb/mesh.root", "this gateway may admit others as well; needs a stopped daemon"],
  ],
  async run(args) {
    if (args.action === "move") await move(args);
    else if (args.action === "check") await check(args);
    else await certify(args);
  },
});

interface Args extends Globals {
  readonly file: string;
  readonly passphraseFile: string;
}

async function move(args: Args): Promise<void> {
  const home = await viewHome(args);
  const keys = await home.roots();
  if (keys.length === 0)
    throw new TrellisError("root/not-here", `there is no root key in ${args.stateDir}`, {
      hint: "it lies on the gateway that founded the mesh, or was moved already",
    });
  const { provider } = await chooseProvider();
  const passphrase = await newPassphrase(args.passphraseFile);
  const secrets = keys.map((key) => key.secrets);
  note(args, "sealing and reading back: some seconds, so that guessing takes long too");
  await writeRootFile(provider, systemRandom, args.file, passphrase, secrets);
  await home.removeRoots();
  const sameDisk = statSync(args.file).dev === statSync(args.stateDir).dev;
  print(args, { moved: args.file, keys: keys.length, sameDisk }, () => [
    `the root lies in ${args.file}, was read back from there, and is no longer in ${args.stateDir}`,
    ...(sameDisk ? ["that file is still on this gateway's own disk: take it away from here"] : []),
    "keep the file and the passphrase, in different places: nobody can make them again",
  ]);
}

async function check(args: Args): Promise<void> {
  const home = await viewHome(args);
  const { genesis } = await memberOf(home);
  const { provider } = await chooseProvider();
  const keys = await rootKeysIn(provider, args.file, args.passphraseFile);
  const { mesh } = await home.roster(genesis);
  rootSigners(mesh.genesis, keys);
  print(args, { file: args.file, keys: keys.length, meshName: mesh.genesis.name, meshId: toHex(mesh.id) }, () => [
    `${args.file} opens, and is the root of mesh ${mesh.genesis.name} (${toHex(mesh.id).slice(0, 16)})`,
  ]);
}

async function certify(
  args: Args & {
    readonly nameSpace: string | undefined;
    readonly admin: boolean;
    readonly subnets: readonly string[] | undefined;
  },
): Promise<void> {
  const home = await ownHome(args);
  const { provider } = await chooseProvider();
  const { chain, roster } = await loadMembership(home, provider);
  const nameSpace = args.nameSpace ?? chain.leaf.name;
  if (!isNameSpace(nameSpace))
    throw new TrellisError("usage/name-space", `"${nameSpace}" is no name space`, { hint: "a name, or nothing" });
  const keys = await rootKeysIn(provider, args.file, args.passphraseFile);
  const made = await certifyIssuer(provider, roster, keys, chain, {
    nameSpace,
    admin: args.admin,
    subnets: args.subnets,
  });
  const result = await roster.accept(made);
  if ("refused" in result)
    throw new TrellisError("root/certificate", `the new certificate is refused: ${result.refused}`);
  await home.saveMember({ genesis: roster.mesh.encoded, chain: made });
  await home.saveRoster(roster);
  const { serial, capabilities, subnets: allowed } = result.member.certificate;
  print(args, { name: chain.leaf.name, capabilities, nameSpace, serial, subnets: allowed }, () => [
    `${chain.leaf.name} may admit others now, under ${nameSpace === "" ? "any name" : `names that end in .${nameSpace}`}`,
    ...(args.subnets === undefined ? [] : [`and may announce ${allowed.join(", ") || "no subnet"}`]),
    ...(args.admin ? ["and may revoke members that are no admins"] : []),
    "next: trellis run",
  ]);
}
