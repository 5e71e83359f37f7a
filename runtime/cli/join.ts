import { toHex } from "../base/bytes.ts";
import { overlayAddress } from "../identity/address.ts";
import { join as joinMesh } from "../joining.io.ts";
import { command, openHome, print } from "./context.ts";

export const join = command<{ token: string; name: string; timeout: number }>({
  command: "join <token>",
  describe: "become a member of a mesh by an invite",
  options: (y) =>
    y
      .positional("token", { type: "string", describe: "the TR2: token, quoted" })
      .option("name", { type: "string", demandOption: true, describe: "this gateway's name in the mesh" })
      .option("timeout", { type: "number", default: 30, describe: "seconds until it gives up" })
      .example("trellis join 'TR2:...' --name b", "then: trellis run"),
  async run(args) {
    const home = await openHome(args);
    const { keys, meshId, crypto } = await joinMesh(home, args);
    const address = overlayAddress(crypto, meshId, keys.id);
    const joined = { name: args.name, address, nodeId: toHex(keys.id), meshId: toHex(meshId) };
    print(args, joined, () => [`joined as ${args.name}`, `overlay address ${address}`, "next: trellis run"]);
  },
});
