/** Gateways without a tunnel, on loopback: for tests of the daemon that need neither root nor a namespace. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PATIENCE, type Result, run, until } from "./shell.ts";
import { trellisLine } from "./trellis.ts";

export class LoopbackGateway {
  readonly stateDir: string;
  /** What the daemon is started with beside our own. */
  readonly environment: Record<string, string> = {};
  #daemon: Bun.Subprocess<"ignore", "pipe", "pipe"> | undefined;

  constructor(stateDir: string) {
    this.stateDir = stateDir;
  }

  /** The daemon's process, while one runs. */
  get pid(): number | undefined {
    return this.#daemon?.pid;
  }

  /** Nothing leaves the machine: beacons would. */
  line(...args: readonly string[]): string[] {
    const quiet = ["TRELLIS_DISCOVERY=false", "TRELLIS_MQTT=off"]; // one port for all of them
    return ["env", ...quiet, ...trellisLine(this.stateDir, ...args)];
  }

  trellis(...args: readonly string[]): Promise<Result> {
    return run(this.line(...args));
  }

  /** The JSON that a command which must succeed prints. */
  async json<T>(...args: readonly string[]): Promise<T> {
    const { code, stdout, stderr } = await this.trellis("--json", ...args);
    if (code !== 0) throw new Error(`trellis ${args.join(" ")} ended with ${code}: ${stderr}`);
    return JSON.parse(stdout) as T;
  }

  /** The code of the error with which a command must end. */
  async refusal(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.trellis("--json", ...args);
    if (code === 0) throw new Error(`trellis ${args.join(" ")} was accepted: ${stdout}`);
    return (JSON.parse(stderr) as { error: { code: string } }).error.code;
  }

  /** Starts the daemon on a port that the kernel chooses; resolves when it answers. */
  async start(...args: readonly string[]): Promise<void> {
    const daemon = Bun.spawn(this.line("run", "--no-device", "--port", "0", ...args), {
      env: { ...process.env, ...this.environment },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#daemon = daemon;
    await until(`the daemon of ${this.stateDir}`, PATIENCE, async () => {
      if (daemon.exitCode !== null) throw new Error(`it ended: ${await new Response(daemon.stderr).text()}`);
      return (await this.trellis("status")).code === 0 ? true : undefined;
    });
  }

  /** A token that leads to this daemon's port on loopback. */
  async invite(...args: readonly string[]): Promise<string> {
    const { port } = await this.json<{ port: number }>("status");
    return (await this.json<{ token: string }>("invite", "--endpoint", `127.0.0.1:${port}`, ...args)).token;
  }

  /** Waits until this daemon has a session with each of these members, and knows no others. */
  async untilUp(...names: readonly string[]): Promise<void> {
    await until(`sessions with ${names.join(", ")}`, PATIENCE, async () => {
      const { peers } = await this.json<{ peers: { name: string; state: string }[] }>("peers");
      const up = peers.filter((p) => p.state === "up").map((p) => p.name);
      return up.sort().join() === [...names].sort().join() ? true : undefined;
    });
  }

  async end(signal: "SIGTERM" | "SIGKILL" = "SIGTERM"): Promise<number | undefined> {
    this.#daemon?.kill(signal);
    return await this.#daemon?.exited;
  }
}

/** A folder with gateways in it. */
export class Loopback {
  readonly folder = mkdtempSync(join(tmpdir(), "trellis-loopback-"));
  readonly #gateways: LoopbackGateway[] = [];

  gateway(name: string): LoopbackGateway {
    const made = new LoopbackGateway(join(this.folder, name));
    this.#gateways.push(made);
    return made;
  }

  async remove(): Promise<void> {
    for (const gateway of this.#gateways) await gateway.end("SIGKILL");
    rmSync(this.folder, { recursive: true, force: true });
  }
}
