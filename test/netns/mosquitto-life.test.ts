/** The Mosquitto of a daemon: it comes back, ends with the daemon however that ends, and what keeps it from serving is said. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import unit from "../../provisioning/systemd/trellis.service" with { type: "text" };
import { MOSQUITTO } from "../help/mosquitto.ts";
import { publish, retained, Subscriber, untilRetained } from "../help/mqtt-clients.ts";
import { type TestGateway, TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { run } from "../help/shell.ts";
import { trellisLine } from "../help/trellis.ts";

const FILE = "test/netns/mosquitto-life.test.ts";
const ready = able(FILE, "root", "netns", "command:ip", "command:mosquitto_pub") && MOSQUITTO !== null;

interface Mqtt {
  readonly on: readonly string[];
  readonly reason: string | null;
}
const pidOf = (g: TestGateway): number =>
  Number(readFileSync(join(g.stateDir, "mosquitto/mosquitto.pid"), "utf8").split(" ")[0]);
const mqttOf = async (g: TestGateway): Promise<Mqtt | null> =>
  (await g.json<{ sync: { mqtt: Mqtt | null } }>("status")).sync.mqtt;
/** By another process than `before`: that one may be dead already while the daemon does not know. */
const untilServed = (g: TestGateway, before?: number): Promise<true> =>
  until("MQTT", async () => ((await mqttOf(g))?.on.length === 1 && pidOf(g) !== before ? true : undefined));
/** Whether it is there and is no zombie. */
const lives = (pid: number): boolean =>
  existsSync(`/proc/${pid}`) && !readFileSync(`/proc/${pid}/status`, "utf8").includes("State:\tZ");
const untilGone = (pid: number): Promise<true> =>
  until("its end", async () => {
    try {
      return lives(pid) ? undefined : true;
    } catch {
      return true; // between the two looks
    }
  });

