/**
 * Network namespaces for tests of the daemon: one per gateway, all on one bridge that lives in a namespace of its own,
 * and the daemons that run in them. The names carry this process's id, so that runs never meet.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { must, type Result, run, until as within } from "./shell.ts";

const ROOT = join(import.meta.dir, "../..");
const SWITCH = `trellis-t${process.pid}-switch`;

/** Asks until `ready` gives something; after 20 s the error says what was waited for. */
export const until = <T>(what: string, ready: () => Promise<T | undefined>, limitMs = 20_000): Promise<T> =>
  within(what, limitMs, ready);

/** One gateway: a namespace with eth0 = 10.78.0.`index`/24, a state directory, and at most one daemon. */
export class TestGateway {
  readonly name: string;
  readonly namespace: string;
  readonly stateDir: string;
  readonly underlay: string;
  #daemon: Bun.Subprocess | undefined;

  constructor(name: string, index: number, folder: string) {
    this.name = name;
    this.namespace = `trellis-t${process.pid}-${name}`;
    this.stateDir = join(folder, name);
    this.underlay = `10.78.0.${index}`;
  }

  inside(...command: readonly string[]): string[] {
    return ["ip", "netns", "exec", this.namespace, ...command];
  }

  trellis(...args: readonly string[]): Promise<Result> {
    return run(
      this.inside(
        process.execPath,
        join(ROOT, "runtime/main.ts"),
        "--config",
        "/dev/null",
        "--state-dir",
        this.stateDir,
        ...args,
      ),
    );
  }

  /** The JSON that a command which must succeed prints. */
  async json<T>(...args: readonly string[]): Promise<T> {
    const { code, stdout, stderr } = await this.trellis("--json", ...args);
    if (code !== 0) throw new Error(`${this.name}: trellis ${args.join(" ")} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  /** Starts the daemon; resolves when it answers `status`. */
  async start(...args: readonly string[]): Promise<void> {
    const log = Bun.file(`${this.stateDir}.log`);
    const main = join(ROOT, "runtime/main.ts");
    const daemon = Bun.spawn(
      this.inside(
        process.execPath,
        main,
        "--config",
        "/dev/null",
        "--state-dir",
        this.stateDir,
        "--log-level",
        "debug",
        "run",
        ...args,
      ),
      { stdin: "ignore", stdout: log, stderr: log },
    );
    this.#daemon = daemon;
    await until(`the daemon of ${this.name}`, async () => {
      if (daemon.exitCode !== null) throw new Error(`the daemon of ${this.name} ended: ${await log.text()}`);
      return (await this.trellis("status")).code === 0 ? true : undefined;
    });
  }

  /** Ends the daemon by a signal and waits until it is gone. */
  async end(signal: "SIGTERM" | "SIGKILL"): Promise<number | undefined> {
    this.#daemon?.kill(signal);
    return await this.ended();
  }

  /** The exit code once the daemon is gone; undefined when none was started. */
  async ended(): Promise<number | undefined> {
    return await this.#daemon?.exited;
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
      const port = `port${i}`;
      await must(["ip", "netns", "add", ns]);
      await must(["ip", "-n", SWITCH, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", ns]);
      await must(["ip", "-n", SWITCH, "link", "set", port, "master", "br0", "up"]);
      await must(["ip", "-n", ns, "address", "add", `${g.underlay}/24`, "dev", "eth0"]);
      await must(["ip", "-n", ns, "link", "set", "lo", "up"]);
      await must(["ip", "-n", ns, "link", "set", "eth0", "up"]);
    }
    for (const g of this.gateways) await g.untilRunning();
  }

  /**
   * A line instead: gateway i has `right` = 10.78.i.1/24 (from 1), its neighbour `left` = 10.78.i.2/24, and nobody forwards
   * IP: whoever is further away is reached through the mesh only.
   */
  async buildLine(): Promise<void> {
    for (const g of this.gateways) {
      await must(["ip", "netns", "add", g.namespace]);
      await must(["ip", "-n", g.namespace, "link", "set", "lo", "up"]);
    }
    for (const [i, g] of this.gateways.slice(0, -1).entries()) {
      const next = (this.gateways[i + 1] as TestGateway).namespace;
      const pair = ["type", "veth", "peer", "name", "left", "netns", next];
      await must(["ip", "-n", g.namespace, "link", "add", "right", ...pair]);
      for (const [ns, device, last] of [
        [g.namespace, "right", 1],
        [next, "left", 2],
      ] as const) {
        await must(["ip", "-n", ns, "address", "add", `10.78.${i + 1}.${last}/24`, "dev", device]);
        await must(["ip", "-n", ns, "link", "set", device, "up"]);
      }
    }
    for (const g of this.gateways) await g.untilRunning();
  }

  async remove(): Promise<void> {
    for (const g of this.gateways) await g.end("SIGKILL");
    for (const ns of [SWITCH, ...this.gateways.map((g) => g.namespace)]) await run(["ip", "netns", "delete", ns]);
    rmSync(this.folder, { recursive: true, force: true });
  }
}
