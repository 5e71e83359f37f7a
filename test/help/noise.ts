/** Sends random bytes to the group that beacons go to, once: `bun noise.ts BYTES`. */
import { loadAddon } from "../../runtime/dataplane/addon.io.ts";
import { GROUPS } from "../../runtime/discovering.io.ts";

const { addon, reason } = loadAddon();
if (!addon) throw new Error(reason);
const eth0 = addon.interfaces().find((i) => i.name === "eth0");
const source = eth0?.addresses.find((a) => a.address.startsWith("fe80:"))?.address;
if (!eth0 || !source) throw new Error("there is no eth0 with a link-local address");
const group = addon.openMulticast(GROUPS, () => {});
group.send(eth0.index, source, crypto.getRandomValues(new Uint8Array(Number(process.argv[2]))));
group.close();
