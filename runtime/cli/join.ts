import { toHex } from "../base/bytes.ts";
import { integer } from "../config/parsers.ts";
import { overlayAddress } from "../identity/address.ts";
import { command, option } from "./command.ts";
import { note, ownHome, print } from "./context.ts";
import { nameOption } from "./names.ts";

export const join = command({
  name: "join",
  doc: "become a member of a mesh by an invite",
  positionals: { token: { doc: "the TR2: token, in quotes" } },
  options: {
    name: nameOption,
    timeout: option({
      key: "timeout",
      fallback: 45, // four endpoints, ten seconds each
      unit: "seconds",
      doc: "until it gives up; each endpoint of the invite is asked for ten",
      parse: integer(1, 3600),
    }),
  },
  examples: [["trellis join 'TR2:...' --name b", "then: trellis run"]],
  async run(args) {
    const { join: joinMesh } = await import("../joining.io.ts"); // no other command pays for reading it
    const home = await ownHome(args);
    const { keys, meshId, crypto } = await joinMesh(home, { ...args, tell: (line) => note(args, line) });
    const address = overlayAddress(crypto, meshId, keys.id);
    const joined = { name: args.name, address, nodeId: toHex(keys.id), meshId: toHex(meshId) };
    print(args, joined, () => [`joined as ${args.name}`, `overlay address ${address}`, "next: trellis run"]);
  },
});
