import { existsSync, rmSync } from "node:fs";
import { call } from "../api/client.io.ts";
import { TrellisError } from "../base/errors.ts";
import { command, NONE } from "./command.ts";
import { print, socketOf } from "./context.ts";

export const down = command({
  name: "down",
  doc: "stop the gateway and remove what it put into the kernel",
  positionals: NONE,
  options: NONE,
  examples: [["trellis down", "nothing of it stays but the state directory"]],
  async run(args) {
    const socket = socketOf(args);
    if (!(await stops(socket))) {
      rmSync(socket, { force: true }); // of a daemon that was killed; its device went with the process
      return print(args, { stopped: false }, () => ["no daemon was running"]);
    }
    for (let i = 0; existsSync(socket); i++) {
      if (i > 100) throw new TrellisError("down/slow", "the daemon did not stop within 10 s", { hint: "see its log" });
      await Bun.sleep(100);
    }
    print(args, { stopped: true }, () => ["stopped"]);
  },
});

/** False when nobody listens. A daemon that is there but hangs up on us (no cause of the system's) is an error. */
async function stops(socket: string): Promise<boolean> {
  try {
    await call(socket, "down");
    return true;
  } catch (thrown) {
    if (thrown instanceof TrellisError && thrown.code === "daemon/not-running" && thrown.cause) return false;
    throw thrown;
  }
}
