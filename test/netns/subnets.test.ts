/** Plain hosts behind gateways reach each other through the mesh; who may announce what, who takes over, and what is left afterwards. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Host, Lan } from "../help/lan.ts";
import { type TestGateway, TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { must, type Result, run } from "../help/shell.ts";
import { trellisLine } from "../help/trellis.ts";

const NEEDS = ["root", "tun", "netns", "addon", "command:ip", "command:ping", "command:socat", "command:ss"] as const;
const ready = able("test/netns/subnets.test.ts", ...NEEDS, "command:unshare");
const masquerades = ready && able("test/netns/subnets.test.ts", "command:nft");

interface Gateway {
  readonly name: string;
  readonly reached: boolean;
}
interface Subnets {
  readonly withdrawn: readonly { readonly prefix: string; readonly reason: string }[];
  readonly subnets: readonly {
    readonly prefix: string;
    readonly own: boolean;
    readonly problem: string | null;
    readonly source: string | null;
    readonly gateways: readonly Gateway[];
  }[];
  readonly refused: readonly { readonly prefix: string; readonly gateway: string; readonly reason: string }[];
}
const routes = (g: TestGateway): Promise<Subnets> => g.json<Subnets>("routes");
const through = async (g: TestGateway, prefix: string): Promise<string | undefined> =>
  (await routes(g)).subnets.find((s) => s.prefix === prefix)?.gateways[0]?.name;
const untilThrough = (g: TestGateway, prefix: string, name: string | undefined): Promise<true> =>
  until(`${prefix} through ${name} at ${g.name}`, async () => ((await through(g, prefix)) === name ? true : undefined));
const sysctl = async (g: TestGateway, path: string): Promise<string> =>
  (await must(g.inside("cat", `/proc/sys/net/${path}`))).trim();

/** The first founds the mesh; who is to announce is let in with the right to it. */
async function found(first: TestGateway, ...others: readonly (readonly [TestGateway, ...string[]])[]): Promise<void> {
  await first.json("init", "--name", first.name);
  await first.start();
  for (const [g, ...subnets] of others) {
    const right = subnets.length > 0 ? ["--subnets", subnets.join(",")] : [];
    const { token } = await first.json<{ token: string }>("invite", ...right);
    await g.json("join", token, "--name", g.name);
  }
}

const again = async (g: TestGateway, ...options: readonly string[]): Promise<void> => {
  await g.end("SIGTERM");
  await g.start(...options);
};

