import { expect, test } from "bun:test";
import { readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { seededNumber } from "../help/seeded.ts";
import type { SimProviderName } from "../help/sim-providers.ts";
import { Adversary } from "./adversary.ts";
import type { Report } from "./report.ts";
import { scenario } from "./scenario.ts";
import { sessions, settle, type TopologyName } from "./topology.ts";
import { World } from "./world.ts";

/** A world with everything in it that draws: clocks, loss, keys, topology, somebody on the wire, a crash, a move. */
async function eventful(seed: string, provider: SimProviderName): Promise<World> {
  const world = await World.create(seed, { provider, loss: 15, drift: 300 });
  new Adversary(world, seededNumber(`${seed}/adversary`)).meddle(["flip"], 20, 1, 10);
  const { world: w } = await settle({ world, topology: "random", count: 5, knows: "neighbours" });
  w.load = { every: 200, bytes: 300 };
  await w.run(20_000);
  const [a, b] = w.gateways;
  if (!a || !b) throw new Error("no gateways");
  w.crash(a);
  w.move(b, { address: "10.9.9.9", port: 9 });
  await w.run(10_000);
  await w.start(a);
  await w.run(20_000);
  return w;
}

test.each(["seeded", "stand-in"] as const)(
  "one seed gives one run: every time, address and byte (%s)",
  async (provider) => {
    const [first, second, other] = [
      await eventful("one", provider),
      await eventful("one", provider),
      await eventful("other", provider),
    ];
    expect(second.trace.hash).toBe(first.trace.hash);
    expect(second.trace.events).toBe(first.trace.events);
    expect(first.trace.events).toBeGreaterThan(1000);
    expect(other.trace.hash).not.toBe(first.trace.hash);
  },
);

test("both real providers give the same run, byte by byte", async () => {
  expect((await eventful("both", "noble")).trace.hash).toBe((await eventful("both", "seeded")).trace.hash);
});

test("the native provider draws keys of its own, and says so", async () => {
  const [first, second] = [await eventful("own", "native"), await eventful("own", "native")];
  expect(second.trace.hash).not.toBe(first.trace.hash);
  expect(first.provider.reproducible).toBe(false);
});

/** The command line, as the Justfile's recipe runs it. */
function sim(args: readonly string[]): { readonly code: number; readonly out: string; readonly err: string } {
  const { stdout, stderr, exitCode } = Bun.spawnSync([process.execPath, "test/sim/run.ts", ...args]);
  return { code: exitCode, out: stdout.toString(), err: stderr.toString() };
}

/** Arguments of the `just sim` command that a failure printed. */
const printed = (text: string): string[] => /just sim (--.+)/.exec(text)?.[1]?.split(" ") ?? [];
const traces = (text: string): string[] =>
  [...text.matchAll(/trace +([0-9a-f]{64} over [\d,]+ events)/g)].map((m) => m[1] ?? "");

test("a scenario that fails prints the command that gives exactly the same failure again", () => {
  const { stderr, exitCode } = Bun.spawnSync([process.execPath, "test", "./test/sim/planted.ts"]);
  const failed = stderr.toString();
  expect(exitCode).toBe(1);
  const command = printed(failed);
  expect(command).toEqual(["--scenario", "planted/late", "--seed", expect.stringMatching(/^[123]$/)]);
  const again = sim(command);
  expect(again.code).toBe(1);
  expect(traces(failed)).toContain(traces(again.err)[0] as string);
  expect(printed(again.err)).toEqual(command);
  const measured = /Received: (\d+)/;
  expect(failed).toContain(measured.exec(again.err)?.[0] as string);
});

test("a mesh that fails prints the command that gives exactly the same failure again", () => {
  const first = sim(["--gateways", "5", "--hours", "0.00001", "--seed", "planted", "--loss", "50"]);
  expect(first.code).toBe(1);
  const again = sim(printed(first.err));
  expect(again.code).toBe(1);
  expect(again.err).toBe(first.err);
  expect(traces(again.out)).toHaveLength(1);
  expect(traces(again.out)).toEqual(traces(first.out));
});

test("just sim reports a mesh as JSON, and writes every event where it is told", () => {
  const file = join(tmpdir(), `trellis-trace-${process.pid}`);
  try {
    const args = ["--gateways", "6", "--hours", "0.005", "--topology", "grid", "--provider", "stand-in"];
    const { code, out, err } = sim([...args, "--json", "--trace", file]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const report = JSON.parse(out) as Report;
    expect(report.provider).toStartWith("stand-in: NO real key exchange");
    expect(report.sessions).toMatchObject({ up: 14, wanted: 14, broken: 0 });
    expect(report.data).toMatchObject({ unopened: 0 });
    expect(report.trace).toMatch(/^[0-9a-f]{64}$/);
    expect(readFileSync(file, "utf8").trim().split("\n")).toHaveLength(report.events);
    expect(sim(args).out).toContain(report.trace);
  } finally {
    rmSync(file, { force: true });
  }
});

test.each([
  ["an unknown option", ["--gatewais", "3"], "'--gatewais'"],
  ["a number out of range", ["--loss", "101"], "--loss wants 0 to 100"],
  ["no number", ["--hours", "long"], "--hours wants 0 to 100000"],
  ["an unknown topology", ["--topology", "torus"], "--topology wants one of ring, line, grid, random, full"],
  ["an unknown file of scenarios", ["--scenario", "nothing/here"], "there is no scenario nothing/here"],
  ["an unknown scenario", ["--scenario", "mesh/nothing"], "there is no scenario mesh/nothing"],
])("just sim refuses %s with a hint", (_, args, message) => {
  const { code, err } = sim(args);
  expect(code).toBe(2);
  expect(err).toContain(message);
  expect(err).toContain("hint: just sim --help");
});

test("just sim --help names every option", () => {
  const { code, out } = sim(["--help"]);
  expect(code).toBe(0);
  for (const name of ["seed", "gateways", "hours", "loss", "topology", "provider", "scenario", "json"])
    expect(out).toContain(`--${name} `);
});

for (const topology of ["ring", "line", "grid", "random", "full"] satisfies TopologyName[]) {
  scenario(`replay/${topology}`, `ten gateways as a ${topology} get all of their sessions`, 1, async (run) => {
    const world = await run.world({ provider: "stand-in", loss: 10, disks: false });
    const settled = await settle({ world, topology, count: 10, knows: "neighbours" });
    await world.run(20_000);
    const { up, wanted } = sessions(settled);
    expect(up).toBe(wanted);
    expect(wanted).toBe({ ring: 40, line: 18, grid: 26, random: wanted, full: 90 }[topology]);
  });
}
