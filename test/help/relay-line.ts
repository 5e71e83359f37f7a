/**
 * Three gateways in a row, each in a namespace of its own. The ends have no route to each other: what passes is relayed.
 *
 *   a: eth0 10.78.1.1, 2001:db8:1::1 ── left [ e ] right ── b: eth0 10.78.2.1, 2001:db8:2::1
 */
import { join } from "node:path";
import type { AeadName } from "../../runtime/crypto/provider.ts";
import type { HookGroups } from "../../runtime/dataplane/relay-attach.ts";
import { Child } from "./child.ts";
import { overlay } from "./relay-frames.ts";
import type { GatewayAnswers, GatewayRequest } from "./relay-gateway.ts";
import { must, run } from "./shell.ts";

export type Place = "a" | "e" | "b";
export type Family = "IPv4" | "IPv6";
export type Gateway = Child<GatewayRequest, GatewayAnswers>;

const PORT = 5000;
/** Inner packets: with all headers, the relay's too, they fit 1500 bytes of IPv6. */
export const INNER_MTU = 1380;

const HOST: Record<Family, (link: 1 | 2, host: string) => string> = {
  IPv4: (link, host) => `10.78.${link}.${host}`,
  IPv6: (link, host) => `2001:db8:${link}::${host}`,
};
const LENGTH: Record<Family, string> = { IPv4: "/24", IPv6: "/64" };
const FEATURES = ["tso", "gso", "gro", "tx-udp-segmentation"];

const PROGRAM = join(import.meta.dir, "relay-gateway.ts");

export class RelayLine {
  readonly #netns = (place: Place): string => `trellis-r${process.pid}-${place}`;
  readonly gateways = new Map<Place, Gateway>();

  inside(place: Place, ...command: readonly string[]): string[] {
    return ["ip", "netns", "exec", this.#netns(place), ...command];
  }

  async build(): Promise<void> {
    for (const place of ["a", "e", "b"] as const) {
      await must(["ip", "netns", "add", this.#netns(place)]);
      await must(["ip", "-n", this.#netns(place), "link", "set", "lo", "up"]);
    }
    await this.#wire(1, "a", "left");
    await this.#wire(2, "b", "right");
  }

  async #wire(link: 1 | 2, end: Place, device: string): Promise<void> {
    const peer = ["peer", "name", "eth0", "netns", this.#netns(end)];
    await must(["ip", "-n", this.#netns("e"), "link", "add", device, "type", "veth", ...peer]);
    for (const [place, name, host] of [
      ["e", device, "254"],
      [end, "eth0", "1"],
    ] as const) {
      for (const family of ["IPv4", "IPv6"] as const) {
        const address = `${HOST[family](link, host)}${LENGTH[family]}`;
        const nodad = family === "IPv6" ? ["nodad"] : [];
        await must(["ip", "-n", this.#netns(place), "address", "add", address, "dev", name, ...nodad]);
      }
      await must(["ip", "-n", this.#netns(place), "link", "set", name, "up"]);
    }
  }

  /** Everything that segments or joins packets, at both ends of both wires. */
  async setOffloads(state: "on" | "off"): Promise<void> {
    const features = FEATURES.flatMap((feature) => [feature, state]);
    for (const [place, device] of [
      ["a", "eth0"],
      ["b", "eth0"],
      ["e", "left"],
      ["e", "right"],
    ] as const)
      await must(this.inside(place, "ethtool", "-K", device, ...features));
  }

  /** Starts the three; afterwards a and b have a session that e carries. */
  async start(hooks: HookGroups, family: Family, aead: AeadName = "aes-256-gcm"): Promise<void> {
    for (const place of ["a", "e", "b"] as const) {
      const device = place === "e" ? undefined : "mesh0";
      const options = { name: place, port: PORT, device, mtu: INNER_MTU, hooks: place === "e" ? hooks : [] };
      this.gateways.set(place, new Child(this.#netns(place), PROGRAM, options));
    }
    const host = HOST[family];
    const meet = (own: Place, other: Place, address: string, port = PORT) =>
      this.at(own).ask({ call: "meet", other, address, port, aead });
    await meet("a", "e", host(1, "254"));
    await meet("b", "e", host(2, "254"));
    await meet("e", "a", host(1, "1"));
    await meet("e", "b", host(2, "1"));
    await meet("a", "b", overlay("b"), 0);
    await meet("b", "a", overlay("a"), 0);
    for (const [own, destination, primary] of [
      ["a", "b", "e"],
      ["b", "a", "e"],
      ["e", "a", "a"],
      ["e", "b", "b"],
    ] as const)
      await this.at(own).ask({ call: "route", destination, primary });
  }

  at(place: Place): Gateway {
    return this.gateways.get(place) as Gateway;
  }

  status(place: Place): Promise<GatewayAnswers["status"]> {
    return this.at(place).ask({ call: "status" });
  }

  async stop(): Promise<void> {
    for (const gateway of this.gateways.values()) {
      gateway.signal("SIGCONT");
      await gateway.end();
    }
    this.gateways.clear();
  }

  async remove(): Promise<void> {
    await this.stop();
    for (const place of ["a", "e", "b"] as const) await run(["ip", "netns", "delete", this.#netns(place)]);
  }
}