describe.skipIf(!ready)("subnets", () => {
  const net = new TestNet("a", "b", "c");
  const [a, b, c] = net.gateways as [TestGateway, TestGateway, TestGateway];
  let near: Lan;
  let far: Lan;
  let here: Host;
  let there: Host;

  beforeAll(async () => {
    await net.build();
    near = await Lan.of(net, 1);
    far = await Lan.of(net, 2);
    await near.connect(a, 1);
    await far.connect(b, 1);
    await far.connect(c, 2);
    here = await near.host("here", 9, 1);
    there = await far.host("there", 9, 1);
    await found(a, [b, far.v4, far.v6], [c, far.v4]);
    await again(a, "--announce", `${near.v4},${near.v6}`);
    await b.start("--announce", `${far.v4},${far.v6}`);
    await untilThrough(a, far.v4, "b");
    await untilThrough(b, near.v6, "a");
  });
  afterAll(async () => {
    await here?.remove();
    await there?.remove();
    await net.remove();
  });

  test("of two gateways reach each other, over IPv4 and IPv6, by packets and connections", async () => {
    await there.listen(8080);
    for (const [from, to] of [
      [near.at(9)[0], far.at(9)[0]],
      [near.at(9)[1], far.at(9)[1]],
    ] as const) {
      await here.untilReaches(to);
      await there.untilReaches(from);
    }
    expect(await here.call(far.at(9)[0], 8080)).toBe(near.at(9)[0]);
    expect(await here.call(far.at(9)[1], 8080)).toBe(near.at(9)[1]);
  });

  test("are reached by the gateways themselves, with an address that the others know", async () => {
    expect((await run(a.inside("ping", "-c", "1", "-W", "2", far.at(9)[0]))).code).toBe(0);
    expect((await run(a.inside("ping", "-c", "1", "-W", "2", far.at(9)[1]))).code).toBe(0);
    expect((await routes(a)).subnets.find((s) => s.prefix === far.v4)?.source).toBe(near.at(1)[0]);
  });

  test("are routes of ours in the kernel, and go when they are not announced any more", async () => {
    const shown = async (family: "-4" | "-6"): Promise<string> =>
      must(a.inside("ip", family, "route", "show", "table", "all", "dev", "mesh0", "proto", "84"));
    expect(await shown("-4")).toContain(far.v4);
    expect(await shown("-6")).toContain(far.v6);
    await again(b);
    await untilThrough(a, far.v4, undefined);
    expect(await shown("-4")).toBe("");
    expect(await shown("-6")).toBe("");
    await again(b, "--announce", `${far.v4},${far.v6}`);
    await untilThrough(a, far.v4, "b");
  });

  test("are left to a route of somebody else's, and taken once that is gone", async () => {
    await again(b);
    await untilThrough(a, far.v4, undefined);
    await must(a.inside("ip", "route", "add", "blackhole", far.v4));
    await again(b, "--announce", far.v4);
    await untilThrough(a, far.v4, "b");
    expect((await routes(a)).subnets.find((s) => s.prefix === far.v4)?.problem).toContain("another route");
    expect(await must(a.inside("ip", "route", "show", far.v4))).toContain("blackhole");
    await must(a.inside("ip", "route", "del", "blackhole", far.v4));
    await again(b, "--announce", `${far.v4},${far.v6}`);
    await here.untilReaches(far.at(9)[0]);
  });

  test("are judged by a policy as the gateway that announces them", async () => {
    const policy = join(net.folder, "policy.toml");
    writeFileSync(policy, 'default = "deny"\nrules = ["allow from a to self icmp"]\n');
    await b.json("policy", "set", policy);
    expect(await here.reaches(far.at(9)[0])).toBe(true);
    expect(await here.call(far.at(9)[0], 8080)).toBe("");
    expect(await there.reaches(near.at(9)[0])).toBe(false);
    const { action, from } = await b.json<{ action: string; from: string }>(
      "policy",
      "test",
      near.at(9)[0],
      "self",
      "80",
    );
    expect([action, from]).toEqual(["deny", "a"]);
    const { flows } = await b.json<{ flows: { peer: string; remote: string }[] }>("flows", "--filter", "a,icmp");
    expect(flows.map((f) => f.remote)).toContain(near.at(9)[0]);
    await b.json("policy", "clear");
    expect(await here.call(far.at(9)[0], 8080)).toBe(near.at(9)[0]);
  });

  test("make a gateway forward, which is undone at the end, also by who was killed before", async () => {
    const settings = ["ipv4/conf/mesh0/forwarding", "ipv4/conf/lan2/forwarding", "ipv6/conf/all/forwarding"];
    for (const path of settings) expect(await sysctl(b, path)).toBe("1");
    expect(await sysctl(b, "ipv4/conf/eth0/forwarding")).toBe("0");
    await b.end("SIGKILL");
    expect(await sysctl(b, "ipv6/conf/all/forwarding")).toBe("1");
    await b.start("--announce", `${far.v4},${far.v6}`);
    await b.end("SIGTERM");
    expect(await sysctl(b, "ipv4/conf/lan2/forwarding")).toBe("0");
    expect(await sysctl(b, "ipv6/conf/all/forwarding")).toBe("0");
    expect(await sysctl(b, "ipv6/conf/lan2/forwarding")).toBe("0");
    await b.start("--announce", `${far.v4},${far.v6}`);
    await untilThrough(a, far.v4, "b");
  });

  test("that a certificate does not allow are refused, with the reason, here and there", async () => {
    await c.start("--announce", "10.2.0.0/24,fd01:2::/64");
    const refusal = { prefix: far.v6, gateway: "c", reason: "the certificate of c does not allow it" };
    for (const g of [a, c])
      await until(`the refusal at ${g.name}`, async () =>
        (await routes(g)).refused.some((r) => JSON.stringify(r) === JSON.stringify(refusal)) ? true : undefined,
      );
    expect(
      (await routes(a)).subnets
        .find((s) => s.prefix === far.v4)
        ?.gateways.map((g) => g.name)
        .sort(),
    ).toEqual(["b", "c"]);
    await c.end("SIGTERM");
  });

  test("that overlap another's, or a network here, are refused", async () => {
    await must(c.inside("ip", "route", "add", "10.2.0.128/25", "dev", "lan2"));
    await must(c.inside("ip", "route", "add", "blackhole", "10.1.0.0/16"));
    await c.start("--announce", "10.2.0.128/25");
    await until("the refusal", async () => {
      const { refused } = await routes(a);
      return refused.find((r) => r.gateway === "c")?.reason ===
        "it lies in 10.2.0.0/24 of b, which does not announce it too"
        ? true
        : undefined;
    });
    expect(await through(a, "10.2.0.128/25")).toBeUndefined();
    await c.end("SIGTERM");
    await again(b, "--announce", far.v4);
    expect((await routes(b)).refused.filter((r) => r.prefix === near.v4)).toEqual([]);
    await near.connect(b, 7); // now that network is here too
    await until("the refusal of what is here", async () =>
      (await routes(b)).refused.find((r) => r.prefix === near.v4)?.reason === "lan1 of this gateway is in 10.1.0.0/24"
        ? true
        : undefined,
    );
    expect(await must(b.inside("ip", "route", "show", near.v4))).not.toContain("mesh0");
  });
});

