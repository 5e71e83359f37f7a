/** The addon's system functions against the real kernel. Links are made in a network namespace of the test's own. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Addon, loadAddon } from "../../runtime/dataplane/addon.io.ts";
import { aliasOf } from "../../runtime/dataplane/links.ts";
import { able } from "../help/require.ts";

const { addon: loadedAddon } = loadAddon();
const addon = loadedAddon as Addon;
const here = able("test/native/system.test.ts", "addon");
const privileged = here && able("test/native/system.test.ts (links)", "root", "tun", "netns", "command:ip");

const run = (...command: string[]): string => {
  const { stdout, stderr, success } = Bun.spawnSync(command);
  if (!success) throw new Error(`${command.join(" ")}: ${stderr}`);
  return stdout.toString();
};

describe.skipIf(!privileged)("links", () => {
  const netns = `trellis-sys-${process.pid}`;
  const inside = (...command: string[]): string => run("ip", "netns", "exec", netns, ...command);
  /** Runs TypeScript with `addon` in scope in the namespace; what it prints last is JSON. */
  const evaluate = (code: string): unknown => {
    const loader = `const { loadAddon, removeAbandoned } = { ...(await import("${join(import.meta.dir, "../../runtime/dataplane/addon.io.ts")}")), ...(await import("${join(import.meta.dir, "../../runtime/dataplane/native.io.ts")}")) }; const { addon } = loadAddon();`;
    return JSON.parse(
      inside(process.execPath, "-e", `${loader} console.log(JSON.stringify((() => { ${code} })() ?? null))`),
    );
  };
  const attempt = (code: string): unknown =>
    evaluate(`try { ${code} } catch (e) { return { code: e.code, syscall: e.syscall } }`);
  const configure = (settings: Record<string, unknown>): string => `addon.configureLink(${JSON.stringify(settings)});`;
  const link = (name: string): { mtu: number; txqlen: number; flags: string[]; ifalias?: string } =>
    JSON.parse(inside("ip", "-json", "link", "show", "dev", name))[0];
  const addresses = (name: string): { local: string; prefixlen: number; nodad?: boolean; tentative?: boolean }[] =>
    JSON.parse(inside("ip", "-json", "address", "show", "dev", name))[0].addr_info;

  beforeAll(() => void run("ip", "netns", "add", netns));
  afterAll(() => void run("ip", "netns", "delete", netns));
  afterEach(() => {
    for (const { ifname } of JSON.parse(inside("ip", "-json", "link", "show"))) {
      if (ifname.startsWith("tt")) inside("ip", "link", "delete", ifname);
    }
  });
  const addTun = (name: string): string => inside("ip", "tuntap", "add", name, "mode", "tun");

  const SETTINGS = {
    name: "tt0",
    mtu: 1380,
    address: "fd12:3456:789a::1",
    prefixLength: 64,
    alias: "trellis:fd00::1:1",
  };

  test("are configured in one call: MTU, alias, a queue that outlasts a pause, up, and one address that is usable at once", () => {
    addTun("tt0");
    evaluate(configure(SETTINGS));
    expect(link("tt0")).toMatchObject({
      mtu: 1380,
      txqlen: 2000,
      ifalias: "trellis:fd00::1:1",
      flags: expect.arrayContaining(["UP"]),
    });
    const all = addresses("tt0");
    expect(all).toHaveLength(1); // no link-local address beside it
    expect(all[0]).toMatchObject({ local: "fd12:3456:789a::1", prefixlen: 64, nodad: true });
    expect(all[0]?.tentative).toBeUndefined();
  });

  test("may be configured twice, and take a new MTU then", () => {
    addTun("tt0");
    evaluate(configure(SETTINGS) + configure({ ...SETTINGS, mtu: 1300 }));
    expect(link("tt0").mtu).toBe(1300);
    expect(addresses("tt0")).toHaveLength(1);
  });

  test("take an IPv4 address too", () => {
    addTun("tt0");
    evaluate(configure({ ...SETTINGS, address: "10.77.0.1", prefixLength: 24 }));
    expect(addresses("tt0").map((a) => `${a.local}/${a.prefixlen}`)).toContain("10.77.0.1/24");
  });

  test.each([
    ["a device that does not exist", { ...SETTINGS, name: "ttnone" }, { code: "ENODEV" }],
    ["an MTU of less than IP's least", { ...SETTINGS, mtu: 20 }, { code: "ERR_INVALID_ARG_TYPE" }],
    ["an address that is none", { ...SETTINGS, address: "fd00::g" }, { code: "ERR_INVALID_ARG_TYPE" }],
    ["an IPv4 prefix longer than 32", { ...SETTINGS, address: "10.0.0.1" }, { code: "ERR_INVALID_ARG_TYPE" }],
    ["a name with a NUL", { ...SETTINGS, name: "tt0\0x" }, { code: "ERR_INVALID_ARG_TYPE" }],
  ])("are not configured with %s", (_, settings, want) => {
    addTun("tt0");
    expect(attempt(configure(settings))).toMatchObject(want);
    expect(link("tt0").flags).not.toContain("UP");
  });

  test("are found, deleted once, and reported missing after that", () => {
    addTun("tt0");
    expect(
      evaluate(
        `return [addon.linkExists("tt0"), addon.deleteLink("tt0"), addon.linkExists("tt0"), addon.deleteLink("tt0")]`,
      ),
    ).toEqual([true, true, false, false]);
  });

  test("are listed by what their alias starts with", () => {
    for (const name of ["tt0", "tt1", "tt2"]) addTun(name);
    inside("ip", "link", "set", "tt0", "alias", "trellis:fd00::1:17");
    inside("ip", "link", "set", "tt1", "alias", "somebody else's");
    expect(evaluate(`return addon.findLinks("trellis:")`)).toEqual([{ name: "tt0", alias: "trellis:fd00::1:17" }]);
  });

  test("of an open data path are there, and go with it, also when it is killed", async () => {
    const opening = `
      const { loadAddon } = await import("${join(import.meta.dir, "../../runtime/dataplane/addon.io.ts")}");
      const { openNative } = await import("${join(import.meta.dir, "../../runtime/dataplane/native.io.ts")}");
      const options = { port: 0, interface: undefined, device: "tt9", address: "fd00::9", prefixLength: 64, mtu: 1300, workers: 1 };
      const plane = await openNative(loadAddon().addon, options, { control() {}, event() {} }, { aes256Gcm: 1, chacha20Poly1305: 1 });
      console.log(plane.device);`;
    const start = (then: string) =>
      Bun.spawn(["ip", "netns", "exec", netns, process.execPath, "-e", opening + then], { stdout: "pipe" });
    const exists = () => evaluate(`return addon.linkExists("tt9")`);

    const killed = start("setInterval(() => {}, 1000); Bun.gc(true);");
    try {
      const { value } = await killed.stdout.getReader().read();
      expect(new TextDecoder().decode(value).trim()).toBe("tt9");
      expect(link("tt9")).toMatchObject({ mtu: 1300, ifalias: aliasOf("fd00::9", killed.pid) });
      expect(addresses("tt9").map((a) => a.local)).toEqual(["fd00::9"]);
    } finally {
      killed.kill("SIGKILL");
      await killed.exited;
    }
    expect(exists()).toBe(false);

    const closed = start("await plane.close(); console.log(loadAddon().addon.linkExists('tt9'));");
    expect(await new Response(closed.stdout).text()).toBe("tt9\nfalse\n");
    expect(await closed.exited).toBe(0);
  });

  test("that a killed daemon of this node left are removed; those of a living one and of other nodes stay", () => {
    const gone = Bun.spawnSync(["true"]).pid; // a pid whose process has ended and was waited for
    const rows = [
      ["tt0", aliasOf("fd00::1", gone)],
      ["tt1", aliasOf("fd00::1", process.pid)],
      ["tt2", aliasOf("fd00::2", gone)],
    ] as const;
    for (const [name, alias] of rows) {
      addTun(name);
      inside("ip", "link", "set", name, "alias", alias);
    }
    expect(evaluate(`return removeAbandoned(addon, "fd00::1")`)).toEqual(["tt0"]);
    expect(evaluate(`return ["tt0", "tt1", "tt2"].map(addon.linkExists)`)).toEqual([false, true, true]);
  });
});

