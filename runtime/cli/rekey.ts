import { call } from "../api/client.io.ts";
import { command, print, socketOf } from "./context.ts";

export const rekey = command<{ peer: string }>({
  command: "rekey <peer>",
  describe: "agree on new keys with another gateway now, not after two minutes",
  options: (y) =>
    y
      .positional("peer", { type: "string", describe: "name, overlay address, or beginning of the node id" })
      .example("trellis rekey b", "no packet is lost by it"),
  async run(args) {
    const done = await call<{ name: string }>(socketOf(args), "rekey", { peer: args.peer });
    print(args, done, () => [`a handshake with ${done.name} has begun; trellis peers shows its age`]);
  },
});
