import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { call } from "../api/client.io.ts";
import { TrellisError } from "../base/errors.ts";
import { loadAddon } from "../dataplane/addon.io.ts";
import { RELAY_MEMORY, RelayMemory, removeRemains } from "../dataplane/relay-memory.io.ts";
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
      const removed = await removeLeft(args, socket);
      return print(args, { stopped: false, removed }, () => [
        removed ? "no daemon was running; what one had left in the kernel is removed" : "no daemon was running",
      ]);
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

/** A killed daemon leaves its socket, and what the kernel relays for it: whether there was that. One that is starting keeps its own. */
async function removeLeft(g: Globals, socket: string): Promise<boolean> {
  const memory = join(g.stateDir, RELAY_MEMORY);
  if (!existsSync(socket) && !existsSync(memory)) return false;
  const home = await ownHome(g);
  rmSync(socket, { force: true });
  const { addon } = loadAddon();
  const removed = addon !== undefined && removeRemains(addon, new RelayMemory(memory));
  home.release();
  return removed;
}
