import { existsSync } from "node:fs";
import { call } from "../api/client.io.ts";
import { TrellisError } from "../base/errors.ts";
import { command, print, socketOf } from "./context.ts";

export const down = command({
  command: "down",
  describe: "stop the gateway and remove what it put into the kernel",
  options: (y) => y.example("trellis down", "nothing of it stays but the state directory"),
  async run(args) {
    const socket = socketOf(args);
    await call(socket, "down");
    for (let i = 0; existsSync(socket); i++) {
      if (i > 100) throw new TrellisError("down/slow", "the daemon did not stop within 10 s", { hint: "see its log" });
      await Bun.sleep(100);
    }
    print(args, { stopped: true }, () => ["stopped"]);
  },
});
