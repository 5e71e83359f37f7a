/** Records of daemons in a line: whoever writes, all read, across a partition and a power cut; and who was revoked reads no more. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { call } from "../../runtime/api/client.io.ts";
import { type TestGateway, TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { must, run } from "../help/shell.ts";
import { trellisLine } from "../help/trellis.ts";

const FILE = "test/netns/sync.test.ts";
const ready = able(FILE, "root", "netns", "command:ip");

interface Status {
  readonly records: number | null;
  readonly digest: string | null;
  readonly pending: number;
  readonly neighbours: readonly string[];
}
interface Found {
  readonly values: readonly { readonly author: string; readonly value: string }[];
}

/** Over the control socket itself: a program for each of a thousand writes would be the test of nothing. */
const ask = <T>(g: TestGateway, method: string, params: Record<string, string> = {}): Promise<T> =>
  call<T>(join(g.stateDir, "control.sock"), method, params, 60_000);
const status = (g: TestGateway): Promise<Status> => ask<Status>(g, "sync-status");
const put = (g: TestGateway, key: string, value: string): Promise<unknown> =>
  ask(g, "sync-put", { key, value: Buffer.from(value).toString("base64") });

async function get(g: TestGateway, key: string): Promise<string | undefined> {
  const [first] = (await ask<Found>(g, "sync-get", { key })).values;
  return first && Buffer.from(first.value, "base64").toString();
}

const untilReads = (g: TestGateway, key: string, value: string): Promise<true> =>
  until(`${key} at ${g.name}`, async () => {
    const found = await get(g, key).catch(() => undefined); // its group key may be on the way
    return found === value ? true : undefined;
  });

const untilAlike = (gateways: readonly TestGateway[], records: number): Promise<true> =>
  until(
    `${records} records, alike at all`,
    async () => {
      const all = await Promise.all(gateways.map(status));
      return all.every((s) => s.digest === all[0]?.digest && s.records === records) ? true : undefined;
    },
    60_000,
  );

/** Founds a mesh at the second, which the others join. */
async function joined(net: TestNet, founder: TestGateway, ...options: readonly string[]): Promise<void> {
  await founder.json("init", "--name", founder.name);
  await founder.start(...options);
  for (const g of net.gateways) {
    if (g === founder) continue;
    const { token } = await founder.json<{ token: string }>("invite");
    await g.json("join", token, "--name", g.name);
    await g.start(...options);
  }
}

const untilNeighbours = (g: TestGateway, ...names: readonly string[]): Promise<true> =>
  until(`records between ${g.name} and ${names.join(", ")}`, async () => {
    const neighbours = await status(g).then(
      (s) => s.neighbours,
      (): readonly string[] => [],
    );
    return names.every((name) => neighbours.includes(name)) ? true : undefined;
  });

