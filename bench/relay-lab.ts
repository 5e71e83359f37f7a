/**
 * The line a - e - b of the relay's tests, and what it is compared with:
 *
 *   direct      one more cable, a - b: 10.78.3.1, 10.78.3.2
 *   forwarding  e routes IP between its two devices, without our program
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { BPF_FLAGS, multiarchInclude, requireTool } from "../native/build.ts";
import { HOOKS, type HookGroups } from "../runtime/dataplane/relay-attach.ts";
import { until } from "../test/help/netns.ts";
import { overlay, relayFrame } from "../test/help/relay-frames.ts";
import { type Place, PORT, RelayLine } from "../test/help/relay-line.ts";
import { must, run } from "../test/help/shell.ts";
import { ethernetFrame } from "../test/help/underlay-packet.ts";

export const WAYS = ["direct", "forwarding", "relay", "relay-xdp", "relay-userspace"] as const;
export type Way = (typeof WAYS)[number];

const DRIVE = join(import.meta.dir, "../build/bench/pps-drive");
const DRIVE_OBJECT = `${DRIVE}.bpf.o`;
const DATAGRAM = 64;
const SINK_PORT = 5001; // of the gateway d, which is at b's address and only takes

/** Compiles what sends and counts packets by XDP. */
export async function buildDrive(): Promise<void> {
  mkdirSync(join(DRIVE, ".."), { recursive: true });
  await must(["g++", "-std=c++20", "-O2", join(import.meta.dir, "pps-drive.cc"), "-lbpf", "-o", DRIVE]);
  const source = join(import.meta.dir, "pps.bpf.c");
  await must([
    requireTool("clang", "clang"),
    ...BPF_FLAGS,
    `-I${multiarchInclude()}`,
    "-c",
    source,
    "-o",
    DRIVE_OBJECT,
  ]);
}

/** Where an end finds the other by each way; port 0 is the mesh. */
function endpointOf(way: Way, other: "a" | "b"): { address: string; port: number } {
  if (way === "direct") return { address: other === "a" ? "10.78.3.1" : "10.78.3.2", port: PORT };
  if (way === "forwarding") return { address: other === "a" ? "10.78.1.1" : "10.78.2.1", port: PORT };
  return { address: overlay(other), port: 0 };
}

export class RelayLab {
  readonly #line = new RelayLine();
  readonly #children: Bun.Subprocess[] = [];

  async build(): Promise<void> {
    await this.#line.build();
    const inside = (place: Place, ...command: string[]): Promise<string> => must(this.#line.inside(place, ...command));
    await inside("e", "ip", "link", "add", "to-a", "type", "veth", "peer", "name", "to-b");
    for (const [end, other, last] of [
      ["a", "to-a", 1],
      ["b", "to-b", 2],
    ] as const) {
      const [netns] = this.#line.inside(end).slice(3);
      await inside("e", "ip", "link", "set", other, "netns", netns ?? "", "name", "eth1");
      await inside(end, "ip", "address", "add", `10.78.3.${last}/24`, "dev", "eth1");
      await inside(end, "ip", "link", "set", "eth1", "up");
      await inside(end, "ip", "route", "add", `10.78.${3 - last}.0/24`, "via", `10.78.${last}.254`);
    }
    await inside("e", "sysctl", "-qw", "net.ipv4.ip_forward=1");
    await this.#line.start(HOOKS.userspace, "IPv4");
    this.#spawn("b", "iperf3", "-s");
  }

  #spawn(place: Place, ...command: string[]): void {
    this.#children.push(Bun.spawn(this.#line.inside(place, ...command), { stdio: ["ignore", "ignore", "ignore"] }));
  }

