/** nebula of Debian 13: the hub is lighthouse and relay. Its relays pass on what they cannot read. Defaults but for the firewall. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../../test/help/shell.ts";
import { ofDebian13 } from "./debian.ts";
import type { Peer } from "./peer.ts";
import type { Leaf, Node, Star } from "./star.ts";

const PORT = 4242;
const address = (number: number): string => `10.96.0.${number}`;
const HUB = address(1);

const configOf = (folder: string, star: Star, node: Node): unknown => {
  const remote = (node as Partial<Leaf>).hub;
  const isHub = remote === undefined;
  return {
    pki: { ca: join(folder, "ca.crt"), cert: join(folder, "node.crt"), key: join(folder, "node.key") },
    static_host_map: isHub ? {} : { [HUB]: [`${remote}:${PORT}`] },
    lighthouse: { am_lighthouse: isHub, interval: 10, hosts: isHub ? [] : [HUB] },
    listen: { host: "0.0.0.0", port: PORT },
    relay: { am_relay: isHub && star.relayed, use_relays: true, relays: isHub || !star.relayed ? [] : [HUB] },
    tun: { dev: "nebula0" },
    firewall: {
      outbound: [{ port: "any", proto: "any", host: "any" }],
      inbound: [{ port: "any", proto: "any", host: "any" }],
    },
  };
};

export const nebula: Peer = {
  name: "nebula",
  relays: "does not decrypt",
  find: () => ofDebian13("nebula", "nebula", "nebula-cert"),

  async start(star, programs) {
    const certify = (folder: string, ...args: readonly string[]): Promise<string> =>
      must(["env", "-C", folder, programs["nebula-cert"] as string, ...args]);
    const authority = star.hub.folder;
    await certify(authority, "ca", "-name", "bench");
    const pids: number[] = [];
    for (const node of star.nodes) {
      const { folder, number, end } = node;
      const names = ["-name", end.name, "-ip", `${address(number)}/24`, "-out-crt", "node.crt", "-out-key", "node.key"];
      const ca = join(authority, "ca");
      await certify(folder, "sign", "-ca-crt", `${ca}.crt`, "-ca-key", `${ca}.key`, ...names);
      if (folder !== authority) await must(["cp", `${ca}.crt`, folder]);
      const config = join(folder, "config.yml"); // JSON is YAML
      writeFileSync(config, JSON.stringify(configOf(folder, star, node)));
      pids.push(star.spawn(node, "nebula", end.inside(programs.nebula as string, "-config", config)));
    }
    return { address: address(star.target), pids };
  },
};