describe.skipIf(!ready)("records of three gateways in a line", () => {
  const net = new TestNet("a", "r", "b");
  const [a, r, b] = net.gateways as [TestGateway, TestGateway, TestGateway];
  const options = ["--no-device"];
  beforeAll(async () => {
    await net.buildWires(["a", "r"], ["r", "b"]);
    await joined(net, r, ...options);
    await untilNeighbours(r, "a", "b");
  });
  afterAll(() => net.remove());

  test("written at one end by the command are read at the other", async () => {
    const put = await a.json<{ bytes: number }>("sync", "put", "site/a", "first");
    expect(put).toMatchObject({ bytes: 5 });
    await untilReads(b, "site/a", "first");
    expect((await b.trellis("sync", "get", "site/a")).stdout).toBe("first");
    expect((await b.trellis("sync", "records")).stdout).toMatch(/application +site\/a +a +1/);
    expect((await b.trellis("sync", "status")).stdout).toContain("exchanged with  r\n"); // not with a, through it
  });

  test("as large as they may be travel in pieces", async () => {
    const file = join(net.folder, "large");
    const bytes = randomBytes(1024 ** 2);
    writeFileSync(file, bytes);
    await a.json("sync", "put", "large", "--file", file);
    const found = await until("the large one", async () => {
      const [first] = (await ask<Found>(b, "sync-get", { key: "large" })).values;
      return first;
    });
    expect(Buffer.from(found.value, "base64").equals(bytes)).toBe(true);
    const { stderr, code } = await a.trellis("sync", "put", "larger", "--file", "/dev/null", "--delete");
    expect({ code, stderr }).toMatchObject({ code: 2, stderr: expect.stringContaining("one of them alone") });
  });

  test("that were deleted are deleted everywhere", async () => {
    await a.json("sync", "put", "large", "--delete");
    await until("the deletion", async () => ((await get(b, "large")) === undefined ? true : undefined));
    const { code, stderr } = await b.trellis("--json", "sync", "get", "large");
    expect({ code, error: JSON.parse(stderr) }).toMatchObject({ code: 1, error: { error: { code: "sync/none" } } });
  });

  test("written on both sides of a partition are alike after it", async () => {
    const before = (await status(r)).records as number;
    await net.cut(1);
    for (let i = 0; i < 20; i++)
      await Promise.all([a, b].flatMap((g) => [0, 1, 2, 3, 4].map((k) => put(g, `${g.name}/${i * 5 + k}`, `${i}`))));
    expect((await status(a)).digest).not.toBe((await status(b)).digest);
    await net.mend(1);
    await untilAlike([a, r, b], before + 200);
    expect(await get(a, "b/99")).toBe("19");
    expect(await get(b, "a/99")).toBe("19");
  });

  test("that were acknowledged outlive a kill under writes, and reach the others", async () => {
    const acknowledged: string[] = [];
    let alive = true;
    const writers = [0, 1, 2, 3].map(async (w) => {
      for (let i = 0; alive; i++) {
        const key = `kill/${w}-${i % 50}`;
        if (
          await put(b, key, `${i}`).then(
            () => true,
            () => false,
          )
        )
          acknowledged.push(`${key} ${i}`);
        else return;
      }
    });
    await until("some writes", async () => (acknowledged.length > 100 ? true : undefined));
    await b.end("SIGKILL");
    alive = false;
    await Promise.all(writers);
    const last = new Map(acknowledged.map((line) => line.split(" ") as [string, string]));
    await b.start(...options);
    await until("the store", async () => ((await status(b)).records === null ? undefined : true));
    // A write that was cut off may be there as well.
    for (const [key, value] of last) expect(Number(await get(b, key))).toBeGreaterThanOrEqual(Number(value));
    const { records } = await status(b);
    await untilAlike([a, r, b], records as number);
  });

  test("are watched as they come", async () => {
    const child = Bun.spawn(a.inside(...trellisLine(a.stateDir, "--json", "sync", "watch")), {
      stdout: "pipe",
      stderr: "ignore",
    });
    const reader = child.stdout.getReader();
    const heard = reader.read();
    let seen = false;
    void heard.then(() => {
      seen = true;
    });
    for (let i = 0; !seen; i++) {
      await put(b, "watched", `${i}`);
      await Bun.sleep(100);
    }
    const { value } = await heard;
    expect(JSON.parse(new TextDecoder().decode(value).split("\n")[0] as string)).toMatchObject({
      record: "application",
      key: "watched",
      author: "b",
      deleted: false,
    });
    child.kill();
    await child.exited;
  });

  test("that are written after a revocation are none of the revoked one's; what it wrote goes", async () => {
    await put(b, "by/b", "x");
    await untilReads(a, "by/b", "x");
    const { nodeId } = await b.json<{ nodeId: string }>("status");
    await r.json("revoke", "b");
    await until("the revocation at a", async () => {
      const { revoked } = await a.json<{ revoked: { nodeId: string }[] }>("members");
      return revoked.some((m) => m.nodeId === nodeId) ? true : undefined;
    });
    await put(a, "secret", "after");
    await untilReads(r, "secret", "after");
    await until("b's records to go", async () => ((await get(a, "by/b")) === undefined ? true : undefined));
    // It holds neither the record nor the key; and it may write no more.
    expect(await get(b, "secret")).toBeUndefined();
    await until("b to be told", async () => {
      const { stderr } = await b.trellis("sync", "put", "x", "y");
      return stderr.includes("may not write") ? true : undefined;
    });
    const members = await a.json<{ members: { name: string; state: string }[] }>("members");
    expect(members.members.map((m) => m.name)).toEqual(["a", "r"]);
    expect((await run(["grep", "-c", "records failed", `${a.stateDir}.log`])).stdout.trim()).toBe("0");
  });
});

const withClients = able(
  FILE,
  "root",
  "tun",
  "netns",
  "addon",
  "command:ip",
  "command:mosquitto_pub",
  "command:mosquitto_sub",
);

