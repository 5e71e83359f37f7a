import { RUN } from "../config/settings.ts";
import { Node } from "../node.ts";
import { command, NONE } from "./command.ts";
import { consoleLog, ownHome } from "./context.ts";

export const run = command({
  name: "run",
  doc: "run the gateway",
  positionals: NONE,
  options: RUN,
  examples: [
    ["trellis run", "on UDP port 51820 with the device mesh0"],
    ["trellis run --interface eth1 --port 4500", "on one interface, on another port"],
    ["trellis run --quiet-on wwan0", "no beacons on one interface; --no-discovery: on none"],
    ["trellis run --links wwan0.metered,wwan0.cap=500000000", "one interface as a last resort, 500 MB a day"],
    ["trellis run --mqtt mesh", "an MQTT broker for other members as well; their roles say what they may"],
    ["trellis run --no-device", "control traffic only: no IP traffic of other programs"],
  ],
  async run(args) {
    const home = await ownHome(args);
    const node = await Node.start(home, {
      port: args.port,
      interface: args.interface,
      device: args.device,
      mtu: args.mtu,
      workers: args.workers,
      relay: args.relay,
      policy: args.policy,
      discovery: { enabled: args.discovery, interface: args.interface, except: args.quietOn },
      names: args.names,
      links: args.links,
      announce: args.announce,
      masquerade: args.masquerade,
      mqtt: { mode: args.mqtt, port: args.mqttPort, rules: args.mqttAllow },
      log: consoleLog(args),
    });
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => void node.stop());
    await node.stopped;
    process.exit(0);
  },
});
