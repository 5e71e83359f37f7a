import { call } from "../api/client.io.ts";
import { command, print, socketOf } from "./context.ts";

export const revoke = command<{ peer: string; reason: string }>({
  command: "revoke <peer>",
  describe: "cut a gateway off, everywhere, for good",
  options: (y) =>
    y
      .positional("peer", { type: "string", describe: "name, overlay address, or beginning of the node id" })
      .option("reason", { type: "string", default: "", describe: "for people who ask why" })
      .example("trellis revoke b --reason stolen", "b and whom it admitted are out"),
  async run(args) {
    const done = await call<{ revoked: string; nodeId: string }>(socketOf(args), "revoke", {
      peer: args.peer,
      reason: args.reason,
    });
    print(args, done, () => [`${done.revoked} (${done.nodeId.slice(0, 16)}) is revoked`]);
  },
});
