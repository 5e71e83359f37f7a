import { call } from "../api/client.io.ts";
import { text } from "../config/parsers.ts";
import { command, option } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { peerWord } from "./peer-word.ts";

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
      parse: text,
    }),
  },
  examples: [["trellis revoke b --reason stolen", "b and whom it admitted are out"]],
  async run(args) {
    const done = await call<{ revoked: string; nodeId: string }>(socketOf(args), "revoke", {
      peer: args.peer,
      reason: args.reason,
    });
    print(args, done, () => [`${done.revoked} (${done.nodeId.slice(0, 16)}) is revoked`]);
  },
});
