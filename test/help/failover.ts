/**
 * Two gateways of one network that announce it and masquerade, and a third one elsewhere, each on a wire of its own to that one, or to a relay
 * that is between; a host in the network that knows no way to anywhere; and pings to it from the third gateway.
 */
import { freeze, thaw } from "./diamond.ts";
import { type Host, Lan } from "./lan.ts";
import { Lines } from "./lines.ts";
import { type TestGateway, TestNet, until } from "./netns.ts";
import { run } from "./shell.ts";

interface Routes {
  readonly subnets: readonly {
    readonly prefix: string;
    readonly gateways: readonly { readonly name: string; readonly reached: boolean }[];
  }[];
}

export const FAILURES = ["kill", "freeze", "cut"] as const;
export type Failure = (typeof FAILURES)[number];

/** Pings of a gateway, one each 10 ms, and when their answers came. */
export class Pings {
  readonly #process: Bun.Subprocess<"ignore", "pipe", "ignore">;
  #answered: number[] = []; // ms, in order

  constructor(from: TestGateway, to: string) {
    const command = from.inside("ping", "-n", "-D", "-i", "0.01", to);
    this.#process = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "ignore" });
    void this.#read(new Lines(this.#process.stdout));
  }

  async #read(lines: Lines): Promise<void> {
    for (;;) {
      const line = await lines.next().catch(() => undefined);
      if (line === undefined) return;
      const time = /^\[([\d.]+)\] .* icmp_seq=\d+ ttl/.exec(line)?.[1];
      if (time !== undefined) this.#answered.push(1000 * Number(time));
    }
  }

  /** Resolves when so many more were answered. */
  async answers(count: number): Promise<void> {
    const wanted = this.#answered.length + count;
    await until(`${count} answers`, async () => (this.#answered.length >= wanted ? true : undefined), 60_000);
  }

  /** The longest time since the last call that passed between two answers, ms. */
  longestGap(): number {
    const times = this.#answered;
    this.#answered = times.slice(-1);
    return Math.max(0, ...times.slice(1).map((time, i) => time - (times[i] as number)));
  }

  async end(): Promise<void> {
    this.#process.kill();
    await this.#process.exited;
  }
}

export const PLACES = ["on a wire", "behind a relay"] as const;
export type Place = (typeof PLACES)[number];

export class Failover {
  readonly net: TestNet;
  readonly a: TestGateway;
  readonly #both: readonly [TestGateway, TestGateway];
  readonly #relay: TestGateway | undefined;
  #far: Lan | undefined;
  #host: Host | undefined;

  constructor(place: Place) {
    this.net = new TestNet("a", "b1", "b2", ...(place === "behind a relay" ? ["r"] : []));
    this.a = this.net.at("a");
    this.#both = [this.net.at("b1"), this.net.at("b2")];
    this.#relay = this.net.gateways[3];
  }

  get far(): Lan {
    if (!this.#far) throw new Error("it was not started");
    return this.#far;
  }

  async start(): Promise<void> {
    const between = this.#relay?.name ?? "a";
    const forJoining: [string, string][] = [
      ["r", "a"],
      ["a", "b1"],
      ["a", "b2"],
    ];
    await this.net.buildWires([between, "b1"], [between, "b2"], ...(this.#relay ? forJoining : []));
    const near = await Lan.of(this.net, 1);
    this.#far = await Lan.of(this.net, 2);
    await near.connect(this.a, 1);
    for (const [i, g] of this.#both.entries()) await this.far.connect(g, i + 1);
    this.#host = await this.far.host("there", 9);
    await this.a.json("init", "--name", "a");
    await this.a.start("--announce", near.v4);
    if (this.#relay) {
      await this.#join(this.#relay, "10.78.3.2");
      await this.#relay.start();
    }
    for (const [i, g] of this.#both.entries()) {
      await this.#join(g, this.#relay ? `10.78.${4 + i}.1` : `10.78.${1 + i}.1`, "--subnets", this.far.v4);
      await this.#run(g);
    }
    if (this.#relay) for (const wire of [4, 5]) await this.net.cut(wire);
    await this.untilReady();
  }

  /** By the first gateway's address there. */
  async #join(g: TestGateway, address: string, ...rights: readonly string[]): Promise<void> {
    const { token } = await this.a.json<{ token: string }>("invite", "--endpoint", `${address}:51820`, ...rights);
    await g.json("join", token, "--name", g.name);
  }

  #run(g: TestGateway): Promise<void> {
    return g.start("--announce", this.far.v4, "--masquerade");
  }

  async #gateways(): Promise<Routes["subnets"][number]["gateways"]> {
    const { subnets } = await this.a.json<Routes>("routes");
    return subnets.find((s) => s.prefix === this.far.v4)?.gateways ?? [];
  }

  /** Both are reached by the third, and answer it. */
  async untilReady(): Promise<void> {
    const reached = async (): Promise<true | undefined> => {
      const gateways = await this.#gateways();
      return gateways.length === 2 && gateways.every((g) => g.reached) ? true : undefined;
    };
    await until("both gateways", reached, 60_000);
    for (const g of this.#both) {
      const { address } = await g.json<{ address: string }>("status");
      const ping = this.a.inside("ping", "-6", "-c", "1", "-W", "1", address);
      await until(`an answer of ${g.name}`, async () => ((await run(ping)).code === 0 ? true : undefined), 60_000);
    }
  }

  /** The one that the third gateway sends to, as `trellis routes` says. */
  async inUse(): Promise<TestGateway> {
    const [first] = await this.#gateways();
    return this.net.at(first?.name ?? "-");
  }

  untilInUse(other: TestGateway): Promise<true> {
    return until(`${other.name} in use`, async () => ((await this.inUse()) === other ? true : undefined), 60_000);
  }

  otherThan(g: TestGateway): TestGateway {
    return this.#both[0] === g ? this.#both[1] : this.#both[0];
  }

  /** Pings of the host in the network. */
  pings(): Pings {
    return new Pings(this.a, this.far.at(9)[0]);
  }

  async fail(g: TestGateway, how: Failure): Promise<void> {
    if (how === "kill") await g.end("SIGKILL");
    else if (how === "freeze") freeze(g);
    else await this.net.cut(this.#wireOf(g));
  }

  async mend(g: TestGateway, how: Failure): Promise<void> {
    if (how === "kill") await this.#run(g);
    else if (how === "freeze") thaw(g);
    else await this.net.mend(this.#wireOf(g));
  }

  #wireOf(g: TestGateway): number {
    return this.#both.indexOf(g) + 1;
  }

  async remove(): Promise<void> {
    await this.#host?.remove();
    await this.net.remove();
  }
}
