/** Plain networks behind gateways of a TestNet, and hosts in them that know nothing of Trellis. */
import { formatIp, parseIp } from "../../runtime/base/ip.ts";
import { type TestGateway, type TestNet, until } from "./netns.ts";
import { must, run } from "./shell.ts";

/** A machine with one cable: a namespace that pings, listens and calls. */
export class Host {
  readonly namespace: string;
  readonly #listening: Bun.Subprocess[] = [];

  constructor(name: string) {
    this.namespace = `trellis-t${process.pid}-host-${name}`;
  }

  inside(...command: readonly string[]): string[] {
    return ["ip", "netns", "exec", this.namespace, ...command];
  }

  async reaches(address: string): Promise<boolean> {
    return (await run(this.inside("ping", "-c", "1", "-W", "1", address))).code === 0;
  }

  untilReaches(address: string): Promise<true> {
    return until(`an answer of ${address} to ${this.namespace}`, async () =>
      (await this.reaches(address)) ? true : undefined,
    );
  }

  /** Tells each caller of a TCP port what its address looks like from here. */
  async listen(port: number): Promise<void> {
    const server = ["socat", `TCP6-LISTEN:${port},fork,reuseaddr,ipv6only=0`, "SYSTEM:echo $SOCAT_PEERADDR"];
    this.#listening.push(Bun.spawn(this.inside(...server), { stdout: "ignore", stderr: "ignore" }));
    await until("the listener", async () =>
      (await must(this.inside("ss", "-Hltn", `sport = :${port}`))) === "" ? undefined : true,
    );
  }

  /** What the other end says about us; empty when it does not answer. */
  async call(address: string, port: number): Promise<string> {
    const to = address.includes(":") ? `[${address}]` : address;
    const { stdout } = await run(this.inside("socat", "-T2", "-", `TCP:${to}:${port},connect-timeout=2`));
    const bytes = parseIp(stdout.trim().replace(/^\[|\]$/g, ""));
    return bytes ? formatIp(bytes).replace(/^::ffff:/, "") : "";
  }

  async remove(): Promise<void> {
    for (const one of this.#listening) {
      one.kill();
      await one.exited;
    }
    await run(["ip", "netns", "delete", this.namespace]);
  }
}

/** A switch where the wires of the net are. Both families: 10.`number`.0.0/24 and fd01:`number`::/64. */
export class Lan {
  readonly #net: TestNet;
  readonly #number: number;
  readonly #bridge: string;
  #ports = 0;

  private constructor(net: TestNet, number: number) {
    this.#net = net;
    this.#number = number;
    this.#bridge = `lan${number}`;
  }

  static async of(net: TestNet, number: number): Promise<Lan> {
    const lan = new Lan(net, number);
    await must(net.onWires("ip", "link", "add", lan.#bridge, "type", "bridge", "mcast_snooping", "0"));
    await must(net.onWires("ip", "link", "set", lan.#bridge, "up"));
    return lan;
  }

  get v4(): string {
    return `10.${this.#number}.0.0/24`;
  }
  get v6(): string {
    return `fd01:${this.#number}::/64`;
  }
  at(host: number): readonly [v4: string, v6: string] {
    return [`10.${this.#number}.0.${host}`, `fd01:${this.#number}::${host}`];
  }

  /** A cable from a namespace, there called after the network. */
  async #plug(namespace: string, host: number): Promise<void> {
    const port = `${this.#bridge}-${++this.#ports}`;
    const [v4, v6] = this.at(host);
    const ip = (...words: readonly string[]): Promise<string> => must(["ip", "-n", namespace, ...words]);
    await must(
      this.#net.onWires("ip", "link", "add", port, "type", "veth", "peer", "name", this.#bridge, "netns", namespace),
    );
    await must(this.#net.onWires("ip", "link", "set", port, "master", this.#bridge, "up"));
    await ip("address", "add", `${v4}/24`, "dev", this.#bridge);
    await ip("address", "add", `${v6}/64`, "dev", this.#bridge, "nodad");
    await ip("link", "set", this.#bridge, "up");
  }

  async connect(gateway: TestGateway, host: number): Promise<void> {
    await this.#plug(gateway.namespace, host);
  }

  /** The nth cable carries nothing any more, and its end sees that it is out. */
  async unplug(cable: number): Promise<void> {
    await must(this.#net.onWires("ip", "link", "set", `${this.#bridge}-${cable}`, "down"));
  }

  async plugIn(cable: number): Promise<void> {
    await must(this.#net.onWires("ip", "link", "set", `${this.#bridge}-${cable}`, "up"));
  }

  /** With `gateway` its way to everywhere leads through that host of the network. */
  async host(name: string, host: number, gateway?: number): Promise<Host> {
    const made = new Host(name);
    await must(["ip", "netns", "add", made.namespace]);
    await must(["ip", "-n", made.namespace, "link", "set", "lo", "up"]);
    await this.#plug(made.namespace, host);
    if (gateway !== undefined) await this.lead(made, gateway);
    return made;
  }

  async lead(host: Host, gateway: number): Promise<void> {
    const [v4, v6] = this.at(gateway);
    await must(["ip", "-n", host.namespace, "route", "replace", "default", "via", v4]);
    await must(["ip", "-n", host.namespace, "-6", "route", "replace", "default", "via", v6]);
  }
}
