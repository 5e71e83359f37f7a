/**
 * Four gateways with real daemons, two ways from one end to the other, and a flow between the ends:
 *
 *        ┌─1─ r ─3─┐
 *      a ┤    5    ├ b      the numbers are those of the wires
 *        └─2─ s ─4─┘
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Arrivals } from "./flow.ts";
import { Lines } from "./lines.ts";
import { type TestGateway, TestNet, until } from "./netns.ts";
import { must } from "./shell.ts";

const FLOW = join(import.meta.dir, "flow.ts");
const REPLAY = join(import.meta.dir, "replay.cc");
const OUT = join(import.meta.dir, "../../build/test-help");
const PORT = "9000";

interface Peer {
  readonly name: string;
  readonly state: string;
  readonly endpoint: string | null;
  readonly via: string | null;
}

/** The relay that a flow takes, and the wire from it to b; the other relay. */
export interface Way {
  readonly relay: TestGateway;
  readonly wire: number;
  readonly other: TestGateway;
}

export class Diamond {
  readonly net = new TestNet("a", "r", "s", "b");
  #send: Bun.Subprocess | undefined;
  #receive: Bun.Subprocess<"pipe", "pipe"> | undefined;
  #lines: Lines | undefined;

  at = (name: "a" | "r" | "s" | "b"): TestGateway => this.net.at(name);

  peers = async (on: TestGateway): Promise<Peer[]> => (await on.json<{ peers: Peer[] }>("peers")).peers;

  /** `options`: for `trellis run`. Resolves when every wire carries a session. */
  async start(options: Partial<Record<"a" | "r" | "s" | "b", readonly string[]>> = {}): Promise<void> {
    await this.net.buildWires(["a", "r"], ["a", "s"], ["r", "b"], ["s", "b"], ["r", "s"]);
    const r = this.at("r");
    await r.json("init", "--name", "r");
    await r.start(...(options.r ?? []));
    for (const name of ["a", "s", "b"] as const) {
      const { token } = await r.json<{ token: string }>("invite");
      await this.at(name).json("join", token, "--name", name);
      await this.at(name).start(...(options[name] ?? []));
    }
    const neighbours = { a: 2, r: 3, s: 3, b: 2 } as const;
    await until("a session on every wire", async () => {
      for (const name of ["a", "r", "s", "b"] as const) {
        const direct = (await this.peers(this.at(name))).filter((p) => p.state === "up" && p.endpoint !== null);
        if (direct.length < neighbours[name]) return undefined;
      }
      return true;
    });
  }

  async way(): Promise<Way> {
    const via = (await this.peers(this.at("a"))).find((p) => p.name === "b")?.via;
    const [relay, other] = via === "r" ? [this.at("r"), this.at("s")] : [this.at("s"), this.at("r")];
    return { relay, other, wire: relay.name === "r" ? 3 : 4 };
  }

  /** From a to b, packets a second; resolves when it arrives. */
  async flow(rate: number): Promise<void> {
    const { address } = await this.at("b").json<{ address: string }>("status");
    const receive = this.at("b").inside(process.execPath, FLOW, "receive", PORT);
    this.#receive = Bun.spawn(receive, { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    this.#lines = new Lines(this.#receive.stdout);
    const send = this.at("a").inside(process.execPath, FLOW, "send", address, PORT, String(rate));
    this.#send = Bun.spawn(send, { stdin: "ignore", stdout: "ignore", stderr: "inherit" });
    await until("the flow", async () => ((await this.arrived()).received > 0 ? true : undefined));
  }

  /** What has arrived since this was last asked. */
  async arrived(): Promise<Arrivals> {
    this.#receive?.stdin.write("\n");
    await this.#receive?.stdin.flush();
    return JSON.parse((await this.#lines?.next()) ?? "null") as Arrivals;
  }

  async remove(): Promise<void> {
    for (const program of [this.#send, this.#receive]) program?.kill();
    for (const name of ["r", "s"] as const) thaw(this.at(name));
    await this.net.remove();
  }
}

export const freeze = (gateway: TestGateway): void => void process.kill(gateway.pid as number, "SIGSTOP");

export function thaw(gateway: TestGateway): void {
  if (gateway.pid !== undefined) process.kill(gateway.pid, "SIGCONT");
}

/** Records what comes to a relay over a wire, and plays it to it again. */
export class Replay {
  readonly #process: Bun.Subprocess<"pipe", "pipe">;
  readonly #lines: Lines;

  private constructor(process: Bun.Subprocess<"pipe", "pipe">) {
    this.#process = process;
    this.#lines = new Lines(process.stdout);
  }

  /** Keeps the last `count` frames; `way` says whose. */
  static async record(net: TestNet, { wire }: Way, count: number, rate: number): Promise<Replay> {
    mkdirSync(OUT, { recursive: true });
    const program = join(OUT, "replay");
    await must(["g++", "-std=c++20", "-O2", REPLAY, "-o", program]);
    const command = net.onWires(program, `wire${wire}-1`, String(count), String(rate));
    const replay = new Replay(Bun.spawn(command, { stdin: "pipe", stdout: "pipe", stderr: "inherit" }));
    await replay.#lines.next(); // "recording"
    return replay;
  }

  /** From now on, until `end`. */
  play(): void {
    this.#process.stdin.write("play\n");
    this.#process.stdin.flush();
  }

  /** Gives how many frames were played. */
  async end(): Promise<number> {
    this.#process.stdin.end();
    return Number(await this.#lines.next());
  }
}
