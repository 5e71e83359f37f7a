/** Datagrams to everybody on a link, between two network namespaces with two wires between them. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { Child } from "../help/child.ts";
import type { LinkAnswers, LinkRequest } from "../help/multicast.ts";
import { able } from "../help/require.ts";
import { must, PATIENCE, run, until } from "../help/shell.ts";

const PROGRAM = join(import.meta.dir, "../help/multicast.ts");
const ready = able("test/native/multicast.test.ts", "addon", "root", "netns", "command:ip");

describe.skipIf(!ready)("a group on a link", () => {
  const spaces = ["a", "b"].map((name) => `trellis-t${process.pid}-mc-${name}`);
  const ends: Child<LinkRequest, LinkAnswers>[] = [];
  const [a, b] = [0, 1].map((i) => () => ends[i] as Child<LinkRequest, LinkAnswers>) as [
    () => Child<LinkRequest, LinkAnswers>,
    () => Child<LinkRequest, LinkAnswers>,
  ];

  beforeAll(async () => {
    for (const ns of spaces) await must(["ip", "netns", "add", ns]);
    for (const wire of ["one", "two"]) {
      const [left, right] = spaces as [string, string];
      await must(
        ["ip", "-n", left, "link", "add", wire, "type", "veth", "peer", "name", wire].concat(["netns", right]),
      );
      for (const [i, ns] of spaces.entries()) {
        await must(["ip", "-n", ns, "link", "set", wire, "addrgenmode", "none"]);
        await must(["ip", "-n", ns, "link", "set", wire, "up"]);
        await must([
          "ip",
          "-n",
          ns,
          "address",
          "add",
          `10.79.${wire.length}${wire === "two" ? 1 : 0}.${i + 1}/24`,
          "dev",
          wire,
        ]);
        await must(["ip", "-n", ns, "address", "add", `fe80::${i + 1}/64`, "dev", wire, "nodad"]);
      }
    }
    for (const ns of spaces) ends.push(new Child(ns, PROGRAM, null));
  });
  beforeEach(async () => {
    for (const end of ends) await end.ask({ call: "open" });
  });
  afterAll(async () => {
    for (const end of ends) await end.end();
    for (const ns of spaces) await run(["ip", "netns", "delete", ns]);
  });

  const heard = (count: number): Promise<LinkAnswers["heard"]> =>
    until(`${count} datagrams`, PATIENCE, async () => {
      const all = await b().ask({ call: "heard" });
      return all.length >= count ? all : undefined;
    });
  const V4 = "10.79.30.1";

  test("brings what is sent, of both families, with where it came from", async () => {
    await b().ask({ call: "join", interface: "one" });
    await a().ask({ call: "send", interface: "one", source: V4, text: "over IPv4" });
    await heard(1);
    await a().ask({ call: "send", interface: "one", source: "fe80::1", text: "over IPv6" });
    expect(await heard(2)).toEqual([
      { address: V4, port: expect.any(Number), text: "over IPv4" },
      { address: "fe80::1%one", port: expect.any(Number), text: "over IPv6" },
    ]);
  });

  test("brings nothing of an interface that was not joined, or was left", async () => {
    await b().ask({ call: "join", interface: "one" });
    await b().ask({ call: "join", interface: "two" });
    await b().ask({ call: "leave", interface: "two" });
    for (const source of ["10.79.31.1", "fe80::1"])
      await a().ask({ call: "send", interface: "two", source, text: "unheard" });
    await a().ask({ call: "send", interface: "one", source: V4, text: "heard" });
    expect((await heard(1)).map((h) => h.text)).toEqual(["heard"]);
  });

  test("may be joined again, and brings each datagram once", async () => {
    for (let i = 0; i < 3; i++) await b().ask({ call: "join", interface: "one" });
    for (const text of ["1", "2"]) await a().ask({ call: "send", interface: "one", source: V4, text });
    expect((await heard(2)).map((h) => h.text)).toEqual(["1", "2"]);
  });

  test("brings nothing that was sent to a host, nor what is too long", async () => {
    await b().ask({ call: "join", interface: "one" });
    for (const to of ["10.79.30.2", "fe80::2%one"]) await a().ask({ call: "unicast", to, text: "to you alone" });
    await a().ask({ call: "send", interface: "one", source: V4, text: "x".repeat(513) });
    await a().ask({ call: "send", interface: "one", source: V4, text: "y".repeat(512) });
    expect((await heard(1)).map((h) => h.text)).toEqual(["y".repeat(512)]);
  });

  test("that is flooded brings a bounded part of it, and goes on", async () => {
    await b().ask({ call: "join", interface: "one" });
    await a().ask({ call: "flood", interface: "one", source: V4, count: 20_000 });
    await heard(1);
    await until("the end", PATIENCE, async () => {
      await a().ask({ call: "send", interface: "one", source: V4, text: "the end" });
      return (await b().ask({ call: "heard" })).some((h) => h.text === "the end") ? true : undefined;
    });
    expect((await b().ask({ call: "heard" })).length).toBeLessThan(10_000);
  });

  test("says why it cannot be joined, sent to or opened", async () => {
    for (const request of [
      { call: "join", interface: "none" },
      { call: "send", interface: "one", source: "192.0.2.99", text: "not mine" },
      { call: "send", interface: "one", source: "nowhere", text: "no address" },
    ] as const)
      await expect(b().ask(request)).rejects.toThrow(/ENODEV|ENETUNREACH|EINVAL|IP address/);
    const { addon } = (await import("../../runtime/dataplane/addon.io.ts")).loadAddon();
    const open = (v4: string, v6: string, port: number) => () => addon?.openMulticast({ v4, v6, port }, () => {});
    expect(open("10.0.0.1", "ff12::d472:6c73", 1)).toThrow(TypeError);
    expect(open("239.255.84.108", "ff0e::1", 1)).toThrow(TypeError);
    expect(open("239.255.84.108", "ff12::d472:6c73", 0)).toThrow(TypeError);
  });
});
