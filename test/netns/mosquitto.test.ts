/** Mosquitto beside a gateway: what MQTT 5 gives its programs, and `mesh/` topics that are records all the same. The other gateway has our own broker. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { call } from "../../runtime/api/client.io.ts";
import { MOSQUITTO } from "../help/mosquitto.ts";
import { publish, retained, Subscriber, untilRetained } from "../help/mqtt-clients.ts";
import { type TestGateway, TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { must } from "../help/shell.ts";

const FILE = "test/netns/mosquitto.test.ts";
const ready = able(FILE, "root", "netns", "command:ip", "command:mosquitto_pub") && MOSQUITTO !== null;
const withDevice = ready && able(FILE, "tun", "addon");

const ask = <T>(g: TestGateway, method: string, params: Record<string, string> = {}): Promise<T> =>
  call<T>(join(g.stateDir, "control.sock"), method, params, 60_000);
const put = (g: TestGateway, key: string, value: string): Promise<unknown> =>
  ask(g, "sync-put", { key, value: Buffer.from(value).toString("base64") });
async function get(g: TestGateway, key: string): Promise<string | undefined> {
  const [first] = (await ask<{ values: { value: string }[] }>(g, "sync-get", { key })).values;
  return first && Buffer.from(first.value, "base64").toString();
}
const untilReads = (g: TestGateway, key: string, value: string | undefined): Promise<true> =>
  until(`${key} at ${g.name}`, async () => ((await get(g, key).catch(() => "")) === value ? true : undefined));
const counter = async (g: TestGateway, name: string): Promise<number> =>
  (await g.json<{ counters: Record<string, number> }>("status")).counters[name] ?? 0;
const untilServed = (g: TestGateway): Promise<true> =>
  until(`MQTT at ${g.name}`, async () => {
    const { sync } = await g.json<{ sync: { mqtt: { on: string[]; reason: string | null } | null } }>("status");
    return (sync.mqtt !== null && sync.mqtt.on.length > 0 && sync.mqtt.reason === null) || undefined;
  });

describe.skipIf(!ready)("programs of a gateway with Mosquitto", () => {
  const net = new TestNet("a", "b");
  const [a, b] = net.gateways as [TestGateway, TestGateway];
  beforeAll(async () => {
    await net.build();
    await a.json("init", "--name", "a");
    await a.start("--no-device", "--mqtt-broker", "mosquitto");
    const { token } = await a.json<{ token: string }>("invite");
    await b.json("join", token, "--name", "b");
    await b.start("--no-device");
    await untilServed(a);
    await put(a, "first", "1");
    await untilReads(b, "first", "1");
  });
  afterAll(() => net.remove());

  test("see at which broker they are", async () => {
    expect((await a.trellis("status")).stdout).toContain("MQTT       at 127.0.0.1:1883 (Mosquitto)\n");
  });

  test("give messages properties of their own", async () => {
    const s = await Subscriber.on(a, "-t", "plain/#", "-F", "%t %p %P");
    await publish(a, "-t", "plain/x", "-m", "hi", "-D", "publish", "user-property", "unit", "kelvin");
    expect(await s.untilHeard(1)).toEqual(["plain/x hi unit:kelvin"]);
    await s.end();
  });

  test("let messages expire, but not what is a record", async () => {
    const expiring = ["-r", "-D", "publish", "message-expiry-interval", "1"];
    await publish(a, "-r", "-t", "kept/stays", "-m", "x");
    await publish(a, ...expiring, "-t", "mesh/expiring", "-m", "record");
    await untilReads(b, "expiring", "record");
    await publish(a, ...expiring, "-t", "kept/goes", "-m", "x");
    await untilRetained(a, "kept/goes", undefined);
    expect(await retained(a, "kept/stays")).toBe("kept/stays x");
    expect(await retained(a, "mesh/expiring")).toBe("mesh/expiring record");
  });

  test("share a subscription", async () => {
    const both = await Promise.all([1, 2].map(() => Subscriber.on(a, "-t", "$share/workers/jobs/#")));
    const jobs = Array.from({ length: 10 }, (_, i) => `jobs/${i} do`);
    for (const job of jobs) await publish(a, "-t", job.split(" ")[0] as string, "-m", "do");
    const heard = (): string[] => both.flatMap((s) => s.heard);
    await until("all jobs", async () => heard().length >= jobs.length || undefined);
    expect(heard().sort()).toEqual(jobs);
    for (const s of both) {
      expect(s.heard.length).toBeGreaterThan(0);
      await s.end();
    }
  });

  test("hear what another gateway wrote, as it comes and retained", async () => {
    const s = await Subscriber.on(a, "-t", "mesh/from/+");
    await put(b, "from/b", "21.5");
    expect(await s.untilHeard(1)).toEqual(["mesh/from/b 21.5"]);
    expect(await retained(a, "mesh/from/b")).toBe("mesh/from/b 21.5");
    await b.json("sync", "put", "from/b", "--delete");
    await untilRetained(a, "mesh/from/b", undefined);
    await s.end();
  });

  test("publish below mesh/, and another gateway has it; here it is told once", async () => {
    const s = await Subscriber.on(a, "-t", "mesh/once/#");
    for (const value of ["1", "2"]) {
      await publish(a, "-r", "-t", "mesh/once/x", "-m", value);
      await untilReads(b, "once/x", value);
    }
    await put(b, "once/end", "3");
    expect(await s.untilHeard(3)).toEqual(["mesh/once/x 1", "mesh/once/x 2", "mesh/once/end 3"]);
    await publish(a, "-r", "-n", "-t", "mesh/once/x");
    await untilReads(b, "once/x", undefined);
    await s.end();
  });

  test("publish without retaining, and it is retained all the same", async () => {
    const s = await Subscriber.on(a, "-t", "mesh/plain");
    await publish(a, "-t", "mesh/plain", "-m", "1");
    expect(await s.untilHeard(2)).toEqual(["mesh/plain 1", "mesh/plain 1"]);
    await untilReads(b, "plain", "1");
    expect(await retained(a, "mesh/plain")).toBe("mesh/plain 1");
    await s.end();
  });

  test("end with what the others have, when both publish to one topic at once", async () => {
    for (let round = 0; round < 20; round++)
      await Promise.all([
        publish(a, "-r", "-t", "mesh/contended", "-m", `a${round}`),
        put(b, "contended", `b${round}`),
        put(a, "contended", `c${round}`),
      ]);
    const alike = async (): Promise<true | undefined> => {
      const [x, y, z] = await Promise.all([get(a, "contended"), get(b, "contended"), retained(a, "mesh/contended")]);
      return (x !== undefined && x === y && z === `mesh/contended ${x}`) || undefined;
    };
    expect(await until("one value everywhere", alike)).toBe(true);
  });

  test("are refused what belongs to the broker", async () => {
    for (const topic of ["$SYS/x", "$trellis/mark"])
      expect((await publish(a, "-t", topic, "-m", "x")).stderr).toContain("Not authorized");
  });

  test("are cut off with a message that is larger than any", async () => {
    const file = join(net.folder, "large");
    writeFileSync(file, Buffer.alloc(2 * 1024 ** 2));
    expect((await publish(a, "-V", "mqttv311", "-t", "large", "-f", file)).code).not.toBe(0);
  });

  test("publish below mesh/ what is no record: it is counted, logged and taken back", async () => {
    const before = await counter(a, "broker.failed");
    const file = join(net.folder, "large");
    writeFileSync(file, Buffer.alloc(1024 ** 2 + 1, "x"));
    const long = `mesh/${"k".repeat(129)}`;
    await put(b, "too/large", "before");
    await untilRetained(a, "mesh/too/large", "mesh/too/large before");
    expect((await publish(a, "-r", "-t", "mesh/too/large", "-f", file)).code).toBe(0); // by Mosquitto, which does not know
    expect((await publish(a, "-r", "-t", long, "-m", "x")).code).toBe(0);
    await untilRetained(a, "mesh/too/large", "mesh/too/large before");
    await untilRetained(a, long, undefined);
    await until("both counted", async () => (await counter(a, "broker.failed")) >= before + 2 || undefined);
    expect(await counter(a, "broker.failed")).toBe(before + 2);
    for (let i = 0, full = false; !full; i += 16) {
      const some = await Promise.allSettled(Array.from({ length: 16 }, (_, k) => put(a, `fill/${i + k}`, "x")));
      full = some.every(({ status }) => status === "rejected");
    }
    expect((await publish(a, "-r", "-t", "mesh/over/quota", "-m", "x")).code).toBe(0);
    await untilRetained(a, "mesh/over/quota", undefined);
    await until("it counted", async () => (await counter(a, "broker.failed")) >= before + 3 || undefined);
    expect(await counter(a, "broker.failed")).toBe(before + 3);
    const log = await Bun.file(`${a.stateDir}.log`).text();
    expect(log).toMatch(/a message of the mesh was not taken topic=mesh\/over\/quota error=.*which is the limit/);
  });

  test("may publish more than waits for who is away: what is dropped is counted, and logged", async () => {
    const away = await Subscriber.on(a, "-t", "much/#", "-i", "away", "-c", "-x", "3600");
    await away.end();
    const load = ["127.0.0.1", "1883", "much/", "1", "10", "21000", "1000"];
    await must(a.inside(process.execPath, join(import.meta.dir, "../help/mqtt-load.ts"), ...load));
    const dropped = await until("the count", async () => (await counter(a, "broker.dropped")) || undefined);
    expect(dropped).toBeLessThanOrEqual(1_000); // what is above what may wait
    expect(await Bun.file(`${a.stateDir}.log`).text()).toContain("Mosquitto dropped messages");
  });

  test("no longer have what a gateway wrote that was revoked", async () => {
    await put(b, "of/b", "x");
    await untilRetained(a, "mesh/of/b", "mesh/of/b x");
    await a.json("revoke", "b");
    await untilRetained(a, "mesh/of/b", undefined);
  });
});

describe.skipIf(!withDevice)("members at a gateway with Mosquitto", () => {
  const net = new TestNet("a", "b");
  const [a, b] = net.gateways as [TestGateway, TestGateway];
  let overlay = "";
  beforeAll(async () => {
    await net.build();
    await a.json("init", "--name", "a");
    const mesh = ["--mqtt", "mesh", "--mqtt-broker", "mosquitto"];
    expect(await refusal(a, ...mesh, "--mqtt-allow", "member publish readings/+")).toBe("broker/rules");
    await a.start(...mesh, "--mqtt-allow", "member publish mesh/from/members/#");
    const { token } = await a.json<{ token: string }>("invite");
    await b.json("join", token, "--name", "b");
    await b.start();
    await untilServed(a);
    overlay = (await a.json<{ address: string }>("status")).address;
    await b.untilAnswered("a");
  });
  afterAll(() => net.remove());

  test("read by our own broker what programs publish at Mosquitto", async () => {
    const old = ["mosquitto_sub", "-h", overlay, "-V", "mqttv311", "-t", "mesh/local", "-C", "1", "-v"];
    const heard = new Response(Bun.spawn(b.inside(...old), { stdout: "pipe" }).stdout).text();
    await publish(a, "-r", "-t", "mesh/local", "-m", "1");
    expect(await heard).toBe("mesh/local 1\n");
  });

  test("publish what the rules let them, which programs hear at Mosquitto, and nothing else", async () => {
    const s = await Subscriber.on(a, "-t", "mesh/from/#");
    const from = async (topic: string): Promise<number> => {
      const command = ["mosquitto_pub", "-h", overlay, "-V", "mqttv311", "-q", "1", "-t", topic, "-m", "x"];
      return await Bun.spawn(b.inside(...command), { stderr: "ignore" }).exited;
    };
    expect(await from("mesh/from/others")).not.toBe(0);
    expect(await from("mesh/from/members/b")).toBe(0);
    expect(await s.untilHeard(1)).toEqual(["mesh/from/members/b x"]);
    expect(await counter(a, "broker.denied.publish")).toBe(1);
    await s.end();
  });
});

async function refusal(g: TestGateway, ...args: readonly string[]): Promise<string> {
  const { stderr } = await g.trellis("--json", "run", ...args);
  return (JSON.parse(stderr) as { error: { code: string } }).error.code;
}
