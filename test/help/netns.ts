/**
 * Network namespaces for tests of the daemon: one per gateway, all on one bridge that lives in a namespace of its own,
 * and the daemons that run in them. The names carry this process's id, so that runs never meet.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must, PATIENCE, type Result, run, until as within } from "./shell.ts";
import { trellisLine } from "./trellis.ts";

const SWITCH = `trellis-t${process.pid}-switch`;

/** Asks until `ready` gives something; after a limit that only what hangs reaches, the error says what was waited for. */
export const until = <T>(what: string, ready: () => Promise<T | undefined>, limitMs = PATIENCE): Promise<T> =>
  within(what, limitMs, ready);

/** One gateway: a namespace with eth0 = 10.78.0.`index`/24, a state directory, and at most one daemon. */
export class TestGateway {
  readonly name: string;
  readonly namespace: string;
  readonly stateDir: string;
  readonly underlay: string;
  /** Of the daemons that are started from now on, beside our own. */
  readonly environment: Record<string, string> = {};
  #daemon: Bun.Subprocess | undefined;

  constructor(name: string, index: number, folder: string) {
    this.name = name;
    this.namespace = `trellis-t${process.pid}-${name}`;
    this.stateDir = join(folder, name);
    this.underlay = `10.78.0.${index}`;
  }

  /** The daemon's process, while one runs. */
  get pid(): number | undefined {
    return this.#daemon?.pid;
  }

  inside(...command: readonly string[]): string[] {
    return ["ip", "netns", "exec", this.namespace, ...command];
  }

  trellis(...args: readonly string[]): Promise<Result> {
    return run(this.inside(...trellisLine(this.stateDir, ...args)));
  }

