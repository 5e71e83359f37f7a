/** Names of the mesh, asked by what programs have: the C library, a resolver library, systemd-resolved; and by a stranger on the cable. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestGateway, TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { must, type Result, run } from "../help/shell.ts";
import { findResolved, ResolvedGateway } from "../help/systemd-resolved.ts";

const FILE = "test/netns/names.test.ts";
const ready = able(
  FILE,
  "root",
  "tun",
  "netns",
  "addon",
  "command:ip",
  "command:getent",
  "command:unshare",
  "command:nsenter",
);
const programs = ready && able(FILE, "command:dbus-daemon") ? await findResolved(FILE) : undefined;

interface Status {
  readonly address: string;
  readonly prefix: string;
  readonly names: { readonly server: string | null; readonly reason: string | null; readonly system: string | null };
  readonly counters: Readonly<Record<string, number>>;
}
const status = (g: TestGateway): Promise<Status> => g.json<Status>("status");
const counted = async (g: TestGateway, name: string): Promise<number> => (await status(g)).counters[name] ?? 0;

/** The first founds a mesh, the others join it. */
async function founded(gateways: readonly TestGateway[], ...options: readonly string[]): Promise<void> {
  const [first, ...others] = gateways as [TestGateway, ...TestGateway[]];
  await first.json("init", "--name", first.name);
  await first.start(...options);
  for (const g of others) {
    const { token } = await first.json<{ token: string }>("invite");
    await g.json("join", token, "--name", g.name);
    await g.start(...options);
  }
  await until("every session", async () => {
    const counts = await Promise.all(gateways.map((g) => g.json<{ peersUp: number }>("status")));
    return counts.every(({ peersUp }) => peersUp === gateways.length - 1) ? true : undefined;
  });
}

/** Asks a server by the resolver library: prints JSON of what came, or the code of the error. Waits for milliseconds, and then again. */
const ASK = `
const { Resolver } = await import("node:dns/promises");
const [timeout, server, method, name, type] = process.argv.slice(1);
const resolver = new Resolver({ timeout: Number(timeout), tries: 3 });
resolver.setServers(["[" + server + "]:53"]);
try { console.log(JSON.stringify(await resolver[method](name, ...(type ? [type] : [])))); }
catch (error) { console.log(JSON.stringify(error.code)); }
process.exit(0);
`;

describe.skipIf(!ready)("names", () => {
  const net = new TestNet("a", "b", "x.site1", "stranger");
  const [a, b, x, stranger] = net.gateways as [TestGateway, TestGateway, TestGateway, TestGateway];
  let server = "";
  const address = new Map<string, string>();
  const ask = async (on: TestGateway, method: string, ...words: readonly string[]): Promise<unknown> =>
    JSON.parse(
      await must(on.inside(process.execPath, "-e", ASK, on === stranger ? "1000" : "10000", server, method, ...words)),
    );
  /** With this resolv.conf and no other. */
  const getent = (on: TestGateway, conf: string, ...words: readonly string[]): Promise<Result> =>
    run(
      on.inside(
        "unshare",
        "--mount",
        "sh",
        "-c",
        'mount --bind "$0" /etc/resolv.conf && exec getent "$@"',
        conf,
        ...words,
      ),
    );

  beforeAll(async () => {
    await net.build();
    await founded([a, b, x]);
    for (const g of [a, b, x]) address.set(g.name, (await status(g)).address);
    server = address.get("a") as string;
  });
  afterAll(() => net.remove());

  test("are answered on the overlay address, to who is here and to members", async () => {
    for (const asker of [a, b]) {
      expect(await ask(asker, "resolve6", "b.mesh.internal")).toEqual([address.get("b")]);
      expect(await ask(asker, "resolve6", "X.SITE1.mesh.Internal")).toEqual([address.get("x.site1")]);
      expect(await ask(asker, "reverse", address.get("b") as string)).toEqual(["b.mesh.internal"]);
      expect(await ask(asker, "resolve", "mesh.internal", "NS")).toEqual(["a.mesh.internal"]);
    }
  });

  test("that are none, or elsewhere, are told apart", async () => {
    expect(await ask(a, "resolve6", "nobody.mesh.internal")).toBe("ENOTFOUND");
    expect(await ask(a, "resolve6", "example.org")).toBe("EREFUSED");
    expect(await counted(a, "names.refused")).toBeGreaterThan(0);
  });

  test("are found by programs that ask the C library, once /etc/resolv.conf has the line that is shown", async () => {
    const { stdout } = await a.trellis("names", "--setup");
    const line = stdout.split("\n").find((l) => l.startsWith("nameserver "));
    const conf = join(net.folder, "resolv.conf");
    writeFileSync(conf, `${line}\n`);
    expect((await getent(a, conf, "ahostsv6", "b.mesh.internal")).stdout).toStartWith(`${address.get("b")} `);
    expect((await getent(a, conf, "hosts", address.get("x.site1") as string)).stdout).toContain(
      "x.site1.mesh.internal",
    );
    expect((await getent(a, conf, "ahostsv6", "nobody.mesh.internal")).code).not.toBe(0);
    const tcp = join(net.folder, "resolv-tcp.conf");
    writeFileSync(tcp, `${line}\noptions use-vc\n`);
    expect((await getent(a, tcp, "ahostsv6", "b.mesh.internal")).stdout).toStartWith(`${address.get("b")} `);
  });

  test("are lines for /etc/hosts", async () => {
    const { stdout } = await a.trellis("names", "--hosts");
    expect(stdout.trim().split("\n").sort()).toEqual(
      [...address].map(([name, at]) => `${at}\t${name}.mesh.internal`).sort(),
    );
  });

  test("are not told to a stranger on the cable, though its packets reach the address", async () => {
    const mac = JSON.parse(await must(a.inside("ip", "-json", "link", "show", "eth0"))) as { address: string }[];
    await must(stranger.inside("ip", "-6", "address", "add", "fd99::2/64", "dev", "eth0", "nodad"));
    await must(stranger.inside("ip", "-6", "route", "add", `${server}/128`, "dev", "eth0"));
    await must(
      stranger.inside("ip", "-6", "neighbour", "add", server, "lladdr", mac[0]?.address as string, "dev", "eth0"),
    );
    expect(await ask(stranger, "resolve6", "b.mesh.internal")).toBe("ETIMEOUT");
    await until("the drop", async () => (await counted(a, "names.drop.stranger")) > 0 || undefined);
  });

  test("end with the membership", async () => {
    await a.json("revoke", "b");
    expect(await ask(a, "resolve6", "b.mesh.internal")).toBe("ENOTFOUND");
    expect(await ask(a, "reverse", address.get("b") as string)).toBe("ENOTFOUND");
    server = address.get("x.site1") as string;
    await until("the revocation at another member", async () =>
      (await ask(x, "resolve6", "b.mesh.internal")) === "ENOTFOUND" ? true : undefined,
    );
    server = address.get("a") as string;
  });

  test("cost nothing but themselves when another program has the port, and the reason is told", async () => {
    await a.end("SIGTERM");
    const taken = Bun.spawn(
      a.inside(process.execPath, "-e", 'await Bun.udpSocket({ hostname: "::", port: 53 }); console.log("up")'),
      {
        stdout: "pipe",
      },
    );
    await taken.stdout.getReader().read();
    await a.start();
    expect((await status(a)).names).toMatchObject({ server: null, reason: expect.stringContaining("another program") });
    taken.kill();
    await taken.exited;
    await a.end("SIGTERM");
    await a.start("--names", "off");
    expect((await status(a)).names).toMatchObject({ server: null, reason: expect.stringContaining("switched off") });
    expect((await a.trellis("status")).stdout).toContain("not answered: switched off");
  });
});

