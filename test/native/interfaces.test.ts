/** Interfaces and their changes as the addon hears them from the kernel, in a network namespace of the test's own. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { NetworkInterface } from "../../runtime/dataplane/interfaces.ts";
import { Child } from "../help/child.ts";
import { able } from "../help/require.ts";
import { must, PATIENCE, run, until } from "../help/shell.ts";
import type { WatchAnswers, WatchRequest } from "../help/watch-interfaces.ts";

const PROGRAM = join(import.meta.dir, "../help/watch-interfaces.ts");
const ready = able("test/native/interfaces.test.ts", "addon", "root", "netns", "command:ip");

describe.skipIf(!ready)("the addon", () => {
  const netns = `trellis-t${process.pid}-links`;
  const ip = (...words: readonly string[]): Promise<string> => must(["ip", "-n", netns, ...words]);
  let watch: Child<WatchRequest, WatchAnswers>;

  beforeAll(async () => {
    await must(["ip", "netns", "add", netns]);
    await ip("link", "set", "lo", "up");
    watch = new Child(netns, PROGRAM, null);
  });
  afterEach(() => run(["ip", "-n", netns, "link", "delete", "tt0"]));
  afterAll(async () => {
    await watch.end();
    await run(["ip", "netns", "delete", netns]);
  });

  const now = async (): Promise<NetworkInterface | undefined> =>
    (await watch.ask({ call: "interfaces" })).find((i) => i.name === "tt0");
  /** What the program read when it was last called. */
  const told = async (): Promise<NetworkInterface | undefined> =>
    (await watch.ask({ call: "told" })).interfaces.find((i) => i.name === "tt0");
  const untilTold = (what: string, isSo: (tt0: NetworkInterface | undefined) => boolean): Promise<true> =>
    until(what, PATIENCE, async () => (isSo(await told()) ? true : undefined));
  const texts = (tt0: NetworkInterface | undefined): string[] => tt0?.addresses.map((a) => a.address) ?? [];

  test("lists interfaces with what they are and have", async () => {
    await ip("link", "add", "tt0", "type", "veth", "peer", "name", "end");
    await ip("address", "add", "10.79.0.1/24", "dev", "tt0");
    await ip("link", "set", "tt0", "alias", "uplink");
    expect(await now()).toMatchObject({
      index: expect.any(Number),
      alias: "uplink",
      up: false,
      loopback: false,
      multicast: true,
      pointToPoint: false,
      addresses: [{ address: "10.79.0.1", prefixLength: 24, temporary: false }],
    });
    await ip("link", "set", "tt0", "up"); // without a carrier: the other end is down
    expect(await now()).toMatchObject({ up: true });
    const [lo] = await watch.ask({ call: "interfaces" });
    expect(lo).toMatchObject({ name: "lo", loopback: true, multicast: false });
  });

  test("leaves out addresses that cannot be used yet or are on their way out", async () => {
    await ip("link", "add", "tt0", "type", "veth", "peer", "name", "end");
    await ip("link", "set", "end", "up");
    await ip("link", "set", "tt0", "up");
    await ip("address", "add", "2001:db8::1/64", "dev", "tt0", "nodad");
    await ip("address", "add", "2001:db8::2/64", "dev", "tt0", "nodad", "preferred_lft", "0");
    expect(texts(await now())).toContain("2001:db8::1");
    expect(texts(await now())).not.toContain("2001:db8::2");
    await ip("address", "add", "2001:db8::3/64", "dev", "tt0"); // tentative for a second or more
    await untilTold("the end of duplicate detection", (tt0) => texts(tt0).includes("2001:db8::3"));
  });

  test("hears of interfaces and addresses that come, change and go", async () => {
    await ip("link", "add", "tt0", "type", "veth", "peer", "name", "end");
    await untilTold("the interface", (tt0) => tt0 !== undefined);
    await ip("link", "set", "tt0", "up");
    await untilTold("its being up", (tt0) => tt0?.up === true);
    await ip("address", "add", "10.79.0.1/24", "dev", "tt0");
    await untilTold("the address", (tt0) => texts(tt0).includes("10.79.0.1"));
    await ip("address", "del", "10.79.0.1/24", "dev", "tt0");
    await untilTold("the address to be gone", (tt0) => !texts(tt0).includes("10.79.0.1"));
    const before = (await now())?.index;
    await ip("link", "delete", "tt0");
    await untilTold("the interface to be gone", (tt0) => tt0 === undefined);
    await ip("link", "add", "tt0", "type", "veth", "peer", "name", "end");
    await untilTold("another of its name", (tt0) => tt0 !== undefined && tt0.index !== before);
  });

  const addressesTo = (count: number): string =>
    Array.from({ length: count }, (_, i) => `address add 10.80.${i >> 8}.${i & 255}/32 dev tt0`).join("\n");

  test("takes a burst of changes as few", async () => {
    await ip("link", "add", "tt0", "type", "veth", "peer", "name", "end");
    await untilTold("the interface", (tt0) => tt0 !== undefined);
    const before = (await watch.ask({ call: "told" })).times;
    const { code } = await run(["ip", "-n", netns, "-batch", "-"], new TextEncoder().encode(addressesTo(1000)));
    expect(code).toBe(0);
    await untilTold("all addresses", (tt0) => texts(tt0).length === 1000);
    expect((await watch.ask({ call: "told" })).times - before).toBeLessThan(200);
  });

  test("has the truth also after events that the kernel had to drop", async () => {
    await ip("link", "add", "tt0", "type", "veth", "peer", "name", "end");
    await untilTold("the interface", (tt0) => tt0 !== undefined);
    watch.signal("SIGSTOP"); // its socket's buffer holds some hundred events
    const { code } = await run(["ip", "-n", netns, "-batch", "-"], new TextEncoder().encode(addressesTo(4000)));
    expect(code).toBe(0);
    watch.signal("SIGCONT");
    await untilTold("all addresses", (tt0) => texts(tt0).length === 4000);
    await ip("address", "flush", "dev", "tt0");
    await untilTold("their end", (tt0) => texts(tt0).length === 0);
  });

  test("says no more once it is told to stop, and lets the process end", async () => {
    const { addon } = (await import("../../runtime/dataplane/addon.io.ts")).loadAddon();
    const watching = addon?.watchInterfaces(() => {});
    watching?.close();
    watching?.close();
    const code = `import { loadAddon } from "${join(import.meta.dir, "../../runtime/dataplane/addon.io.ts")}";
      globalThis.kept = loadAddon().addon.watchInterfaces(() => {}); console.log("watching");`;
    expect(await must([process.execPath, "-e", code])).toBe("watching\n");
    expect(() => addon?.watchInterfaces(undefined as never)).toThrow(TypeError);
  });
});