  async setOffloads(state: "on" | "off"): Promise<void> {
    await this.#restart(HOOKS.userspace); // while XDP is on a veth, some of its other end cannot be switched
    await this.#line.setOffloads(state, [
      ["a", "eth1"],
      ["b", "eth1"],
    ]);
  }

  /** For single packets that XDP sends: a veth takes them only with GRO on at its other end. */
  async setSinglePackets(): Promise<void> {
    await this.setOffloads("off");
    for (const [place, device] of [
      ["a", "eth0"],
      ["b", "eth0"],
      ["e", "left"],
      ["e", "right"],
      ["b", "eth1"],
    ] as const)
      await must(this.#line.inside(place, "ethtool", "-K", device, "gro", "on"));
  }

  async #restart(hooks: HookGroups): Promise<void> {
    await this.#line.stopRelay();
    await this.#line.startRelay(hooks);
  }

  /** Runs `measure` while a and b reach each other this way. */
  async by<T>(way: Way, measure: () => Promise<T>): Promise<T> {
    const hooks = { relay: HOOKS.auto, "relay-xdp": HOOKS.xdp, direct: [], forwarding: [], "relay-userspace": [] }[way];
    await this.#restart(hooks);
    const d = { call: "meet", other: "d", address: "10.78.2.1", port: SINK_PORT, aead: "aes-256-gcm" } as const;
    await this.#line.at("e").ask(d);
    await this.#line.at("e").ask({ call: "route", destination: "d", primary: "d" });
    for (const [own, other] of [
      ["a", "b"],
      ["b", "a"],
    ] as const)
      await this.#line.at(own).ask({ call: "endpoint", other, ...endpointOf(way, other) });
    const ping = this.#line.inside("a", "ping", "-6", "-c", "3", "-i", "0.1", "-W", "1", overlay("b"));
    await until(`b by ${way}`, async () => ((await run(ping)).code === 0 ? true : undefined));
    const before = await this.#line.status("e");
    const result = await measure();
    const after = await this.#line.status("e");
    const inKernel = (after.kernel.relayed?.forward ?? 0) - (before.kernel.relayed?.forward ?? 0);
    const here = after.relayed.forward - before.relayed.forward;
    const wanted = hooks.length > 0 ? inKernel > 20 * here : way === "relay-userspace" ? here > 0 : here === 0;
    if (!wanted)
      throw new Error(`${way}: ${inKernel} frames went through the kernel's relay, ${here} through the daemon's`);
    return result;
  }

  /** One TCP stream (cubic) between overlay addresses, Mbit/s received. */
  async tcp(seconds: number): Promise<number> {
    const command = ["iperf3", "--json", "-c", overlay("b"), "-C", "cubic", "-t", String(seconds)];
    const { stdout } = await run(this.#line.inside("a", ...command));
    const { end, error } = JSON.parse(stdout) as { end: { sum_received: { bits_per_second: number } }; error?: string };
    if (error) throw new Error(`iperf3: ${error}`);
    return end.sum_received.bits_per_second / 1e6;
  }

  /** 64-byte datagrams a to b, sent and counted by XDP: ns of CPU time that each took, all that happens to it included. */
  async packetCost(way: Way, seconds: number): Promise<number> {
    const device = way === "direct" ? "eth1" : "eth0";
    const routed = way === "direct" || way === "forwarding";
    const frame = ethernetFrame({
      macs: {
        from: await this.#mac("a", device),
        to: await (way === "direct" ? this.#mac("b", device) : this.#mac("e", "left")),
      },
      from: "10.78.1.1",
      to: routed ? "10.78.2.1" : "10.78.1.254",
      ports: { from: PORT, to: routed ? SINK_PORT : PORT },
      payload: relayFrame({ from: "a", to: "e" }, "a", "d", new Uint8Array(DATAGRAM - 32).fill(4)),
    });
    const [netns] = this.#line.inside("b").slice(3);
    const drive = (duration: number): Promise<string> => {
      const where = [DRIVE, DRIVE_OBJECT, device, netns ?? "", device, String(SINK_PORT), String(duration)];
      return must(this.#line.inside("a", ...where, Buffer.from(frame).toString("hex")));
    };
    await drive(0.2); // the middle learns where the sink is
    const said = await drive(seconds);
    const [sent, arrived, ns] = said.trim().split(" ").map(Number) as [number, number, number];
    if (arrived < sent * 0.99) throw new Error(`${way}: ${arrived} of ${sent} packets arrived`);
    return ns / arrived;
  }

  async #mac(place: Place, device: string): Promise<string> {
    return (await must(this.#line.inside(place, "cat", `/sys/class/net/${device}/address`))).trim();
  }

  async remove(): Promise<void> {
    for (const child of this.#children) child.kill("SIGTERM");
    await Promise.all(this.#children.map((child) => child.exited));
    await this.#line.remove();
  }
}
