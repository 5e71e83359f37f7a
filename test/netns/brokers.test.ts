/**
 * Records of daemons by way of Debian's Mosquitto, with TLS, password and client certificates:
 *
 *   a ── x ── b ── c, d   x has no gateway, only the broker, and passes nothing on; c and d know of no broker
 *   └────────┘            this wire is cut; d joins then
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { call } from "../../runtime/api/client.io.ts";
import { certificates, MOSQUITTO, Mosquitto } from "../help/mosquitto.ts";
import { type TestGateway, TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { must } from "../help/shell.ts";

const FILE = "test/netns/brokers.test.ts";
const needs = ["root", "netns", "command:ip", "command:openssl", "command:mosquitto_passwd"] as const;
const ready = able(FILE, ...needs) && MOSQUITTO !== null;

const PORT = 8883;

interface Status {
  readonly records: number;
  readonly digest: string;
  readonly neighbours: readonly string[];
  readonly atBrokers: readonly string[];
  readonly brokers: readonly { url: string; protocol: string | null; members: number; reason: string | null }[];
}
const ask = <T>(g: TestGateway, method: string, params: Record<string, string> = {}): Promise<T> =>
  call<T>(join(g.stateDir, "control.sock"), method, params, 60_000);
const status = (g: TestGateway): Promise<Status> => ask<Status>(g, "sync-status");
const put = (g: TestGateway, key: string, value: string): Promise<unknown> =>
  ask(g, "sync-put", { key, value: Buffer.from(value).toString("base64") });
const untilReads = (g: TestGateway, key: string, value: string): Promise<true> =>
  until(`${key} at ${g.name}`, async () => {
    const found = await ask<{ values: { value: string }[] }>(g, "sync-get", { key }).catch(() => undefined);
    const [first] = found?.values ?? [];
    return (first && Buffer.from(first.value, "base64").toString() === value) || undefined;
  });
const untilMet = (g: TestGateway, ...names: readonly string[]): Promise<true> =>
  until(
    `${names.join()} by broker at ${g.name}`,
    async () => (await status(g).catch(() => undefined))?.atBrokers.join() === names.join() || undefined,
  );

describe.skipIf(!ready)("two halves of a mesh", () => {
  const net = new TestNet("a", "x", "b", "c", "d");
  const [a, x, b, c, d] = net.gateways as [TestGateway, TestGateway, TestGateway, TestGateway, TestGateway];
  const at = (name: string): string => join(net.folder, name);
  let broker: Mosquitto;
  const credentials = [
    ...["--broker-user", "gateway", "--broker-password-file", at("password")],
    ...["--broker-ca", at("ca.pem"), "--broker-cert", at("client.pem"), "--broker-key", at("client.key")],
  ];
  const url = { a: `mqtts://10.78.1.2:${PORT}`, b: `mqtts://10.78.2.1:${PORT}` };

  beforeAll(async () => {
    await net.buildWires(["a", "x"], ["x", "b"], ["a", "b"], ["b", "c"], ["b", "d"]);
    await certificates(net.folder, "IP:10.78.1.2,IP:10.78.2.1");
    writeFileSync(at("passwords"), "");
    await must(["mosquitto_passwd", "-b", at("passwords"), "gateway", "secret"]);
    writeFileSync(at("password"), "secret\n");
    broker = new Mosquitto({
      port: PORT,
      inside: x.inside(),
      lines: [
        ...["allow_anonymous false", `password_file ${at("passwords")}`, "require_certificate true"],
        ...[`cafile ${at("ca.pem")}`, `certfile ${at("server.pem")}`, `keyfile ${at("server.key")}`],
      ],
    });
    await broker.start();
    await b.json("init", "--name", "b");
    await b.start("--no-device", "--broker", url.b, ...credentials);
    for (const g of [a, c]) {
      const { token } = await b.json<{ token: string }>("invite");
      await g.json("join", token, "--name", g.name);
    }
    await a.start("--no-device", "--broker", url.a, ...credentials);
    await c.start("--no-device");
    await put(b, "first", "together"); // makes the group's key
    for (const g of [a, c]) await untilReads(g, "first", "together");
  });
  afterAll(async () => {
    await broker?.remove();
    await net.remove();
  });

  test("with a link speak over that, and are both at the broker", async () => {
    const there = async (): Promise<Status | undefined> => {
      const s = await status(a);
      return s.brokers[0]?.members === 1 ? s : undefined;
    };
    const s = await until("b at the broker", there);
    expect(s.brokers).toEqual([{ url: url.a, protocol: "MQTT 3.1.1", members: 1, reason: null }]);
    expect({ neighbours: s.neighbours, atBrokers: s.atBrokers }).toEqual({ neighbours: ["b"], atBrokers: [] });
  });

  test("without one hear of each other's records by the broker", async () => {
    await net.cut(3);
    await put(a, "from/a", "1");
    await put(c, "from/c", "2");
    await untilReads(c, "from/a", "1");
    await untilReads(a, "from/c", "2");
    await untilMet(a, "b");
    const { stdout } = await a.trellis("sync", "status");
    expect(stdout).toContain("exchanged with  b (by broker)\n");
    expect(stdout).toContain(`brokers         ${url.a}: MQTT 3.1.1, 1 other there\n`);
    expect((await status(c)).brokers).toEqual([]);
  });

  test("hear by the broker who joined in the other, and take its records", async () => {
    const { token } = await b.json<{ token: string }>("invite");
    await d.json("join", token, "--name", "d");
    await d.start("--no-device");
    await untilReads(d, "first", "together"); // it has the group's key, and makes none of its own
    await put(d, "from/d", "7");
    await untilReads(a, "from/d", "7");
    const { members } = await a.json<{ members: { name: string }[] }>("members");
    expect(members.map(({ name }) => name)).toEqual(["a", "b", "c", "d"]);
  });

  test("go on each for itself while it is dead, and agree when it is back", async () => {
    await broker.kill();
    await put(c, "meanwhile/c", "3");
    await untilReads(b, "meanwhile/c", "3");
    await put(a, "meanwhile/a", "4");
    await until("its death", async () => (await status(a)).brokers[0]?.reason ?? undefined);
    expect((await a.trellis("sync", "status")).stdout).toContain(`${url.a}: not connected: `);
    await broker.start();
    await untilReads(c, "meanwhile/a", "4");
    await untilReads(a, "meanwhile/c", "3");
    await until("one digest everywhere", async () => {
      const all = await Promise.all([a, b, c].map(status));
      return new Set(all.map((s) => s.digest)).size === 1 || undefined;
    });
  });

  test("with a link again need no broker", async () => {
    await net.mend(3);
    await untilMet(a);
    await broker.kill();
    await put(a, "again", "5");
    await untilReads(c, "again", "5");
  });

  test("hear by the broker who was revoked in the other", async () => {
    await net.cut(3);
    await broker.start();
    await untilMet(a, "b");
    await b.json("revoke", "c");
    const isGone = async (): Promise<true | undefined> => {
      const { members } = await a.json<{ members: { name: string }[] }>("members");
      return members.every(({ name }) => name !== "c") || undefined;
    };
    await until("the revocation", isGone);
    await put(b, "after", "6"); // under a key that c has not, and a has not either until a session brings it
    await net.mend(3);
    await untilReads(a, "after", "6");
  });
});
