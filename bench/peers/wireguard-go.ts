/** wireguard-go: the one that is installed (Debian 12's learned no segmentation offloads yet) and Debian 13's, which has them. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { until } from "../../test/help/netns.ts";
import { must, run } from "../../test/help/shell.ts";
import { installed, ofDebian13 } from "./debian.ts";
import type { Found, Peer, Programs } from "./peer.ts";
import type { Leaf, Node, Star } from "./star.ts";

const PORT = "51820";
const address = (number: number): string => `fd99::${number}`;

interface Keyed {
  readonly node: Node;
  readonly device: string;
  readonly keyFile: string;
  readonly publicKey: string;
  readonly pid: number;
}

async function startNode(star: Star, node: Node, program: string, tag: string): Promise<Keyed> {
  const device = `tw${process.pid}${tag}${node.number}${star.relayed ? "r" : ""}`; // its control socket lies in a folder of all
  const pid = star.spawn(node, "wireguard-go", node.end.inside(program, "--foreground", device));
  const shown = node.end.inside("wg", "show", device);
  await until(device, async () => ((await run(shown)).code === 0 ? true : undefined));
  const secret = await must(["wg", "genkey"]);
  const keyFile = join(node.folder, "key");
  writeFileSync(keyFile, secret, { mode: 0o600 });
  const { stdout } = await run(["wg", "pubkey"], new TextEncoder().encode(secret));
  await must(node.end.inside("wg", "set", device, "private-key", keyFile, "listen-port", PORT));
  await star.address(node, device, `${address(node.number)}/64`);
  return { node, device, keyFile, publicKey: stdout.trim(), pid };
}

async function start(star: Star, programs: Programs, tag: string) {
  const program = programs["wireguard-go"] as string;
  const [hub, ...leaves] = (await Promise.all(star.nodes.map((n) => startNode(star, n, program, tag)))) as [
    Keyed,
    ...Keyed[],
  ];
  for (const leaf of leaves) {
    const { end, number, hub: remote } = leaf.node as Leaf;
    const towards = ["endpoint", `${remote}:${PORT}`, "allowed-ips", "fd99::/64", "persistent-keepalive", "25"];
    await must(end.inside("wg", "set", leaf.device, "peer", hub.publicKey, ...towards));
    const back = ["allowed-ips", `${address(number)}/128`];
    await must(hub.node.end.inside("wg", "set", hub.device, "peer", leaf.publicKey, ...back));
  }
  if (star.relayed) await must(hub.node.end.inside("sysctl", "-qw", "net.ipv6.conf.all.forwarding=1"));
  return { address: address(star.target), pids: [hub, ...leaves].map(({ pid }) => pid) };
}

const peer = (name: string, tag: string, find: () => Promise<Found | { missing: string }>): Peer => ({
  name,
  relays: "routes IP: decrypts and encrypts again",
  async find() {
    return Bun.which("wg") ? await find() : { missing: "no `wg` on this machine; package wireguard-tools" };
  },
  start: (star, programs) => start(star, programs, tag),
});

export const wireguardGo = peer("wireguard-go", "i", () => installed("wireguard-go", "wireguard-go"));
export const wireguardGo13 = peer("wireguard-go-13", "n", () => ofDebian13("wireguard-go", "wireguard-go"));