describe.skipIf(!here)("the addon", () => {
  const folder = mkdtempSync(join(tmpdir(), "trellis-system-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test("names the process, user and group behind a Unix socket", async () => {
    const path = join(folder, "control");
    const seen = Promise.withResolvers<ReturnType<Addon["peerCredentials"]>>();
    const server = Bun.listen({
      unix: path,
      socket: {
        open: (socket) => seen.resolve(addon.peerCredentials((socket as unknown as { fd: number }).fd)),
        data: () => {},
      },
    });
    const client = await Bun.connect({ unix: path, socket: { data: () => {} } });
    expect(await seen.promise).toEqual({
      pid: process.pid,
      uid: process.getuid?.() ?? -1,
      gid: process.getgid?.() ?? -1,
    });
    client.end();
    server.stop(true);
  });

  test("has no credentials for what is no connected Unix socket", async () => {
    expect(() => addon.peerCredentials(0x7fff)).toThrow(expect.objectContaining({ code: "EBADF" }));
    expect(() => addon.peerCredentials(-1)).toThrow(TypeError);
    const udp = await Bun.udpSocket({ hostname: "127.0.0.1", socket: {} });
    const { fd } = udp as unknown as { fd: number };
    expect(() => addon.peerCredentials(fd)).toThrow(expect.objectContaining({ code: "ENOTCONN" }));
    udp.close();
  });

  const notify = async (env: Record<string, string>): Promise<string> => {
    const code = `const { loadAddon } = await import("${join(import.meta.dir, "../../runtime/dataplane/addon.io.ts")}"); try { console.log(loadAddon().addon.notifySystemd("READY=1\\nSTATUS=up")); } catch (e) { console.log(e.code) }`;
    const child = Bun.spawn([process.execPath, "-e", code], { env: { ...process.env, ...env } });
    return (await new Response(child.stdout).text()).trim();
  };

  test.skipIf(!able("test/native/system.test.ts (notify)", "command:socat")).each([
    ["a path", (name: string) => join(folder, name), (address: string) => `UNIX-RECVFROM:${address}`],
    ["an abstract name", (name: string) => `@${name}`, (address: string) => `ABSTRACT-RECVFROM:${address.slice(1)}`],
  ])("tells the service manager at %s", async (_, addressFor, listen) => {
    const address = addressFor(`notify-${process.pid}`);
    const listener = Bun.spawn(["socat", "-u", listen(address), "STDOUT"], { stdout: "pipe" });
    while (!(await Bun.file("/proc/net/unix").text()).includes(address)) await Bun.sleep(1);
    expect(await notify({ NOTIFY_SOCKET: address })).toBe("true");
    expect(await new Response(listener.stdout).text()).toBe("READY=1\nSTATUS=up");
    await listener.exited;
  });

  test.each([
    ["says that nobody listens when NOTIFY_SOCKET is not set", "", "false"],
    ["refuses an address that is neither a path nor abstract", "relative", "EINVAL"],
    ["passes on that the manager is gone", "/nonexistent/notify", "ENOENT"],
  ])("%s", async (_, address, want) => {
    expect(await notify({ NOTIFY_SOCKET: address })).toBe(want);
  });

  test("gives the program's code back, and reads it again where it is touched", () => {
    const code = `const { loadAddon } = await import("${join(import.meta.dir, "../../runtime/dataplane/addon.io.ts")}");
      const { readFileSync } = await import("node:fs");
      const { addon } = loadAddon();
      const mapped = () => 1024 * Number(/RssFile:\\s+(\\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);
      const before = mapped();
      const released = addon.releaseCode();
      console.log(JSON.stringify({ before, released, after: mapped(), facts: addon.probe().libcrypto }));`;
    const seen = JSON.parse(run(process.execPath, "-e", code));
    expect(seen.released).toBeGreaterThan(seen.before / 2);
    expect(seen.after).toBeLessThan(seen.before / 2);
    expect(seen.facts).toStartWith("OpenSSL ");
  });

  test("probes without leaving a device behind", () => {
    const devices = (): string => run("ls", "/sys/class/net");
    const before = devices();
    const facts = addon.probe();
    expect(devices()).toBe(before);
    expect(facts.libcrypto).toStartWith("OpenSSL ");
    expect(facts.udpSegment).toBe("");
    const offered = addon.aeadOffers().some(({ library }) => library.startsWith("libipsec-mb "));
    expect(offered).toBe(process.arch === "x64" && facts.ipsecMbLacks === "");
    if (process.getuid?.() !== 0) expect(facts.capNetAdmin && facts.tunCreate !== "").toBe(false);
  });
});
