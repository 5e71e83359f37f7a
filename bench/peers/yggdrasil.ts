/** yggdrasil of Debian 13: leaves peer with the hub over TCP; traffic is sealed end to end. Defaults but for the multicast discovery. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../../test/help/netns.ts";
import { must } from "../../test/help/shell.ts";
import { ofDebian13 } from "./debian.ts";
import type { Peer } from "./peer.ts";
import type { Leaf, Node } from "./star.ts";

const PORT = 9001;

function listens({ end }: Node): Promise<true> {
  const sockets = end.inside("ss", "-Hltn", `sport = :${PORT}`);
  return until(`yggdrasil of ${end.name}`, async () => ((await must(sockets)) === "" ? undefined : true));
}

export const yggdrasil: Peer = {
  name: "yggdrasil",
  relays: "does not decrypt; over TCP",
  find: () => ofDebian13("yggdrasil", "yggdrasil"),

  async start(star, programs) {
    const program = programs.yggdrasil as string;
    const pids: number[] = [];
    let address = "";
    for (const node of star.nodes) {
      const hub = (node as Partial<Leaf>).hub;
      const made = JSON.parse(await must([program, "-genconf", "-json"])) as Record<string, unknown>;
      const config = {
        ...made,
        Listen: hub ? [] : [`tcp://0.0.0.0:${PORT}`],
        Peers: hub ? [`tcp://${hub}:${PORT}`] : [],
        MulticastInterfaces: [],
        AdminListen: "none",
        IfName: "ygg0",
      };
      const file = join(node.folder, "config.json");
      writeFileSync(file, JSON.stringify(config));
      if (node.number === star.target) address = (await must([program, "-useconffile", file, "-address"])).trim();
      pids.push(star.spawn(node, "yggdrasil", node.end.inside(program, "-useconffile", file)));
      if (!hub) await listens(node); // who calls too soon calls again much later
    }
    return { address, pids };
  },
};