describe.skipIf(!withClients)("MQTT", () => {
  const net = new TestNet("a", "b", "stranger");
  const [a, b, stranger] = net.gateways as [TestGateway, TestGateway, TestGateway];
  const publish = async (on: TestGateway, host: string, topic: string, text: string): Promise<number> =>
    (await run(on.inside("mosquitto_pub", "-h", host, "-V", "mqttv311", "-q", "1", "-t", topic, "-m", text))).code;
  /** What is retained, or comes, within the patience of `mosquitto_sub`. */
  const hear = async (on: TestGateway, host: string, topic: string): Promise<string> =>
    (
      await run(on.inside("mosquitto_sub", "-h", host, "-V", "mqttv311", "-v", "-C", "1", "-W", "20", "-t", topic))
    ).stdout.trim();
  let at = "";

  beforeAll(async () => {
    await net.build();
    await a.json("init", "--name", "a");
    await a.start("--mqtt", "mesh", "--mqtt-allow", "member publish from/members/#");
    const { token } = await a.json<{ token: string }>("invite");
    await b.json("join", token, "--name", "b");
    await b.start();
    await untilNeighbours(a, "b");
    at = (await a.json<{ address: string }>("status")).address;
  });
  afterAll(() => net.remove());

  test("published on one gateway is retained on the other", async () => {
    expect(await publish(a, "127.0.0.1", "mesh/site/t", "21.5")).toBe(0);
    await untilReads(b, "site/t", "21.5");
    expect(await hear(b, "127.0.0.1", "mesh/#")).toBe("mesh/site/t 21.5");
    expect((await b.trellis("sync", "get", "site/t")).stdout).toBe("21.5");
  });

  test("is told to who subscribed on the other gateway, as it comes", async () => {
    const heard = hear(b, "127.0.0.1", "mesh/live");
    let told = false;
    void heard.then(() => {
      told = true;
    });
    for (let i = 0; !told; i++) {
      expect(await publish(a, "127.0.0.1", "mesh/live", `${i}`)).toBe(0);
      await Bun.sleep(100);
    }
    expect(await heard).toMatch(/^mesh\/live \d+$/);
  });

  test("written by the command is heard as well", async () => {
    const heard = hear(a, "127.0.0.1", "mesh/by-command");
    await a.json("sync", "put", "by-command", "x");
    expect(await heard).toBe("mesh/by-command x");
  });

  test("on the overlay address is for members, by what the rules let them", async () => {
    expect(await hear(b, at, "mesh/site/t")).toBe("mesh/site/t 21.5");
    expect(await publish(b, at, "mesh/site/t", "forged")).not.toBe(0);
    expect(await publish(b, at, "from/members/b", "x")).toBe(0);
    expect(await publish(b, at, "from/others", "x")).not.toBe(0);
    expect(await get(a, "site/t")).toBe("21.5");
  });

  test("is not for a stranger on the cable, though its packets reach the address", async () => {
    const mac = JSON.parse(await must(a.inside("ip", "-json", "link", "show", "eth0"))) as {
      address: string;
    }[];
    for (const [g, ...words] of [
      [a, "address", "add", "fd99::1/64", "dev", "eth0", "nodad"], // or no answer would find its way
      [stranger, "address", "add", "fd99::2/64", "dev", "eth0", "nodad"],
      [stranger, "route", "add", `${at}/128`, "dev", "eth0"],
      [stranger, "neighbour", "add", at, "lladdr", mac[0]?.address as string, "dev", "eth0"],
    ] as const)
      await must(g.inside("ip", "-6", ...words));
    const refused = async (): Promise<number> =>
      (await a.json<{ counters: Record<string, number> }>("status")).counters["broker.refused"] ?? 0;
    const caller = Bun.spawn(stranger.inside("mosquitto_sub", "-h", at, "-V", "mqttv311", "-v", "-t", "mesh/#"), {
      stdout: "pipe",
      stderr: "ignore",
    });
    await until("a refusal", async () => ((await refused()) > 0 ? true : undefined));
    caller.kill();
    expect(await new Response(caller.stdout).text()).toBe("");
  });

  test("gives way to another program on its port, says so, and comes back", async () => {
    await b.end("SIGTERM");
    const taken = Bun.spawn(
      b.inside(
        process.execPath,
        "-e",
        'Bun.listen({ hostname: "127.0.0.1", port: 1883, socket: { data() {} } }); console.log("up")',
      ),
      { stdout: "pipe" },
    );
    await taken.stdout.getReader().read();
    await b.start();
    const mqtt = async (): Promise<{ on: string[]; reason: string | null } | null> =>
      (await b.json<{ sync: { mqtt: { on: string[]; reason: string | null } | null } }>("status")).sync.mqtt;
    await until("the reason", async () => ((await mqtt())?.reason?.includes("EADDRINUSE") ? true : undefined));
    expect((await b.trellis("status")).stdout).toContain("MQTT       not served: cannot serve MQTT on 127.0.0.1");
    taken.kill();
    await taken.exited;
    await until("the broker", async () => ((await mqtt())?.on.length === 1 ? true : undefined), 60_000);
    expect(await hear(b, "127.0.0.1", "mesh/site/t")).toBe("mesh/site/t 21.5");
  });
});