describe.skipIf(!programs)("systemd-resolved", () => {
  const net = new TestNet("a", "b");
  const b = net.at("b");
  const a = new ResolvedGateway("a", 1, net.folder);
  const resolvectl = (...words: readonly string[]): Promise<string> => must(a.inside("resolvectl", ...words));

  beforeAll(async () => {
    await net.build();
    if (programs) await a.hold(programs);
    await founded([a, b]);
  });
  afterAll(async () => {
    await a.end("SIGKILL");
    await a.letGo();
    await net.remove();
  });

  test("is told to ask the gateway for the mesh's names, and for no others", async () => {
    const { address, names } = await status(a);
    expect(names).toMatchObject({ server: address, system: "systemd-resolved" });
    expect(await resolvectl("dns", "mesh0")).toContain(address);
    const domains = await resolvectl("domain", "mesh0");
    expect(domains).toContain("~mesh.internal");
    expect(domains).toMatch(/ ~[0-9a-f.]+\.ip6\.arpa/);
    expect(await resolvectl("default-route", "mesh0")).toContain("no");
  });

  test("finds them for programs that know nothing of it", async () => {
    const other = (await status(b)).address;
    const found = await until("the name", async () => {
      const { stdout } = await run(a.inside("getent", "ahostsv6", "b.mesh.internal"));
      return stdout === "" ? undefined : stdout;
    });
    expect(found).toStartWith(`${other} `);
    expect(await must(a.inside("getent", "hosts", other))).toContain("b.mesh.internal");
    expect((await run(a.inside("getent", "ahostsv6", "nobody.mesh.internal"))).code).not.toBe(0);
    expect((await run(a.inside("getent", "ahostsv6", "example.org"))).code).not.toBe(0);
    expect(await counted(a, "names.refused")).toBe(0); // it was not asked for that
  });

  test("is what doctor finds", async () => {
    const { capabilities } = await a.json<{ capabilities: { id: string; found: boolean }[] }>("doctor");
    expect(capabilities.find((c) => c.id === "name-resolution")?.found).toBe(true);
    const elsewhere = await b.json<{ capabilities: { id: string; found: boolean; fix: string }[] }>("doctor");
    const row = elsewhere.capabilities.find((c) => c.id === "name-resolution");
    expect(row).toMatchObject({ found: false, fix: expect.stringContaining("trellis names --setup") });
  });

  test("knows nothing of them once the gateway has stopped, or was told not to", async () => {
    await a.end("SIGTERM");
    const knows = async (): Promise<boolean> => (await resolvectl("status")).includes("mesh.internal");
    await until("its forgetting", async () => !(await knows()) || undefined); // it learns from the kernel that the device went
    await a.start("--names", "local");
    expect((await status(a)).names).toMatchObject({ system: null });
    expect(await knows()).toBe(false);
  });
});
