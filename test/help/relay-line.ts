/**
 * Three gateways in a row, each in a namespace of its own. The ends have no route to each other: what passes is relayed.
 *
 *   a: eth0 10.78.1.1, 2001:db8:1::1 ── left [ e ] right ── b: eth0 10.78.2.1, 2001:db8:2::1
 */
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
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

export const PORT = 5000;
/** Inner packets: with all headers, the relay's too, they fit 1500 bytes of IPv6. */
export const INNER_MTU = 1380;

const HOST: Record<Family, (link: 1 | 2, host: string) => string> = {
  IPv4: (link, host) => `10.78.${link}.${host}`,
  IPv6: (link, host) => `2001:db8:${link}::${host}`,
};
const LINK = { a: 1, b: 2 } as const;
const LENGTH: Record<Family, string> = { IPv4: "/24", IPv6: "/64" };
const FEATURES = ["tso", "gso", "gro", "tx-udp-segmentation"];

const PROGRAM = join(import.meta.dir, "relay-gateway.ts");

export class RelayLine {
  readonly #netns = (place: Place): string => `trellis-r${process.pid}-${place}`;
  /** What the one in the middle remembers of its relay. */
  readonly memory = join(tmpdir(), `trellis-r${process.pid}-relay.json`);
  readonly gateways = new Map<Place, Gateway>();
  #family: Family = "IPv4";
  #aead: AeadName = "aes-256-gcm";

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

  /** Everything that segments or joins packets, at both ends of both wires and of `more`. */
  async setOffloads(state: "on" | "off", more: readonly (readonly [Place, string])[] = []): Promise<void> {
    const features = FEATURES.flatMap((feature) => [feature, state]);
    const wires = [
      ["a", "eth0"],
      ["b", "eth0"],
      ["e", "left"],
      ["e", "right"],
    ] as const;
    for (const [place, device] of [...wires, ...more])
      await must(this.inside(place, "ethtool", "-K", device, ...features));
  }

  /** Starts the three; afterwards a and b have a session that e carries. */
  async start(hooks: HookGroups, family: Family, aead: AeadName = "aes-256-gcm"): Promise<void> {
    this.#family = family;
    this.#aead = aead;
    for (const end of ["a", "b"] as const) {
      this.#open(end, []);
      await this.#meet(end, "e", HOST[family](LINK[end], "254"));
    }
    await this.startRelay(hooks);
    for (const [own, other] of [
      ["a", "b"],
      ["b", "a"],
    ] as const) {
      await this.#meet(own, other, overlay(other), 0);
      await this.at(own).ask({ call: "route", destination: other, primary: "e" });
    }
  }

  /** Starts the one in the middle, anew if it was stopped. */
  async startRelay(hooks: HookGroups): Promise<void> {
    await this.openRelay(hooks);
    for (const end of ["a", "b"] as const) await this.meetRelay(end);
  }

  /** The one in the middle, which knows nobody yet. */
  async openRelay(hooks: HookGroups): Promise<void> {
    this.#open("e", hooks);
    await this.status("e");
  }

  async meetRelay(end: "a" | "b"): Promise<void> {
    await this.#meet("e", end, HOST[this.#family](LINK[end], "1"));
    await this.at("e").ask({ call: "route", destination: end, primary: end });
  }

  /** As a crash would. */
  async killRelay(): Promise<void> {
    this.at("e").signal("SIGKILL");
    await this.stopRelay();
  }

  async stopRelay(): Promise<void> {
    await this.at("e").end();
    this.gateways.delete("e");
  }

  #open(place: Place, hooks: HookGroups): void {
    const device = place === "e" ? undefined : "mesh0";
    this.gateways.set(
      place,
      new Child(this.#netns(place), PROGRAM, {
        name: place,
        port: PORT,
        device,
        mtu: INNER_MTU,
        hooks,
        memory: this.memory,
      }),
    );
  }

  #meet(own: Place, other: Place, address: string, port = PORT): Promise<null> {
    return this.at(own).ask({ call: "meet", other, address, port, aead: this.#aead });
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
    rmSync(this.memory, { force: true });
    for (const place of ["a", "e", "b"] as const) await run(["ip", "netns", "delete", this.#netns(place)]);
  }
}
