/** Policy and flows of real daemons, driven by the command line alone: what is denied, what passes, what is told about it. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestGateway, TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { must, run } from "../help/shell.ts";
import { trellisLine } from "../help/trellis.ts";

const ready = able(
  "test/netns/policy.test.ts",
  "root",
  "tun",
  "netns",
  "addon",
  "command:ip",
  "command:ping",
  "command:socat",
  "command:bpftool",
  "command:setpriv",
);

interface Flow {
  readonly peer: string;
  readonly protocol: string;
  readonly localPort: number | null;
  readonly remotePort: number | null;
  readonly opener: string;
  readonly rule: number | null;
  readonly verdict: string;
  readonly reason: string | null;
  readonly received: { readonly packets: number; readonly bytes: number };
}
interface Shown {
  readonly enforced: boolean;
  readonly default: { readonly packets: number };
  readonly rules: readonly { readonly packets: number; readonly bytes: number; readonly text: string }[];
  readonly drops: { readonly in: Readonly<Record<string, number>>; readonly out: Readonly<Record<string, number>> };
}

describe.skipIf(!ready)("a policy", () => {
  const net = new TestNet("a", "b", "c");
  const [a, b, c] = net.gateways as [TestGateway, TestGateway, TestGateway];
  let ours = "";

  const crosses = async (from: TestGateway, to = ours): Promise<boolean> =>
    (await run(from.inside("ping", "-6", "-c", "1", "-W", "1", to))).code === 0;
  const untilCrosses = (from: TestGateway): Promise<boolean> =>
    until(`an answer to ${from.name}`, async () => ((await crosses(from)) ? true : undefined));
  const file = (name: string, fallback: string, ...rules: readonly string[]): string => {
    const path = join(net.folder, name);
    writeFileSync(path, `default = "${fallback}"\nrules = [\n${rules.map((r) => `  "${r}",\n`).join("")}]\n`);
    return path;
  };
  const flows = async (on: TestGateway, ...filter: readonly string[]): Promise<readonly Flow[]> =>
    (await on.json<{ flows: readonly Flow[] }>("flows", "--filter", filter.join(" "))).flows;
  const show = (on: TestGateway): Promise<Shown> => on.json<Shown>("policy", "show");
  const addressOf = async (g: TestGateway): Promise<string> => (await g.json<{ address: string }>("status")).address;
  /** Programs and maps that the daemon holds in the kernel. */
  const held = async (g: TestGateway): Promise<readonly (readonly ["prog" | "map", string])[]> => {
    const { pid } = await g.json<{ pid: number }>("status");
    const said = readdirSync(`/proc/${pid}/fdinfo`).flatMap((fd) =>
      readFileSync(`/proc/${pid}/fdinfo/${fd}`, "utf8").split("\n"),
    );
    return said.flatMap((line) => {
      const [, kind, id] = /^(prog|map)_id:\s*(\d+)$/.exec(line) ?? [];
      return kind && id ? [[kind as "prog" | "map", id] as const] : [];
    });
  };
  const untilGone = async (all: Awaited<ReturnType<typeof held>>): Promise<void> => {
    for (const [kind, id] of all)
      await until(`the end of ${kind} ${id}`, async () =>
        (await run(["bpftool", kind, "show", "id", id])).code === 0 ? undefined : true,
      );
  };

  beforeAll(async () => {
    await net.build();
    await a.json("init", "--name", "a");
    await a.start();
    for (const g of [b, c]) {
      const { token } = await a.json<{ token: string }>("invite");
      await g.json("join", token, "--name", g.name);
      await g.start();
    }
    ours = await addressOf(a);
    await untilCrosses(b);
    await untilCrosses(c);
  });
  afterAll(() => net.remove());

  test("that is none allows everything, and flows are told all the same", async () => {
    expect((await a.trellis("policy", "show")).stdout).toContain("there is no policy");
    await untilCrosses(b);
    expect((await flows(a, "b", "icmp"))[0]).toMatchObject({
      peer: "b",
      protocol: "icmp",
      opener: "in",
      verdict: "allowed",
    });
  });

  test("with a fault is refused by the number of its rule, and nothing changes", async () => {
    const { code, stderr } = await a.trellis("policy", "set", file("wrong", "deny", "allow from b to self tpc 1"));
    expect(code).toBe(1);
    expect(stderr).toContain("rule 1,");
    expect(stderr).toContain("did you mean tcp?");
    await untilCrosses(c);
  });

  test("lets pass what a rule allows, with its replies, and nothing else", async () => {
    const path = file("first", "deny", "allow from b to self icmp", "allow from b,d to self tcp 7000");
    expect(await a.json("policy", "set", path)).toEqual({ default: "deny", rules: 2, unknown: ["d"], enforced: true });
    await untilCrosses(b);
    expect(await crosses(c)).toBe(false);
    expect(await crosses(a, await addressOf(b))).toBe(false);
    const { rules, default: fallback, drops, enforced } = await show(a);
    expect(enforced).toBe(true);
    expect(rules[0]?.packets).toBeGreaterThanOrEqual(2); // a request and its reply
    expect(fallback.packets).toBeGreaterThanOrEqual(2);
    expect(drops.in.default).toBeGreaterThanOrEqual(1);
    expect(drops.out.default).toBeGreaterThanOrEqual(1);
    expect((await flows(a, "c", "denied"))[0]).toMatchObject({
      peer: "c",
      protocol: "icmp",
      opener: "in",
      reason: "default",
    });
    const { traffic } = await a.json<{ traffic: { drops: Record<string, number> } }>("status");
    expect(traffic.drops["policy.default"]).toBeGreaterThanOrEqual(2);
  });

  test("answers what it would do, and why", async () => {
    expect(await a.json("policy", "test", "b", "self", "7000")).toMatchObject({ action: "allow", rule: 2, here: true });
    expect(await a.json("policy", "test", "c", "a", "7000")).toMatchObject({
      action: "deny",
      rule: null,
      nearest: { rule: 2, miss: "from" },
    });
    expect(await a.json("policy", "test", "b", "self", "--proto", "icmp")).toMatchObject({ action: "allow", rule: 1 });
    expect(await a.json("policy", "test", "b", "c", "22")).toMatchObject({ here: false });
    const other = file("other", "allow", "deny from c to self tcp 1-1024");
    expect(await a.json("policy", "test", "c", "self", "22", "--file", other)).toMatchObject({
      action: "deny",
      rule: 1,
    });
    expect((await a.trellis("policy", "test", "nobody", "self", "22")).stderr).toContain("nobody");
  });

  test("is replaced while a TCP stream runs: it goes on, stops, and goes on, as the rules say", async () => {
    const target = join(net.folder, "received");
    writeFileSync(target, "");
    const listener = Bun.spawn(a.inside("socat", "-u", "TCP6-LISTEN:7000", `OPEN:${target},append`));
    await until("the listener", async () =>
      (await must(a.inside("ss", "-ltnH"))).includes(":7000") ? true : undefined,
    );
    const stream = Bun.spawn(b.inside("socat", "-u", "-", `TCP6:[${ours}]:7000`), { stdin: "pipe" });
    let written = 0;
    const write = (): void => {
      written += stream.stdin.write(new Uint8Array(100_000)) as number;
      stream.stdin.flush();
    };
    const size = (): number => statSync(target).size;
    const arrived = (): Promise<boolean> => until("the stream", async () => (size() === written ? true : undefined));

    write();
    await arrived();
    const [flow] = await flows(a, "b", "tcp", "7000");
    expect(flow).toMatchObject({ peer: "b", localPort: 7000, opener: "in", rule: 2, verdict: "allowed" });
    expect(flow?.received.bytes).toBeGreaterThan(100_000);
    expect(flow?.received.packets).toBeGreaterThanOrEqual(Math.floor(100_000 / 1388)); // not superpackets
    const first = await show(a);
    expect(first.rules[1]?.bytes).toBeGreaterThan(100_000);
    expect(first.drops.in.truncated).toBe(0); // superpackets lie in pages

    await a.json("policy", "set", file("second", "deny", "allow from any to self tcp 7000"));
    write();
    await arrived();
    expect(await flows(a, "b", "tcp", "7000")).toMatchObject([{ rule: 1 }]);
    expect((await show(a)).rules[0]?.bytes).toBeGreaterThan(100_000);

    await a.json("policy", "set", file("third", "deny", "deny from b to self", "allow from any to self tcp 7000"));
    const before = size();
    write();
    await until("denied packets", async () => (((await show(a)).drops.in.rule ?? 0) > 2 ? true : undefined));
    expect(size()).toBe(before);
    expect(await flows(a, "b", "tcp", "7000", "allowed")).toEqual([]);
    expect(await flows(a, "b", "tcp", "7000", "denied")).toMatchObject([{ rule: 1 }]);

    await a.json("policy", "set", file("fourth", "deny", "allow from b to self"));
    await arrived();
    stream.stdin.end();
    expect(await listener.exited).toBe(0);
    expect(await stream.exited).toBe(0);
  });

  test("is replaced without a gap: no packet that both allow is dropped", async () => {
    const one = file("one", "deny", "allow from b to self icmp");
    const other = file("two", "allow", "deny from c to self", "deny from b to self tcp", "allow from any to self icmp");
    await a.json("policy", "set", one);
    const allowed = async (): Promise<number> => (await flows(a, "b", "icmp"))[0]?.received.packets ?? 0;
    const pings = Bun.spawn(b.inside("ping", "-6", "-q", "-i", "0.002", ours), { stdout: "ignore" });
    await until("pings", async () => ((await allowed()) > 10 ? true : undefined));
    for (let round = 0; round < 10; round++) {
      const seen = await allowed();
      await a.json("policy", "set", round % 2 === 0 ? other : one);
      await until("more pings", async () => ((await allowed()) > seen ? true : undefined));
    }
    pings.kill();
    await pings.exited;
    expect(await flows(a, "b", "icmp", "in", "denied")).toEqual([]);
  });

  test("knows a member from the moment it joins", async () => {
    await a.json("policy", "set", file("late", "deny", "allow from b,e to self icmp"));
    await c.end("SIGTERM");
    const stateDir = join(net.folder, "e");
    const { token } = await a.json<{ token: string }>("invite");
    expect((await c.trellis("--state-dir", stateDir, "join", token, "--name", "e")).code).toBe(0);
    const daemon = Bun.spawn(c.inside(...trellisLine(stateDir, "run")), {
      stdout: "ignore",
      stderr: "ignore",
    });
    await untilCrosses(c);
    expect((await flows(a, "e", "icmp"))[0]).toMatchObject({ peer: "e", rule: 1 });
    daemon.kill("SIGTERM");
    await daemon.exited;
    await c.start();
  });

  test("has rates by peer, and tables that fit a terminal", async () => {
    const pings = Bun.spawn(b.inside("ping", "-6", "-i", "0.1", ours), { stdout: "ignore" });
    const { rates } = await until("a rate", async () => {
      const seen = await a.json<{ rates: { peer: string; receivedBits: number; packets: number }[] }>("top");
      return seen.rates.some((r) => r.peer === "b" && r.receivedBits > 0) ? seen : undefined;
    });
    expect(rates.find((r) => r.peer === "b")?.packets).toBeGreaterThan(0);
    for (const words of [
      ["flows"],
      ["top", "--once"],
      ["top", "--services", "--once"],
      ["policy", "show"],
      ["status"],
    ]) {
      const { code, stdout } = await a.trellis(...words);
      expect(code).toBe(0);
      for (const line of stdout.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    }
    pings.kill();
    await pings.exited;
  });

  test("is enforced again after a kill, before anything passes, and leaves nothing behind", async () => {
    const before = await held(a);
    const name = async ([kind, id]: (typeof before)[number]): Promise<string> =>
      kind === "prog" ? await must(["bpftool", "prog", "show", "id", id]) : "";
    const names = await Promise.all(before.map(name));
    const enforcing = before.filter((_, i) => names[i]?.includes("mesh_in") || names[i]?.includes("mesh_out"));
    for (const program of ["mesh_in", "mesh_out"]) expect(names.join("")).toContain(program);
    await a.end("SIGKILL");
    await untilGone(enforcing); // the relay goes on until the next start has taken over
    await a.start();
    for (const g of [b, c]) await g.json("rekey", "a"); // they do not know yet that their sessions are gone
    await untilCrosses(b);
    expect(await crosses(c)).toBe(false);
    expect((await show(a)).rules.map((r) => r.text)).toEqual(["allow from b,e to self icmp"]);
    const after = await held(a);
    expect(after.length).toBeGreaterThan(0);
    expect(await a.end("SIGTERM")).toBe(0);
    await untilGone([...before, ...after]);
  });

  test("that cannot be enforced keeps the daemon from starting, unless it is told otherwise", async () => {
    const start = ["setpriv", "--bounding-set", "-bpf,-sys_admin"];
    const refused = await run(a.inside(...start, ...trellisLine(a.stateDir, "run")));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("the stored policy cannot be enforced: no privilege to load BPF");
    expect(refused.stderr).toContain("--policy ignore");
    expect(await a.devices()).not.toContain("mesh0");
    await a.start("--policy", "ignore");
    await untilCrosses(c);
    expect((await a.trellis("status")).stdout).toContain("NOT enforced: as --policy ignore asks");
    expect((await a.trellis("policy", "set", file("fifth", "deny"))).stderr).toContain("without --policy ignore");
    await a.end("SIGTERM");
  });

  test("is set and cleared without a daemon, for the next start", async () => {
    expect(await a.json("policy", "set", file("offline", "deny", "allow from c to self"))).toMatchObject({
      enforced: false,
    });
    await a.start();
    await untilCrosses(c);
    expect(await crosses(b)).toBe(false);
    await a.end("SIGTERM");
    expect(await a.json("policy", "clear")).toEqual({ cleared: true });
    await a.start();
    await untilCrosses(b);
    await a.end("SIGTERM");
  });
});