describe.skipIf(!masquerades)("two gateways of one subnet that masquerade", () => {
  const net = new TestNet("a", "b1", "b2");
  const [a, b1, b2] = net.gateways as [TestGateway, TestGateway, TestGateway];
  let near: Lan;
  let far: Lan;
  let here: Host;
  let there: Host;
  const seen = async (): Promise<string> => await here.call(far.at(9)[0], 8080);
  const untilSeen = (address: string): Promise<true> =>
    until(`a connection by ${address}`, async () => ((await seen()) === address ? true : undefined), 60_000);

  beforeAll(async () => {
    await net.build();
    near = await Lan.of(net, 1);
    far = await Lan.of(net, 2);
    await near.connect(a, 1);
    await far.connect(b1, 1);
    await far.connect(b2, 2);
    here = await near.host("here", 9, 1);
    there = await far.host("there", 9); // it knows no way to anywhere
    await there.listen(8080);
    await found(a, [b1, far.v4, far.v6], [b2, far.v4, far.v6]);
    await again(a, "--announce", `${near.v4},${near.v6}`);
    await b1.start("--announce", `${far.v4},${far.v6}`, "--masquerade");
    await untilThrough(a, far.v4, "b1");
    await b2.start("--announce", `${far.v4},${far.v6}`, "--masquerade");
    await until("both gateways", async () =>
      (await routes(a)).subnets.find((s) => s.prefix === far.v4)?.gateways.every((g) => g.reached) &&
      (await routes(a)).subnets.find((s) => s.prefix === far.v4)?.gateways.length === 2
        ? true
        : undefined,
    );
  });
  afterAll(async () => {
    await here?.remove();
    await there?.remove();
    await net.remove();
  });

  test("are seen by their own address, and hosts need no routes back", async () => {
    await here.untilReaches(far.at(9)[1]);
    expect(await seen()).toBe(far.at(1)[0]);
    expect(await here.call(far.at(9)[1], 8080)).toBe(far.at(1)[1]);
  });

  test("take over from each other when one dies or loses its cable, and stay until they must", async () => {
    await b1.end("SIGKILL");
    await untilSeen(far.at(2)[0]);
    await b1.start("--announce", `${far.v4},${far.v6}`, "--masquerade");
    await until("the other again", async () =>
      (await routes(a)).subnets.find((s) => s.prefix === far.v4)?.gateways.every((g) => g.reached) ? true : undefined,
    );
    expect(await through(a, far.v4)).toBe("b2");
    await must(["ip", "-n", b2.namespace, "link", "set", "eth0", "down"]);
    await untilSeen(far.at(1)[0]); // the long way round is worse, and that lasts
    await must(["ip", "-n", b2.namespace, "link", "set", "eth0", "up"]);
  });

  test("withdraw what they have lost themselves", async () => {
    await until("both again", async () =>
      (await routes(a)).subnets.find((s) => s.prefix === far.v4)?.gateways.every((g) => g.reached) ? true : undefined,
    );
    await far.unplug(1); // of b1
    await untilSeen(far.at(2)[0]);
    await until("the withdrawal", async () =>
      (await routes(b1)).withdrawn.some((w) => w.prefix === far.v4 && w.reason === "lan2 has no carrier")
        ? true
        : undefined,
    );
    await far.plugIn(1);
    await until("its return", async () => ((await routes(b1)).withdrawn.length === 0 ? true : undefined));
  });

  test("miss nothing that they are told while they start", async () => {
    const slow = join(net.folder, "slow");
    mkdirSync(slow);
    const nft = Bun.which("nft") ?? "/usr/sbin/nft";
    writeFileSync(join(slow, "nft"), `#!/bin/sh\nsleep 3\nexec ${nft} "$@"\n`, { mode: 0o755 });
    await b1.end("SIGKILL");
    b1.environment["PATH"] = `${slow}:${process.env["PATH"]}`;
    await b1.start("--announce", `${far.v4},${far.v6}`, "--masquerade");
    delete b1.environment["PATH"];
    await untilThrough(b1, near.v4, "a");
  });

  test("leave no table behind", async () => {
    expect(await must(b1.inside("nft", "list", "tables"))).toContain("trellis-mesh0");
    await b1.end("SIGTERM");
    expect(await must(b1.inside("nft", "list", "tables"))).toBe("");
    await b2.end("SIGKILL");
    await b2.start();
    expect(await must(b2.inside("nft", "list", "tables"))).toBe(""); // the next one takes away what is not asked of it
  });

  test("do not start where nftables is missing, and say what to do", async () => {
    const nft = (await must(["sh", "-c", "command -v nft || echo /usr/sbin/nft"])).trim();
    const hidden = (...command: readonly string[]): Promise<Result> =>
      run(b1.inside("unshare", "--mount", "sh", "-c", 'mount --bind /dev/null "$0" && exec "$@"', nft, ...command));
    const refused = await hidden(...trellisLine(b1.stateDir, "run", "--announce", far.v4, "--masquerade"));
    expect(refused.code).toBe(1);
    expect(refused.stderr).toContain("there is no `nft` on this machine");
    expect(refused.stderr).toContain("apt-get install nftables");
  });
});