  /** The JSON that a command which must succeed prints. */
  async json<T>(...args: readonly string[]): Promise<T> {
    const { code, stdout, stderr } = await this.trellis("--json", ...args);
    if (code !== 0) throw new Error(`${this.name}: trellis ${args.join(" ")} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  /** Starts the daemon; resolves when it answers `status`. */
  async start(...args: readonly string[]): Promise<void> {
    this.spawn(...args);
    await this.untilReady();
  }

  /** Starts the daemon. */
  spawn(...args: readonly string[]): void {
    const log = Bun.file(`${this.stateDir}.log`);
    const line = trellisLine(this.stateDir, "--log-level", "debug", "run", ...args);
    const env = { ...process.env, ...this.environment };
    this.#daemon = Bun.spawn(this.inside(...line), { stdin: "ignore", stdout: log, stderr: log, env });
  }

  /** Resolves when the daemon answers `status`. */
  async untilReady(): Promise<void> {
    await until(`the daemon of ${this.name}`, async () => {
      if (this.#daemon?.exitCode !== null)
        throw new Error(`the daemon of ${this.name} ended: ${await Bun.file(`${this.stateDir}.log`).text()}`);
      return (await this.trellis("status")).code === 0 ? true : undefined;
    });
  }

  /** Ends the daemon by a signal and waits until it is gone. */
  async end(signal: "SIGTERM" | "SIGKILL" | "SIGUSR2"): Promise<number | undefined> {
    this.#daemon?.kill(signal);
    return await this.ended();
  }

  /** The exit code once the daemon is gone; undefined when none was started. */
  async ended(): Promise<number | undefined> {
    return await this.#daemon?.exited;
  }

  /** What `trellis ping` says once the daemon of another has answered: that there is a way one end may know before the other. */
  untilAnswered(name: string): Promise<unknown> {
    return until(`an answer of ${name} to ${this.name}`, async () => {
      const { code, stdout } = await this.trellis("--json", "ping", name, "-c", "1");
      return code === 0 ? JSON.parse(stdout) : undefined;
    });
  }

  /** Until the kernel calls its devices running, up to a second after they have come up: an invite names no address of others. */
  untilRunning(): Promise<true> {
    return until(`the devices of ${this.name}`, async () => {
      const links = JSON.parse(await must(this.inside("ip", "-json", "link"))) as { operstate: string }[];
      return links.every((l) => l.operstate !== "DOWN") ? true : undefined;
    });
  }

  async devices(): Promise<string[]> {
    const links = JSON.parse(await must(this.inside("ip", "-json", "link"))) as { ifname: string }[];
    return links.map((l) => l.ifname);
  }
}

export class TestNet {
  readonly folder = mkdtempSync(join(tmpdir(), "trellis-netns-"));
  readonly gateways: readonly TestGateway[];

  constructor(...names: readonly string[]) {
    this.gateways = names.map((name, i) => new TestGateway(name, i + 1, this.folder));
  }

  async build(): Promise<void> {
    await must(["ip", "netns", "add", SWITCH]);
    await must(["ip", "-n", SWITCH, "link", "add", "br0", "type", "bridge"]);
    await must(["ip", "-n", SWITCH, "link", "set", "br0", "up"]);
    for (const [i, g] of this.gateways.entries()) {
      const ns = g.namespace;
      await must(["ip", "netns", "add", ns]);
      await this.#plug(`port${i}`, ns);
      await must(["ip", "-n", ns, "address", "add", `${g.underlay}/24`, "dev", "eth0"]);
      await must(["ip", "-n", ns, "link", "set", "lo", "up"]);
      await must(["ip", "-n", ns, "link", "set", "eth0", "up"]);
    }
    for (const g of this.gateways) await g.untilRunning();
  }

  /** A new `eth0` on the bridge, in place of one that was deleted: down, and without an address. */
  replug(gateway: TestGateway): Promise<void> {
    return this.#plug(`port${this.gateways.indexOf(gateway)}`, gateway.namespace);
  }

  async #plug(port: string, ns: string): Promise<void> {
    await must(["ip", "-n", SWITCH, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", ns]);
    await must(["ip", "-n", SWITCH, "link", "set", port, "master", "br0", "up"]);
  }

  /**
   * Wires instead, each between two gateways by name, and nobody forwards IP: who is further away is reached through the mesh only.
   * The nth wire is 10.78.n.1 at the first and 10.78.n.2 at the second, on a device named after the other end.
   */
  async buildWires(...wires: readonly (readonly [string, string])[]): Promise<void> {
    await must(["ip", "netns", "add", SWITCH]);
    for (const g of this.gateways) {
      await must(["ip", "netns", "add", g.namespace]);
      await must(["ip", "-n", g.namespace, "link", "set", "lo", "up"]);
    }
    for (const [i, wire] of wires.entries()) {
      const bridge = `wire${i + 1}`;
      await must(["ip", "-n", SWITCH, "link", "add", bridge, "type", "bridge", "mcast_snooping", "0"]);
      await must(["ip", "-n", SWITCH, "link", "set", bridge, "up"]);
      for (const [end, name] of wire.entries()) {
        const { namespace } = this.at(name);
        const device = `to-${wire[1 - end]}`;
        const port = `${bridge}-${end + 1}`;
        const address = `10.78.${i + 1}.${end + 1}/24`;
        await must([
          ...["ip", "-n", SWITCH, "link", "add", port, "type", "veth"],
          ...["peer", "name", device, "netns", namespace],
        ]);
        await must(["ip", "-n", SWITCH, "link", "set", port, "master", bridge, "up"]);
        await must(["ip", "-n", namespace, "address", "add", address, "dev", device]);
        await must(["ip", "-n", namespace, "link", "set", device, "up"]);
      }
    }
    for (const g of this.gateways) await g.untilRunning();
  }

  at(name: string): TestGateway {
    const found = this.gateways.find((g) => g.name === name);
    if (!found) throw new Error(`no gateway ${name}`);
    return found;
  }

  /** The nth wire carries nothing any more, and neither end is told; `mend` undoes it. */
  cut(wire: number): Promise<string> {
    return must(["ip", "-n", SWITCH, "link", "set", `wire${wire}-1`, "nomaster"]);
  }

  mend(wire: number): Promise<string> {
    return must(["ip", "-n", SWITCH, "link", "set", `wire${wire}-1`, "master", `wire${wire}`]);
  }

  /** A command where the wires are: the devices there are `wireN-1` and `wireN-2`, towards the first and the second gateway. */
  onWires(...command: readonly string[]): string[] {
    return ["ip", "netns", "exec", SWITCH, ...command];
  }

  async remove(): Promise<void> {
    for (const g of this.gateways) await g.end("SIGKILL");
    for (const ns of [SWITCH, ...this.gateways.map((g) => g.namespace)]) await run(["ip", "netns", "delete", ns]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
