/** fastd: Ethernet over UDP; the hub forwards, decrypting and encrypting again. Its documentation's method and MTU for IPv4. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { must } from "../../test/help/shell.ts";
import { installed } from "./debian.ts";
import type { Peer } from "./peer.ts";
import type { Leaf } from "./star.ts";

const PORT = 10_000;
const address = (number: number): string => `fd97::${number}`;

export const fastd: Peer = {
  name: "fastd",
  relays: "decrypts and encrypts again",
  find: () => installed("fastd", "fastd"),

  async start(star, programs) {
    const program = programs.fastd as string;
    const nodes: { node: (typeof star.nodes)[number]; secret: string; key: string }[] = [];
    for (const node of star.nodes) {
      const text = await must([program, "--generate-key"]);
      const of = (what: string): string => new RegExp(`^${what}: (\\w+)$`, "m").exec(text)?.[1] ?? "";
      nodes.push({ node, secret: of("Secret"), key: of("Public") });
    }
    const pids: number[] = [];
    for (const { node, secret } of nodes) {
      const hub = (node as Partial<Leaf>).hub;
      const others = nodes.filter((n) => n.node !== node && (!hub || n.node === star.hub));
      const lines = [
        'interface "fastd0"; mode tap; method "salsa2012+umac"; mtu 1406;',
        `bind 0.0.0.0:${PORT}; secret "${secret}";`,
        ...(hub ? [] : ["forward yes;"]),
        ...others.map((n) => `peer "${n.node.number}" { key "${n.key}"; ${hub ? `remote ${hub}:${PORT};` : ""} }`),
      ];
      const file = join(node.folder, "fastd.conf");
      writeFileSync(file, `${lines.join("\n")}\n`);
      pids.push(star.spawn(node, "fastd", node.end.inside(program, "-c", file)));
      await star.address(node, "fastd0", `${address(node.number)}/64`);
    }
    return { address: address(star.target), pids };
  },
};
