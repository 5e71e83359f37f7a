/**
 * The namespaces that one system runs in, all its own, so that none finds a way through the tunnel of another. One star for each
 * of the two questions; traffic goes from `a` to `b`:
 *
 *   direct    a: eth0 10.78.0.1 ──veth── b: eth0 10.78.0.2                                           hub b, leaf a
 *   relayed   a: eth0 10.78.1.1 ──veth── 10.78.1.2 r 10.78.2.1 ──veth── b: eth0 10.78.2.2            hub r, leaves a and b
 *
 * A leaf knows the hub and nobody else; the two leaves have no route to each other.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TestGateway, until } from "../../test/help/netns.ts";
import { must, run } from "../../test/help/shell.ts";

/** A gateway in its namespace; `number` makes its inner address: 1 is the hub. */
export interface Node {
  readonly end: TestGateway;
  readonly number: number;
  /** A folder for keys and configuration. */
  readonly folder: string;
}

export interface Leaf extends Node {
  /** Underlay address of the hub on this leaf's cable. */
  readonly hub: string;
}

/** What the underlay may be asked for: segmentation of TCP and UDP, and joining on arrival. */
const FEATURES = ["tso", "gso", "gro", "tx-udp-segmentation"];

export class Star {
  readonly relayed: boolean;
  readonly hub: Node;
  readonly leaves: readonly Leaf[];
  readonly a: TestGateway;
  readonly b: TestGateway;
  readonly #folder = mkdtempSync(join(tmpdir(), "trellis-peers-"));
  readonly #devices: (readonly [TestGateway, string])[] = [];
  readonly #children: Bun.Subprocess[] = [];

  constructor(system: string, relayed: boolean) {
    const node = (name: string, number: number): Node => {
      const folder = join(this.#folder, `${name}.d`);
      mkdirSync(folder);
      return { end: new TestGateway(`${system}-${relayed ? "r" : ""}${name}`, number, this.#folder), number, folder };
    };
    this.relayed = relayed;
    const a = node("a", 2);
    const b = node("b", relayed ? 3 : 1);
    this.hub = relayed ? node("r", 1) : b;
    this.leaves = relayed
      ? [
          { ...a, hub: "10.78.1.2" },
          { ...b, hub: "10.78.2.1" },
        ]
      : [{ ...a, hub: "10.78.0.2" }];
    [this.a, this.b] = [a.end, b.end];
  }

  get nodes(): readonly Node[] {
    return [this.hub, ...this.leaves];
  }

  /** Inner number of b. */
  get target(): number {
    return this.relayed ? 3 : 1;
  }

  async build(): Promise<void> {
    for (const { end } of this.nodes) {
      await must(["ip", "netns", "add", end.namespace]);
      await must(["ip", "-n", end.namespace, "link", "set", "lo", "up"]);
    }
    if (this.relayed) {
      await this.#wire(1, [this.a, "eth0"], [this.hub.end, "eth-a"]);
      await this.#wire(2, [this.hub.end, "eth-b"], [this.b, "eth0"]);
    } else {
      await this.#wire(0, [this.a, "eth0"], [this.b, "eth0"]);
    }
    for (const { end } of this.nodes) await end.untilRunning();
    this.spawn(this.hub, "iperf3", this.b.inside("iperf3", "-s"));
  }

  async #wire(net: number, left: readonly [TestGateway, string], right: readonly [TestGateway, string]): Promise<void> {
    const peer = ["peer", "name", right[1], "netns", right[0].namespace];
    const netns = ["-n", left[0].namespace];
    await must(["ip", ...netns, "link", "add", left[1], "mtu", "1500", "type", "veth", ...peer]);
    for (const [i, [end, device]] of [left, right].entries()) {
      await must(["ip", "-n", end.namespace, "address", "add", `10.78.${net}.${i + 1}/24`, "dev", device]);
      await must(["ip", "-n", end.namespace, "link", "set", device, "up"]);
      this.#devices.push([end, device]);
    }
  }

  async setOffloads(state: "on" | "off"): Promise<void> {
    const features = FEATURES.flatMap((feature) => [feature, state]);
    for (const [end, device] of this.#devices) await must(end.inside("ethtool", "-K", device, ...features));
  }

  /** Starts a program that stays; gives its process. What it says is in the folder, and in the error when it ends too soon. */
  spawn(node: Node, name: string, command: readonly string[]): number {
    const log = Bun.file(join(node.folder, `${name}.log`));
    const child = Bun.spawn([...command], { stdin: "ignore", stdout: log, stderr: log });
    this.#children.push(child);
    return child.pid;
  }

  /** Waits until a device is there, gives it the address and brings it up. */
  async address({ end }: Node, device: string, address: string): Promise<void> {
    const show = ["ip", "-n", end.namespace, "link", "show", device];
    await until(`${device} of ${end.name}`, async () => ((await run(show)).code === 0 ? true : undefined));
    const nodad = address.includes(":") ? ["nodad"] : [];
    await must(["ip", "-n", end.namespace, "address", "add", address, "dev", device, ...nodad]);
    await must(["ip", "-n", end.namespace, "link", "set", device, "up"]);
  }

  async untilCrosses(address: string): Promise<void> {
    const ping = this.a.inside("ping", "-c", "1", "-W", "1", address);
    const answers = async (): Promise<true | undefined> => ((await run(ping)).code === 0 ? true : undefined);
    await until(`an answer of ${address} to ${this.a.name}`, answers, 40_000);
  }

  /** Ends what was started and removes the namespaces; what is in them goes with them. */
  async remove(): Promise<void> {
    for (const { end } of this.nodes) await end.end("SIGKILL");
    for (const child of this.#children) child.kill("SIGTERM");
    await Promise.all(this.#children.map((child) => child.exited));
    for (const { end } of this.nodes) await run(["ip", "netns", "delete", end.namespace]);
    rmSync(this.#folder, { recursive: true, force: true });
  }
}
