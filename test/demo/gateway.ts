/** One gateway of the demo: its state directory, its namespace (if any) and the daemon running in it. */
import { join } from "node:path";
import { must, PATIENCE, type Result, run, until } from "../help/shell.ts";
import { trellisLine } from "../help/trellis.ts";

export interface Status {
  readonly name: string;
  readonly address: string;
  readonly device?: string;
  readonly dataPlane: string;
  readonly provider: string;
  readonly port: number;
}

export class Gateway {
  readonly name: string;
  readonly stateDir: string;
  readonly namespace: string | undefined;
  #daemon: Bun.Subprocess | undefined;

  constructor(name: string, base: string, namespace: string | undefined) {
    this.name = name;
    this.stateDir = join(base, name);
    this.namespace = namespace;
  }

  /** The command line of any program inside this gateway. */
  inside(command: readonly string[]): string[] {
    return this.namespace ? ["ip", "netns", "exec", this.namespace, ...command] : [...command];
  }

  trellisCommand(...args: readonly string[]): string[] {
    return this.inside(trellisLine(this.stateDir, ...args));
  }

  trellis(...args: readonly string[]): Promise<Result> {
    return run(this.trellisCommand(...args));
  }

  async json<T>(...args: readonly string[]): Promise<T> {
    return JSON.parse(await must(this.trellisCommand("--json", ...args))) as T;
  }

  start(...args: readonly string[]): void {
    const log = Bun.file(`${this.stateDir}.log`);
    const quiet = this.namespace ? [] : ["--no-discovery"]; // nothing leaves this machine
    this.#daemon = Bun.spawn(this.trellisCommand("run", ...quiet, ...args), {
      stdin: "ignore",
      stdout: log,
      stderr: log,
    });
  }

  /** The daemon's status once it answers. */
  ready(): Promise<Status> {
    return until(`gateway ${this.name} (its log: ${this.stateDir}.log)`, PATIENCE, async () => {
      if (this.#daemon && this.#daemon.exitCode !== null) {
        throw new Error(`gateway ${this.name} stopped: ${(await Bun.file(`${this.stateDir}.log`).text()).trim()}`);
      }
      const answer = await this.trellis("--json", "status");
      return answer.code === 0 ? (JSON.parse(answer.stdout) as Status) : undefined;
    });
  }

  async stop(): Promise<void> {
    if (!this.#daemon || this.#daemon.exitCode !== null) return;
    this.#daemon.kill("SIGTERM");
    await Promise.race([this.#daemon.exited, Bun.sleep(5000)]);
    if (this.#daemon.exitCode === null) this.#daemon.kill("SIGKILL");
    await this.#daemon.exited;
  }
}
