import { call } from "../api/client.io.ts";
import { command, NONE } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { peerWord } from "./peer-word.ts";

export const rekey = command({
  name: "rekey",
  doc: "agree on new keys with another gateway now",
  positionals: { peer: peerWord },
  options: NONE,
  examples: [["trellis rekey b", "no packet is lost by it"]],
  async run(args) {
    const done = await call<{ name: string }>(socketOf(args), "rekey", { peer: args.peer });
    print(args, done, () => [`a handshake with ${done.name} has begun; trellis peers shows its age`]);
  },
});
