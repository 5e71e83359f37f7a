/**
 * Two gateways on one cable, and in both namespaces the two systems that are compared:
 *
 *   trellis-t<pid>-a                                        trellis-t<pid>-b
 *     mesh0, tw<pid>a    eth0 10.78.0.1 ──veth── eth0 10.78.0.2    mesh0, tw<pid>b
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestGateway, until } from "../test/help/netns.ts";
import { must, run } from "../test/help/shell.ts";

/** A tunnel between the two ends, as a program sees it. */
export interface System {
  readonly name: "trellis" | "wireguard-go";
  readonly version: string;
  /** Inner address of end b. */
  readonly address: string;
  /** Processes of the two daemons. */
  readonly pids: readonly number[];
}

/** What the tunnel may ask of its underlay: segmentation of TCP and UDP, and joining on arrival. */
const FEATURES = ["tso", "gso", "gro", "tx-udp-segmentation"];
const WIREGUARD_PORT = 51_900;

export class Lab {
  readonly #folder = mkdtempSync(join(tmpdir(), "trellis-bench-"));
  readonly a = new TestGateway("a", 1, this.#folder);
  readonly b = new TestGateway("b", 2, this.#folder);
  readonly #children: Bun.Subprocess[] = [];

  async build(): Promise<void> {
    for (const end of [this.a, this.b]) await must(["ip", "netns", "add", end.namespace]);
    const peer = ["peer", "name", "eth0", "netns", this.b.namespace];
    await must(["ip", "-n", this.a.namespace, "link", "add", "eth0", "mtu", "1500", "type", "veth", ...peer]);
    for (const end of [this.a, this.b]) {
      await must(["ip", "-n", end.namespace, "address", "add", `${end.underlay}/24`, "dev", "eth0"]);
      await must(["ip", "-n", end.namespace, "link", "set", "lo", "up"]);
      await must(["ip", "-n", end.namespace, "link", "set", "eth0", "up"]);
    }
    this.#spawn(this.b.inside("iperf3", "-s"));
  }

  async setOffloads(state: "on" | "off"): Promise<void> {
    const features = FEATURES.flatMap((feature) => [feature, state]);
    for (const end of [this.a, this.b]) await must(end.inside("ethtool", "-K", "eth0", ...features));
  }

  /** Two daemons as a user starts them: init and run, invite, join and run. */
  async startTrellis(): Promise<System> {
    await this.a.json("init", "--name", "a");
    await this.a.start();
    const { token } = await this.a.json<{ token: string }>("invite");
    const { address } = await this.b.json<{ address: string }>("join", token, "--name", "b");
    await this.b.start();
    const statuses = [await this.a.json<{ pid: number }>("status"), await this.b.json<{ pid: number }>("status")];
    await this.#untilCrosses(address);
    const { capabilities } = await this.a.json<{ capabilities: { id: string; detail: string }[] }>("doctor");
    const version = `trellis (${capabilities.find((row) => row.id === "aead")?.detail})`;
    return { name: "trellis", version, address, pids: statuses.map(({ pid }) => pid) };
  }

  /** Two daemons of wireguard-go with its own MTU, and addresses of the family that the other system has. */
  async startWireguard(): Promise<System> {
    const ends = await Promise.all([this.a, this.b].map((end) => this.#wireguardEnd(end)));
    for (const [i, { end, device, key }] of ends.entries()) {
      const there = ends[1 - i] as (typeof ends)[0];
      const remote = `${there.end.underlay}:${WIREGUARD_PORT}`;
      const port = ["listen-port", String(WIREGUARD_PORT), "private-key", key];
      const peer = ["peer", there.publicKey, "endpoint", remote, "allowed-ips", `fd99::${2 - i}/128`];
      await must(end.inside("wg", "set", device, ...port, ...peer));
      await must(["ip", "-n", end.namespace, "address", "add", `fd99::${i + 1}/64`, "dev", device, "nodad"]);
      await must(["ip", "-n", end.namespace, "link", "set", device, "up"]);
    }
    await this.#untilCrosses("fd99::2");
    const version = (await must(["wireguard-go", "--version"])).split("\n")[0] ?? "";
    return { name: "wireguard-go", version, address: "fd99::2", pids: ends.map(({ pid }) => pid) };
  }

  async #wireguardEnd(end: TestGateway) {
    const device = `tw${process.pid}${end.name}`; // its control socket lies in a folder that all namespaces share
    const { pid } = this.#spawn(end.inside("wireguard-go", "--foreground", device));
    await until(device, async () => ((await run(end.inside("wg", "show", device))).code === 0 ? true : undefined));
    const secret = await must(["wg", "genkey"]);
    const key = join(this.#folder, device);
    writeFileSync(key, secret, { mode: 0o600 });
    const { stdout } = await run(["wg", "pubkey"], new TextEncoder().encode(secret));
    return { end, device, key, pid, publicKey: stdout.trim() };
  }

  async #untilCrosses(address: string): Promise<void> {
    const ping = this.a.inside("ping", "-6", "-c", "1", "-W", "1", address);
    await until(`an answer of ${address}`, async () => ((await run(ping)).code === 0 ? true : undefined));
  }

  #spawn(command: readonly string[]): Bun.Subprocess {
    const child = Bun.spawn([...command], { stdio: ["ignore", "ignore", "ignore"] });
    this.#children.push(child);
    return child;
  }

  /** Ends what was started and removes the namespaces; what is in them goes with them. */
  async remove(): Promise<void> {
    for (const end of [this.a, this.b]) await end.end("SIGKILL");
    for (const child of this.#children) child.kill("SIGTERM");
    await Promise.all(this.#children.map((child) => child.exited));
    for (const end of [this.a, this.b]) await run(["ip", "netns", "delete", end.namespace]);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
