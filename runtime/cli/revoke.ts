import { call } from "../api/client.io.ts";
import { fromHex, toHex } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import { path, remark } from "../config/parsers.ts";
import { chooseProvider } from "../crypto/choose.ts";
import { openMesh } from "../identity/chain.ts";
import { REASON_MAX, revokeByRoot } from "../identity/revocation.ts";
import { command, type Globals, option } from "./command.ts";
import { print, socketOf, viewHome } from "./context.ts";
import { passphraseFile } from "./passphrase.ts";
import { peerWord } from "./peer-word.ts";
import { memberOf, rootKeysIn } from "./root-keys.ts";

export const revoke = command({
  name: "revoke",
  doc: "cut a gateway off, everywhere, for good",
  positionals: { peer: peerWord },
  options: {
    reason: option({
      key: "reason",
      fallback: "",
      shown: "none",
      unit: "",
      doc: "for people who ask why",
      parse: remark(REASON_MAX),
    }),
    root: option<string | undefined>({
      key: "root",
      fallback: undefined,
      shown: "signed by this gateway",
      unit: "",
      doc: "sign with the root in this file, which may revoke anybody",
      parse: path,
    }),
    passphraseFile,
  },
  examples: [
    ["trellis revoke b --reason stolen", "b and whom it admitted are out"],
    ["trellis revoke a --root /media/usb/mesh.root", "even an admin"],
  ],
  async run(args) {
    const record = args.root === undefined ? {} : { record: await signedByRoot({ ...args, root: args.root }) };
    const done = await call<{ revoked: string; nodeId: string }>(socketOf(args), "revoke", {
      peer: args.peer,
      reason: args.reason,
      ...record,
    });
    print(args, done, () => [`${done.revoked} (${done.nodeId.slice(0, 16)}) is revoked`]);
  },
});

interface ByRoot extends Globals {
  readonly peer: string;
  readonly reason: string;
  readonly root: string;
  readonly passphraseFile: string;
}

/** The record, hex. The root's keys never leave this process. */
async function signedByRoot(args: ByRoot): Promise<string> {
  const { nodeId } = await call<{ name: string; nodeId: string }>(socketOf(args), "member", { peer: args.peer });
  const target = fromHex(nodeId);
  const { provider } = await chooseProvider();
  const mesh = openMesh(provider, (await memberOf(await viewHome(args))).genesis);
  if (!mesh || !target) throw new TrellisError("state/corrupt", "the membership or the daemon's answer is damaged");
  const keys = await rootKeysIn(provider, args.root, args.passphraseFile);
  const claim = { target, scope: "node", lastSerial: undefined, reason: args.reason } as const;
  return toHex(await revokeByRoot(provider, mesh, keys, claim));
}
