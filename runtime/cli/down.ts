import { existsSync, rmSync } from "node:fs";
import { call } from "../api/client.io.ts";
import { TrellisError } from "../base/errors.ts";
import { command, type Globals, NONE } from "./command.ts";
import { ownHome, print, socketOf } from "./context.ts";

export const down = command({
  name: "down",
  doc: "stop the gateway and remove what it put into the kernel",
  positionals: NONE,
  options: NONE,
  examples: [["trellis down", "nothing of it stays but the state directory"]],
  async run(args) {
    const socket = socketOf(args);
    if (!(await asks(socket))) {
      await removeSocket(args, socket);
      return print(args, { stopped: false }, () => ["no daemon was running"]);
    }
    for (let i = 0; existsSync(socket); i++) {
      if (i > 100) throw new TrellisError("down/slow", "the daemon did not stop within 10 s", { hint: "see its log" });
      await Bun.sleep(100);
    }
    print(args, { stopped: true }, () => ["stopped"]);
  },
});

/** False when nobody listens. */
async function asks(socket: string): Promise<boolean> {
  try {
    await call(socket, "down");
    return true;
  } catch (thrown) {
    if (thrown instanceof TrellisError && thrown.code === "daemon/not-running") return false;
    throw thrown;
  }
}

/** A killed daemon leaves its socket; the device and the rest went with the process. One that is starting keeps its own. */
async function removeSocket(g: Globals, socket: string): Promise<void> {
  if (!existsSync(socket)) return;
  const home = await ownHome(g);
  rmSync(socket, { force: true });
  home.release();
}
