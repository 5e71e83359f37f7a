/** tinc 1.0: every node connects to the hub, which decrypts and encrypts what it passes on. Defaults. */
import { appendFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "../../test/help/shell.ts";
import { installed } from "./debian.ts";
import type { Peer } from "./peer.ts";
import type { Leaf } from "./star.ts";

const address = (number: number): string => `fd96::${number}`;
const nameOf = (number: number): string => `node${number}`;

export const tinc: Peer = {
  name: "tinc",
  relays: "decrypts and encrypts again",
  find: () => installed("tinc", "tincd"),

  async start(star, programs) {
    const tincd = programs.tincd as string;
    for (const node of star.nodes) {
      const hosts = join(node.folder, "hosts");
      mkdirSync(hosts);
      const hub = (node as Partial<Leaf>).hub;
      const lines = [
        `Name = ${nameOf(node.number)}`,
        "Interface = tinc0",
        ...(hub ? [`ConnectTo = ${nameOf(1)}`] : []),
      ];
      writeFileSync(join(node.folder, "tinc.conf"), `${lines.join("\n")}\n`);
      writeFileSync(join(hosts, nameOf(node.number)), `Subnet = ${address(node.number)}/128\n`);
      await run([tincd, "-c", node.folder, "-K2048"]); // takes the files it proposes when nobody can answer
    }
    for (const node of star.nodes) {
      const hub = (node as Partial<Leaf>).hub;
      for (const other of star.nodes.filter((n) => n !== node)) {
        const file = join(node.folder, "hosts", nameOf(other.number));
        writeFileSync(file, readFileSync(join(other.folder, "hosts", nameOf(other.number))));
        if (hub && other === star.hub) appendFileSync(file, `Address = ${hub}\n`);
      }
    }
    const pids: number[] = [];
    for (const node of star.nodes) {
      const files = ["-c", node.folder, `--pidfile=${join(node.folder, "pid")}`];
      pids.push(star.spawn(node, "tinc", node.end.inside(tincd, "-D", ...files)));
      await star.address(node, "tinc0", `${address(node.number)}/64`);
    }
    return { address: address(star.target), pids };
  },
};
