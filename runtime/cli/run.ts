import { join } from "node:path";
import { RUN } from "../config/settings.ts";
import { loadAddon } from "../dataplane/addon.io.ts";
import { keepTrim } from "../trimming.io.ts";
import { command, NONE } from "./command.ts";
import { consoleLog, ownHome } from "./context.ts";

/** After SIGUSR2, which asks for a restart: the kernel relays on meanwhile. EX_TEMPFAIL of sysexits.h. */
const RESTART = 75;

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
    ["trellis run --mqtt-broker mosquitto", "MQTT 5 for programs of this machine, by Debian's Mosquitto"],
    ["trellis run --broker mqtts://broker.example", "records also by way of a broker that reads and forges nothing"],
    ["trellis run --no-device", "control traffic only: no IP traffic of other programs"],
  ],
  async run(args) {
    const { Node } = await import("../node.ts"); // no other command pays for reading it
    const home = await ownHome(args);
    const log = consoleLog(args);
    const trimming = keepTrim(loadAddon().addon, log);
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
      mqtt: {
        mode: args.mqtt,
        broker: args.mqttBroker,
        folder: join(home.path, "mosquitto"),
        port: args.mqttPort,
        rules: args.mqttAllow,
      },
      room: (bytes) => trimming.room(bytes),
      brokers: {
        urls: args.broker,
        user: args.brokerUser,
        passwordFile: args.brokerPasswordFile,
        ca: args.brokerCa,
        cert: args.brokerCert,
        key: args.brokerKey,
      },
      log,
    });
    let code = 0;
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.once(signal, () => void node.stop());
    process.once("SIGUSR2", () => {
      code = RESTART;
      void node.stop(true);
    });
    await node.stopped;
    process.exit(code);
  },
});
