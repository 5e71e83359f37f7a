import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { call } from "../api/client.io.ts";
import { TrellisError } from "../base/errors.ts";
import { RUN } from "../config/settings.ts";
import { loadAddon } from "../dataplane/addon.io.ts";
import { leftRelays, removeLeft } from "../dataplane/relay-left.io.ts";
import { RELAY_MEMORY, RelayMemory, removeRemains } from "../dataplane/relay-memory.io.ts";
import { isOwned } from "../provisioning/home.io.ts";
import { command, type Globals, NONE } from "./command.ts";
import { ownHome, print, socketOf } from "./context.ts";

export const down = command({
  name: "down",
  doc: "stop the gateway and remove what it put into the kernel",
  positionals: NONE,
  options: { port: { ...RUN.port, doc: "UDP port of the gateway, also of one whose state directory is gone" } },
  examples: [
    ["trellis down", "nothing of it stays but the state directory"],
    ["trellis down --port 4500", "also of a gateway on that port whose state directory is gone"],
  ],
  async run(args) {
    const socket = socketOf(args);
    if (!(await asks(socket))) {
      const own = await removeOwn(args, socket);
      const removed = removeLost(args.port) || own;
      return print(args, { stopped: false, removed }, () => [
        removed ? "no daemon was running; what one had left in the kernel is removed" : "no daemon was running",
      ]);
    }
    for (let i = 0; existsSync(socket) || isOwned(args.stateDir); i++) {
      if (i > 100) throw new TrellisError("down/slow", "the daemon did not stop within 10 s", { hint: "see its log" });
      await Bun.sleep(100);
    }
    const removed = removeLost(args.port);
    print(args, { stopped: true, removed }, () => [
      removed ? "stopped; what a lost gateway had left in the kernel is removed too" : "stopped",
    ]);
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
async function removeOwn(g: Globals, socket: string): Promise<boolean> {
  const memory = join(g.stateDir, RELAY_MEMORY);
  if (!existsSync(socket) && !existsSync(memory)) return false;
  const home = await ownHome(g);
  rmSync(socket, { force: true });
  const { addon } = loadAddon();
  const removed = addon !== undefined && removeRemains(addon, new RelayMemory(memory));
  home.release();
  return removed;
}

/**
 * What the kernel relays for gateways whose state directory is gone: on our port, or no longer in its daemon's name. On another port the daemon may be
 * about to come back. Whether there was that.
 */
function removeLost(port: number): boolean {
  const { addon } = loadAddon();
  if (!addon) return false;
  const left = leftRelays(addon, { programs: [], forwarding: [] });
  return (
    removeLeft(
      addon,
      left.filter((relay) => relay.port === port || relay.leased === 0),
    ) > 0
  );
}