describe.skipIf(!ready)("subnets behind a relay", () => {
  const net = new TestNet("a", "r", "b");
  const [a, r, b] = net.gateways as [TestGateway, TestGateway, TestGateway];
  let hosts: readonly Host[] = [];
  let near: Lan;
  let far: Lan;

  beforeAll(async () => {
    await net.buildWires(["a", "r"], ["r", "b"]);
    near = await Lan.of(net, 1);
    far = await Lan.of(net, 2);
    await near.connect(a, 1);
    await far.connect(b, 1);
    hosts = [await near.host("here", 9, 1), await far.host("there", 9, 1)];
    await found(r, [a, near.v4, near.v6], [b, far.v4, far.v6]);
    await a.start("--announce", `${near.v4},${near.v6}`);
    await b.start("--announce", `${far.v4},${far.v6}`);
  });
  afterAll(async () => {
    for (const host of hosts) await host.remove();
    await net.remove();
  });

  test("reach each other through the gateway between, which reads nothing of it", async () => {
    const [here, there] = hosts as [Host, Host];
    await untilThrough(a, far.v4, "b");
    await here.untilReaches(far.at(9)[0]);
    await here.untilReaches(far.at(9)[1]);
    await there.listen(8080);
    expect(await here.call(far.at(9)[0], 8080)).toBe(near.at(9)[0]);
    const { traffic } = await r.json<{ traffic: { received: { packets: number } } }>("status");
    expect(traffic.received.packets).toBe(0);
  });
});
