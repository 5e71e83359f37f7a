/** Three gateways with real daemons in a row, a ─ e ─ b: what a sends to b goes through e, and nowhere else. */
import { join } from "node:path";
import type { Arrivals } from "./flow.ts";
import { Lines } from "./lines.ts";
import { type TestGateway, TestNet, until } from "./netns.ts";

const FLOW = join(import.meta.dir, "flow.ts");
const PORT = 7000;
const RATE = 1_000; // datagrams a second

interface Peers {
  readonly peers: readonly { readonly name: string; readonly state: string; readonly via: string | null }[];
}

/** Numbered datagrams of 64 bytes, `RATE` a second. */
export class Flow {
  readonly #sender: Bun.Subprocess<"ignore", "ignore", "inherit">;
  readonly #receiver: Bun.Subprocess<"pipe", "pipe", "inherit">;
  readonly #lines: Lines;

  constructor(from: TestGateway, to: TestGateway, address: string) {
    const program = (...args: readonly string[]): string[] => [process.execPath, FLOW, ...args];
    this.#receiver = Bun.spawn(to.inside(...program("receive", String(PORT))), { stdin: "pipe", stdout: "pipe" });
    this.#sender = Bun.spawn(from.inside(...program("send", address, String(PORT), String(RATE))), {
      stdin: "ignore",
      stdout: "ignore",
    });
    this.#lines = new Lines(this.#receiver.stdout);
  }

  /** Since the last call. */
  async arrivals(): Promise<Arrivals> {
    this.#receiver.stdin.write("\n");
    this.#receiver.stdin.flush();
    return JSON.parse(await this.#lines.next()) as Arrivals;
  }

  /** Resolves when so many more have come. */
  async more(count: number): Promise<Arrivals> {
    const sum = { received: 0, lost: 0, longestGap: 0, longestPause: 0 };
    await until(`${count} datagrams`, async () => {
      const { received, lost, longestGap, longestPause } = await this.arrivals();
      sum.received += received;
      sum.lost += lost;
      sum.longestGap = Math.max(sum.longestGap, longestGap);
      sum.longestPause = Math.max(sum.longestPause, longestPause);
      return sum.received >= count ? true : undefined;
    });
    return sum;
  }

  async end(): Promise<void> {
    this.#sender.kill();
    this.#receiver.kill();
    await Promise.all([this.#sender.exited, this.#receiver.exited]);
  }
}

export class RelayedPair {
  readonly net = new TestNet("a", "e", "b");
  readonly a: TestGateway = this.net.at("a");
  readonly e: TestGateway = this.net.at("e");
  readonly b: TestGateway = this.net.at("b");

  async start(): Promise<void> {
    await this.net.buildWires(["a", "e"], ["e", "b"]);
    await this.e.json("init", "--name", "e");
    await this.e.start();
    for (const end of [this.a, this.b]) {
      const { token } = await this.e.json<{ token: string }>("invite");
      await end.json("join", token, "--name", end.name);
      await end.start();
    }
    await until("a way through e", async () => ((await this.isWhole()) ? true : undefined), 60_000);
  }

  /** Whether a and b have a session, and e sessions with both. */
  async isWhole(): Promise<boolean> {
    const [ofA, ofE] = [await this.a.json<Peers>("peers"), await this.e.json<Peers>("peers")];
    const b = ofA.peers.find((peer) => peer.name === "b");
    return b?.state === "up" && b.via === "e" && ofE.peers.every((peer) => peer.state === "up");
  }

  async flow(): Promise<Flow> {
    const { address } = await this.b.json<{ address: string }>("status");
    return new Flow(this.a, this.b, address);
  }

  /** The daemon in the middle ends, and comes back. */
  async restart(signal: "SIGKILL" | "SIGUSR2", between: () => Promise<unknown>): Promise<void> {
    await this.e.end(signal);
    await between();
    this.e.spawn();
    await this.e.untilReady();
    await until("e's neighbours", async () => ((await this.isWhole()) ? true : undefined), 60_000);
  }

  remove(): Promise<void> {
    return this.net.remove();
  }
}
