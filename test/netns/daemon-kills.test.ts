/**
 * A daemon that is killed at any moment, also while it starts, as its MQTT clients and its control socket's write values of 100 B to 1 MB with fsync
 * and real signatures: each time it comes back with all that was acknowledged, whole. It has no neighbour that could give anything back.
 * `DAEMON_KILLS`: how many.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { call } from "../../runtime/api/client.io.ts";
import type { JsonObject } from "../../runtime/api/protocol.ts";
import { RELAY_MEMORY } from "../../runtime/dataplane/relay-memory.io.ts";
import { numberOf, writtenBy } from "../help/kill-values.ts";
import { Lines } from "../help/lines.ts";
import { type TestGateway, TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { seededNumber } from "../help/seeded.ts";
import { PATIENCE } from "../help/shell.ts";

const FILE = "test/netns/daemon-kills.test.ts";
const ready = able(FILE, "root", "tun", "netns", "addon", "command:ip");

const KILLS = Number(process.env.DAEMON_KILLS ?? 12);
/** Of the kills, so many come while the daemon starts. */
const AT_START = 0.25;
const MQTT = { port: "1883", program: join(import.meta.dir, "../help/mqtt-writer.ts"), keys: 6, window: 3 } as const;
/** Of a writer by the control socket. */
const KEYS = 3;
const CLIENTS = ["mqtt-a", "mqtt-b"] as const;
const CALLERS = ["api-a", "api-b"] as const;

/** What a writer was told is durable. */
class Writer {
  readonly name: string;
  readonly keys: number;
  readonly last = new Map<number, number>();
  acknowledged = 0;

  constructor(name: string, keys: number) {
    this.name = name;
    this.keys = keys;
  }

  note(number: number): void {
    const key = number % this.keys;
    this.last.set(key, Math.max(number, this.last.get(key) ?? -1));
    this.acknowledged++;
  }
}

describe.skipIf(!ready)("a daemon that is killed again and again under writes", () => {
  const net = new TestNet("a");
  const g = net.at("a") as TestGateway;
  const chance = seededNumber("daemon-kills/1");
  const clients = CLIENTS.map((name) => new Writer(name, MQTT.keys));
  const callers = CALLERS.map((name) => new Writer(name, KEYS));
  const writers = [...clients, ...callers];
  const programs: Bun.Subprocess[] = [];
  const faults: string[] = [];
  const found = { starts: 0, unacknowledged: 0, mostMemory: 0 };
  let over = false;

  const ask = <T>(method: string, params: JsonObject = {}): Promise<T> =>
    call<T>(join(g.stateDir, "control.sock"), method, params, PATIENCE);

  async function publish(writer: Writer): Promise<void> {
    const numbers = [MQTT.keys, MQTT.window].map(String);
    const line = g.inside(process.execPath, MQTT.program, MQTT.port, writer.name, ...numbers);
    const child = Bun.spawn(line, { stdin: "ignore", stdout: "pipe", stderr: "inherit" });
    programs.push(child);
    const lines = new Lines(child.stdout);
    for (;;) writer.note(Number((await lines.next()).split(" ")[1]));
  }

  async function put(writer: Writer): Promise<void> {
    for (let i = 0; !over; i++) {
      const value = writtenBy(writer.name, i).toBase64();
      const key = `${writer.name}/${i % writer.keys}`;
      await ask("sync-put", { key, value }).then(
        () => writer.note(i),
        () => Bun.sleep(20),
      );
    }
  }

  /** Its log goes with the daemon. */
  function noteFaults(): void {
    const log = `${g.stateDir}.log`;
    const lines = existsSync(log) ? readFileSync(log, "utf8").split("\n") : [];
    faults.push(...lines.filter((line) => /^error |damaged|panic|Segmentation/.test(line)));
  }

  /** Until it serves both, and holds what was acknowledged when this began. */
  async function untilServed(): Promise<void> {
    const end: { code?: number | undefined } = {};
    void g.ended().then((code) => (end.code = code));
    await until("a daemon that serves", async () => {
      if (end.code !== undefined) throw new Error(`the daemon ended by itself, with ${end.code}`);
      const status = await ask<{ sync: { mqtt: { on: string[] } | null } }>("status").catch(() => undefined);
      return (status?.sync.mqtt?.on.length ?? 0) > 0 || undefined;
    });
    found.starts++;
    for (const { name, last } of writers) {
      for (const [key, number] of [...last]) {
        const { values } = await ask<{ values: { value: string }[] }>("sync-get", { key: `${name}/${key}` });
        const is = values[0] && numberOf(name, Uint8Array.fromBase64(values[0].value));
        if (is === undefined || is < number)
          faults.push(`start ${found.starts}: ${name}/${key} is ${is}, not ${number}`);
      }
    }
  }

  /** A kill: while it starts, or a moment after it has acknowledged some more to everybody. */
  async function kill(): Promise<void> {
    if (chance() < AT_START) await Bun.sleep(chance() * 1_500);
    else {
      await untilServed();
      const enough = writers.map((writer) => writer.acknowledged + 1 + Math.floor(chance() * 5));
      await until(
        "acknowledgements",
        async () => writers.every((writer, i) => writer.acknowledged >= (enough[i] as number)) || undefined,
      );
      await Bun.sleep(chance() * 50);
      const memory = Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${g.pid}/status`, "utf8"))?.[1]) * 1024;
      found.mostMemory = Math.max(found.mostMemory, memory);
    }
    await g.end("SIGKILL");
    noteFaults();
  }

  beforeAll(async () => {
    await net.build();
    await g.json("init", "--name", "a");
  });
  afterAll(async () => {
    over = true;
    for (const program of programs) program.kill("SIGKILL");
    await net.remove();
  });

  test("comes back each time, with all that was acknowledged", async () => {
    for (const writer of clients) publish(writer).catch(() => {}); // ends with its program
    for (const writer of callers) void put(writer);
    for (let i = 0; i < KILLS; i++) {
      g.spawn();
      await kill();
      expect(faults).toEqual([]);
    }
    g.spawn();
    await untilServed();
    expect(faults).toEqual([]);
    for (const { acknowledged } of writers) expect(acknowledged).toBeGreaterThan(found.starts);
    const total = writers.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
    const megabytes = (found.mostMemory / 1e6).toFixed(0);
    console.log(
      `${KILLS} kills, ${total} writes acknowledged, ${found.starts} starts looked at, ${megabytes} MB at most`,
    );
  });

  test("and leaves a sound store, and nothing of the many starts", async () => {
    over = true;
    for (const program of programs) program.kill("SIGKILL");
    expect(await g.end("SIGTERM")).toBe(0);
    noteFaults();
    expect(faults).toEqual([]);
    expect(await g.json<{ setAside: unknown }>("store", "check")).toMatchObject({ setAside: null });
    const left = readdirSync(g.stateDir).filter((name) => /damaged|tmp|\.new$/.test(name) || name === RELAY_MEMORY);
    expect(left).toEqual([]);
    expect(await g.devices()).toEqual(["lo", "eth0"]);
  });
});
