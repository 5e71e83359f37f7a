import { existsSync } from "node:fs";
import { call } from "../api/client.io.ts";
import { TrellisError } from "../base/errors.ts";
import { RELAY_MODES, type RelayMode } from "../dataplane/relay-attach.ts";
import { Node } from "../node.ts";
import { command, consoleLog, openHome, socketOf } from "./context.ts";

interface Options {
  interface: string | undefined;
  port: number;
  /** False when the line says `--no-device`. */
  device: string | false;
  mtu: number;
  workers: number;
  relay: RelayMode;
}

export const run = command<Options>({
  command: "run",
  describe: "run the gateway",
  options: (y) =>
    y
      .option("interface", { type: "string", describe: "bind the underlay to this interface" })
      .option("port", { type: "number", default: 51_820, describe: "UDP port; 0 lets the kernel choose" })
      .option("device", { type: "string", default: "mesh0", describe: "TUN device; --no-device: control traffic only" })
      .option("mtu", { type: "number", default: 1420, describe: "largest inner packet, bytes" })
      .option("workers", { type: "number", default: 0, describe: "worker threads; 0 chooses by cores" })
      .option("relay", {
        choices: RELAY_MODES,
        default: "auto" as const,
        describe: "how frames of others are relayed: by tc, in XDP too, or by the daemon alone",
      })
      .example("trellis run", "on UDP port 51820 with the device mesh0")
      .example("trellis run --interface eth1 --port 4500", "on one interface, on another port"),
  async run(args) {
    const home = await openHome(args);
    await refuseSecond(socketOf(args));
    const node = await Node.start(home, {
      port: args.port,
      interface: args.interface,
      device: args.device === false ? undefined : args.device,
      mtu: args.mtu,
      workers: args.workers,
      relay: args.relay,
      log: consoleLog(args),
    });
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void node.stop());
    await node.stopped;
    process.exit(0);
  },
});

/** A socket that nobody answers on was left by a daemon that was killed. */
async function refuseSecond(socket: string): Promise<void> {
  if (!existsSync(socket)) return;
  const other = await call<{ pid: number }>(socket, "status").catch(() => undefined);
  if (!other) return;
  throw new TrellisError("daemon/running", `a daemon runs here already, process ${other.pid}`, {
    hint: "`trellis down` stops it; another gateway needs another --state-dir",
  });
}