describe.skipIf(!ready)("the Mosquitto of a daemon", () => {
  const net = new TestNet("a");
  const [a] = net.gateways as [TestGateway];
  const options = ["--no-device", "--mqtt-broker", "mosquitto"];
  beforeAll(async () => {
    await net.build();
    await a.json("init", "--name", "a");
    await a.start(...options);
    await untilServed(a);
    await publish(a, "-r", "-t", "mesh/x", "-m", "record");
    await publish(a, "-r", "-t", "kept/x", "-m", "local");
    await until("the record", async () =>
      (await a.trellis("sync", "get", "x")).stdout === "record" ? true : undefined,
    );
  });
  afterAll(() => net.remove());

  test("has a user of its own, no rights, and files that nobody else reads", () => {
    const status = readFileSync(`/proc/${pidOf(a)}/status`, "utf8");
    expect(status).toMatch(/Uid:\t([1-9]\d*)\t\1\t\1\t\1\n/);
    expect(status).toMatch(/CapEff:\t0+\n/);
    expect(status).toMatch(/NoNewPrivs:\t1\n/);
    const modeOf = (name: string): string => {
      const { mode, uid } = statSync(join(a.stateDir, "mosquitto", name));
      return `${(mode & 0o777).toString(8)} ${uid === 0 ? "root" : "other"}`;
    };
    expect(["", "mosquitto.conf", "local.acl", "inner.acl", "data"].map(modeOf)).toEqual([
      ...["750 root", "600 other", "600 other", "600 other", "770 other"],
    ]);
  });

  test("is started again when it was killed, with what the records say", async () => {
    const before = pidOf(a);
    process.kill(before, "SIGKILL");
    await untilServed(a, before);
    await untilRetained(a, "mesh/x", "mesh/x record");
    const { counters } = await a.json<{ counters: Record<string, number> }>("status");
    expect(counters["broker.ended"]).toBe(1);
  });

  test("takes along what waits and is retained when the daemon stops, and goes on with it", async () => {
    const session = ["-t", "away", "-i", "session", "-c", "-x", "3600"];
    const first = await Subscriber.on(a, ...session);
    await first.end();
    await publish(a, "-r", "-t", "kept/x", "-m", "local");
    await publish(a, "-t", "away", "-m", "waits");
    const pid = pidOf(a);
    expect(await a.end("SIGTERM")).toBe(0);
    expect(existsSync(`/proc/${pid}`)).toBe(false);
    await a.start(...options);
    await untilServed(a);
    expect(await retained(a, "kept/x")).toBe("kept/x local");
    expect(await retained(a, "mesh/x")).toBe("mesh/x record");
    const second = await Subscriber.on(a, ...session);
    expect(await second.untilHeard(1)).toEqual(["away waits"]);
    await second.end();
  });

  test("retains what the records say, also where they changed while it was away", async () => {
    await a.end("SIGTERM");
    await a.start("--no-device", "--mqtt", "off");
    await a.json("sync", "put", "x", "changed");
    await a.json("sync", "put", "new", "1");
    await a.end("SIGTERM");
    await a.start(...options);
    await untilServed(a);
    expect(await retained(a, "mesh/x")).toBe("mesh/x changed");
    expect(await retained(a, "mesh/new")).toBe("mesh/new 1");
  });

  test("ends with a daemon that is killed", async () => {
    const pid = pidOf(a);
    await a.end("SIGKILL");
    await untilGone(pid);
    await a.start(...options);
    await untilServed(a);
    expect(await retained(a, "mesh/x")).toBe("mesh/x changed");
  });

  test("that hung when its daemon was killed is ended by the next one", async () => {
    const pid = pidOf(a);
    process.kill(pid, "SIGSTOP"); // so it does nothing about being told to end
    await a.end("SIGKILL");
    expect(lives(pid)).toBe(true);
    await a.start(...options);
    await untilServed(a, pid);
    expect(lives(pid)).toBe(false);
  });

  test("that hangs is noticed and replaced", async () => {
    const pid = pidOf(a);
    process.kill(pid, "SIGSTOP");
    await untilGone(pid);
    await untilServed(a, pid);
    expect(await retained(a, "mesh/x")).toBe("mesh/x changed");
  });

  test("does not serve where its port is taken, says so, and serves when it is free", async () => {
    await a.end("SIGTERM");
    const script = `Bun.listen({ hostname: "127.0.0.1", port: 1883, socket: { data() {} } }); console.log("up")`;
    const taken = Bun.spawn(a.inside(process.execPath, "-e", script), { stdout: "pipe" });
    await taken.stdout.getReader().read();
    await a.start(...options);
    const reason = await until("the reason", async () => {
      const said = (await mqttOf(a))?.reason;
      return said?.includes("in use") ? said : undefined;
    });
    expect(reason).toBe("Mosquitto cannot serve 127.0.0.1 port 1883: Address already in use");
    expect(await Bun.file(`${a.stateDir}.log`).text()).toContain("systemctl disable --now mosquitto");
    expect((await a.trellis("sync", "get", "x")).stdout).toBe("changed"); // the rest goes on
    taken.kill();
    await taken.exited;
    await untilServed(a);
    expect((await mqttOf(a))?.reason).toBeNull();
  });

  test("is started, reached and ended with the capabilities of the service alone", async () => {
    await a.end("SIGTERM");
    const [, all = ""] = unit.match(/^CapabilityBoundingSet=(.*)$/m) ?? [];
    const bounds = all.split(" ").map((name) => `+${name.replace("CAP_", "").toLowerCase()}`);
    const line = trellisLine(a.stateDir, "run", ...options);
    const daemon = Bun.spawn(a.inside("setpriv", `--bounding-set=-all,${bounds.join()}`, ...line), {
      stdout: "ignore",
      stderr: "ignore",
    });
    try {
      const served = async (): Promise<true | undefined> =>
        (await a.trellis("status")).stdout.includes("(Mosquitto)") || undefined;
      await until("MQTT", served);
      expect(await retained(a, "mesh/x")).toBe("mesh/x changed");
      const pid = pidOf(a);
      await a.json("down");
      expect(await daemon.exited).toBe(0);
      expect(existsSync(`/proc/${pid}`)).toBe(false);
    } finally {
      daemon.kill("SIGKILL");
      await daemon.exited;
    }
  });

  test("must be installed: else the daemon does not start, and says what to install", async () => {
    await a.end("SIGTERM");
    const hidden = `mount --bind /dev/null ${MOSQUITTO} && exec "$@"`;
    const line = trellisLine(a.stateDir, "--json", "run", ...options);
    const { code, stderr } = await run(a.inside("unshare", "--mount", "sh", "-c", hidden, "sh", ...line));
    expect(code).not.toBe(0);
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: "broker/missing", hint: expect.stringContaining("apt install mosquitto") },
    });
  });
});
