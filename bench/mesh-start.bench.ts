/**
 * How long gateways on one link need until packets pass: `bun bench/mesh-start.bench.ts [--rounds N] [--json FILE]`, as root.
 *
 * Method. Gateways with real daemons in namespaces on one bridge; they know each other's certificates. A program in each of them asks the
 * others by UDP through the overlay, every 2 ms (of ten every 10 ms another one), and notes when the first answer came; it runs before the
 * daemons start. All on one machine, so daemons that start together share its cores. Medians over the rounds.
 *
 *   pair/known     one runs; the other is started and knows from before where that one is. From its "gateway is up" to its first answer,
 *                  and `-process`: from the start of its process
 *   pair/beacon    the same, but both have other addresses than those they know of each other: beacons bring them together
 *   ten/all        ten that know no address start at the same moment: from the first start of a process until every one of them
 *                  has had an answer of every other; `-up`: from the moment when the last of them was up; `cpu`: what the ten
 *                  daemons had used by then, which tells more than time where ten machines are two cores
 */
import { existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { acquaint, elsewhere, type Renumber } from "../test/help/acquainted.ts";
import { Lines } from "../test/help/lines.ts";
import { type TestGateway, TestNet } from "../test/help/netns.ts";
import { able } from "../test/help/require.ts";
import { must } from "../test/help/shell.ts";
import { median, show } from "./rounds.ts";
import type { Row } from "./table.ts";

const ECHO = join(import.meta.dir, "../build/bench/echo");
const { values } = parseArgs({ options: { rounds: { type: "string", default: "7" }, json: { type: "string" } } });
const rounds = Number(values.rounds);

const now = (): number => performance.timeOrigin + performance.now();
const inPlace: Renumber = () => [];

/** Asks the others from within a gateway. */
class Asker {
  readonly #process: Bun.Subprocess<"ignore", "pipe", "inherit">;
  readonly #lines: Lines;

  /** Every so many ms another one. */
  constructor(g: TestGateway, pause: number, others: readonly string[]) {
    const command = g.inside(ECHO, String(pause), ...others);
    this.#process = Bun.spawn(command, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
    this.#lines = new Lines(this.#process.stdout);
  }

  /** When the last of so many had answered. */
  async answered(count: number): Promise<number> {
    let at = 0;
    for (let i = 0; i < count; i++) at = Number((await this.#lines.next()).split(" ")[1]);
    return at;
  }

  async end(): Promise<void> {
    this.#process.kill();
    await this.#process.exited;
  }
}

/** Starts its daemon; gives when its log says that it is up, to so many ms. */
async function up(g: TestGateway, pause: number): Promise<number> {
  const log = `${g.stateDir}.log`;
  rmSync(log, { force: true });
  g.spawn();
  for (;;) {
    if (existsSync(log) && readFileSync(log, "utf8").includes("gateway is up")) return now();
    await Bun.sleep(pause);
  }
}

/** Seconds of CPU time that its daemon has used. */
function cpuOf(g: TestGateway): number {
  const [, fields = ""] = readFileSync(`/proc/${g.pid}/stat`, "utf8").split(") ");
  const [user, system] = fields.split(" ").slice(11, 13).map(Number);
  return ((user ?? 0) + (system ?? 0)) / 100;
}

/** Milliseconds from the daemon's being up, and from its start, to the first answer. */
async function pair(renumber: Renumber): Promise<readonly [number[], number[]]> {
  const net = new TestNet("a", "b");
  const [a, b] = net.gateways as [TestGateway, TestGateway];
  const [fromUp, fromStart]: [number[], number[]] = [[], []];
  try {
    const addresses = await acquaint(net, renumber);
    const answering = new Asker(a, 2, []);
    await a.start();
    for (let round = 0; round < rounds; round++) {
      const asker = new Asker(b, 2, addresses.slice(0, 1));
      await Bun.sleep(500); // it is awake, and a has nothing left to do
      const start = now();
      const [ready, answered] = await Promise.all([up(b, 2), asker.answered(1)]);
      fromUp.push(Math.max(0, answered - ready));
      fromStart.push(answered - start);
      await asker.end();
      await b.end("SIGTERM");
    }
    await answering.end();
  } finally {
    await net.remove();
  }
  return [fromUp, fromStart];
}

async function ten(): Promise<readonly [number[], number[], number[]]> {
  const net = new TestNet(..."abcdefghij");
  const [fromUp, fromStart, cpu]: [number[], number[], number[]] = [[], [], []];
  try {
    const addresses = await acquaint(net);
    for (let round = 0; round < rounds; round++) {
      const askers = net.gateways.map(
        (g, i) =>
          new Asker(
            g,
            10,
            addresses.filter((_, j) => j !== i),
          ),
      );
      await Bun.sleep(2000);
      const start = now();
      const starting = Promise.all(net.gateways.map((g) => up(g, 50)));
      const answered = Math.max(...(await Promise.all(askers.map((asker) => asker.answered(addresses.length - 1)))));
      fromUp.push(Math.max(0, answered - Math.max(...(await starting))));
      fromStart.push(answered - start);
      cpu.push(net.gateways.reduce((sum, g) => sum + cpuOf(g), 0));
      for (const asker of askers) await asker.end();
      for (const g of net.gateways) await g.end("SIGTERM");
    }
  } finally {
    await net.remove();
  }
  return [fromUp, fromStart, cpu];
}

async function main(): Promise<void> {
  if (!able("bench/mesh-start.bench.ts", "root", "tun", "netns", "addon", "command:ip", "command:g++")) return;
  mkdirSync(dirname(ECHO), { recursive: true });
  await must(["g++", "-std=c++20", "-O2", join(import.meta.dir, "echo.cc"), "-o", ECHO]);
  const rows: Row[] = [];
  const note = (id: string, figures: readonly number[], unit = "ms"): void => {
    const row = { id: `mesh-start/${id}`, value: median(figures), unit };
    rows.push(row);
    console.log(`${show(row)}   (${figures.map((v) => v.toPrecision(3)).join(", ")})`);
  };
  for (const [name, renumber] of [
    ["known", inPlace],
    ["beacon", elsewhere],
  ] as const) {
    const [fromUp, fromStart] = await pair(renumber);
    note(`pair/${name}`, fromUp);
    note(`pair/${name}-process`, fromStart);
  }
  const [fromUp, fromStart, cpu] = await ten();
  note("ten/all-up", fromUp);
  note("ten/all", fromStart);
  note("ten/cpu", cpu, "s");
  if (values.json) await Bun.write(values.json, JSON.stringify(rows));
}

await main();
process.exit(0);
