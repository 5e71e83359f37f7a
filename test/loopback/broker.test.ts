/** The broker as ordinary clients see it: mosquitto_pub and mosquitto_sub of Debian. */

import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { connect, type Socket } from "node:net";
import mqtt from "mqtt-packet";
import { createLog } from "../../runtime/base/log.ts";
import { Meter } from "../../runtime/base/meter.ts";
import { Broker } from "../../runtime/sync/broker.io.ts";
import { type Caller, DEFAULT_RULES } from "../../runtime/sync/topics.ts";
import { able } from "../help/require.ts";

const can = able("test/loopback/broker.test.ts", "command:mosquitto_pub", "command:mosquitto_sub");

const CALLERS: Readonly<Record<string, Caller>> = {
  "127.0.0.1": { name: "local", local: true, roles: [] },
  "127.0.0.2": { name: "plain", local: false, roles: [] },
  "127.0.0.3": { name: "meter", local: false, roles: ["sensor"] },
};

describe.skipIf(!can)("the broker", () => {
  const records = new Map<string, Uint8Array>();
  const meter = new Meter();
  /** What makes writing a record fail, or wait. */
  let refusal: Error | undefined;
  let durable: Promise<void> = Promise.resolve();
  let room: Promise<void> = Promise.resolve();
  let broker: Broker;
  let port: number;

  beforeAll(async () => {
    broker = await Broker.start({
      identify: (address) => CALLERS[address],
      rules: [...DEFAULT_RULES, { who: "role:sensor", publish: ["readings/+"], subscribe: [] }],
      room: () => room,
      publish: async (key, payload) => {
        await durable;
        if (refusal) throw refusal;
        if (payload) records.set(key, payload);
        else records.delete(key);
      },
      retained: async function* () {
        for (const [key, payload] of records) yield { topic: `mesh/${key}`, payload };
      },
      log: createLog(() => {}, "error"),
      meter,
    });
    port = await broker.listen("0.0.0.0", 0);
  });
  afterAll(() => broker.close());

  const common = (): string[] => ["-h", "127.0.0.1", "-p", `${port}`, "-V", "mqttv311"];
  /** Starts a subscriber and waits until the broker has answered it; `heard` is what it prints until it has heard `count` messages. */
  async function subscribe(
    count: number,
    ...args: string[]
  ): Promise<{ readonly heard: Promise<string[]>; kill: () => void }> {
    const child = Bun.spawn(["stdbuf", "-oL", "mosquitto_sub", ...common(), "-d", "-v", "-C", `${count}`, ...args], {
      stdout: "pipe",
      stderr: "ignore",
    });
    const reader = child.stdout.getReader();
    let text = "";
    const more = async (): Promise<boolean> => {
      const { done, value } = await reader.read();
      text += value ? new TextDecoder().decode(value) : "";
      return !done;
    };
    while (!text.includes("Subscribed") && (await more()));
    const rest = async (): Promise<string[]> => {
      while (await more());
      return text.split("\n").filter((line) => line !== "" && !/^(Client|Subscribed|Timed)/.test(line));
    };
    return { heard: rest(), kill: () => child.kill("SIGKILL") };
  }
  const publish = (...args: string[]): Promise<number> =>
    Bun.spawn(["mosquitto_pub", ...common(), ...args], { stdout: "ignore", stderr: "ignore" }).exited;

  /** What is published is acknowledged once `release` was called, and not before. */
  async function acknowledgedAfter(release: () => void, ...args: string[]): Promise<void> {
    let acknowledged = false;
    const published = publish(...args).then((code) => {
      acknowledged = true;
      return code;
    });
    await Bun.sleep(200);
    expect(acknowledged).toBe(false); // it cannot be, however long that takes
    release();
    expect(await published).toBe(0);
  }

  test.each([0, 1, 2])("delivers with QoS %d, by wildcards", async (qos) => {
    const { heard } = await subscribe(2, "-q", `${qos}`, "-t", "a/+/c", "-t", `deep${qos}/#`);
    expect(await publish("-q", `${qos}`, "-t", "a/b/c", "-m", `one ${qos}`)).toBe(0);
    expect(await publish("-q", `${qos}`, "-t", "a/b/other", "-m", "not this")).toBe(0);
    expect(await publish("-q", `${qos}`, "-t", `deep${qos}/x/y`, "-m", "two")).toBe(0);
    expect(await heard).toEqual([`a/b/c one ${qos}`, `deep${qos}/x/y two`]);
  });

  test("gives a retained message to who comes later, until it is cleared", async () => {
    expect(await publish("-r", "-q", "1", "-t", "kept/a", "-m", "x")).toBe(0);
    expect(await (await subscribe(1, "-t", "kept/#")).heard).toEqual(["kept/a x"]);
    expect(await publish("-r", "-n", "-q", "1", "-t", "kept/a")).toBe(0);
    expect(await publish("-r", "-q", "1", "-t", "kept/b", "-m", "y")).toBe(0);
    expect(await (await subscribe(1, "-t", "kept/#")).heard).toEqual(["kept/b y"]);
  });

  test("speaks a client's will when it dies", async () => {
    const { heard } = await subscribe(1, "-t", "will");
    const dying = await subscribe(1, "-t", "z", "--will-topic", "will", "--will-payload", "gone");
    dying.kill();
    expect(await heard).toEqual(["will gone"]);
  });

  test("keeps messages for a session whose client is away", async () => {
    const session = ["-i", "session-1", "-c", "-q", "1", "-t", "away"];
    await publish("-q", "1", "-t", "away", "-m", "before");
    const first = await subscribe(1, ...session);
    await publish("-q", "1", "-t", "away", "-m", "one");
    expect(await first.heard).toEqual(["away one"]);
    for (const m of ["two", "three"]) expect(await publish("-q", "1", "-t", "away", "-m", m)).toBe(0);
    expect(await (await subscribe(2, ...session)).heard).toEqual(["away two", "away three"]);
  });

  test("writes what is published below mesh/ as a record before it acknowledges, and retains it", async () => {
    const { promise, resolve } = Promise.withResolvers<void>();
    durable = promise;
    await acknowledgedAfter(resolve, "-q", "1", "-t", "mesh/site/a", "-m", "21.5");
    expect(new TextDecoder().decode(records.get("site/a"))).toBe("21.5");
    expect(await (await subscribe(1, "-t", "mesh/#")).heard).toEqual(["mesh/site/a 21.5"]);
    expect(await (await subscribe(1, "-t", "#", "-T", "kept/#")).heard).toEqual(["mesh/site/a 21.5"]);
    expect(await publish("-n", "-q", "1", "-t", "mesh/site/a")).toBe(0);
    expect(records.has("site/a")).toBe(false);
  });

  test("takes a message when there is room for it, and loses none", async () => {
    const { heard } = await subscribe(1, "-q", "1", "-t", "waits");
    const { promise, resolve } = Promise.withResolvers<void>();
    room = promise;
    await acknowledgedAfter(resolve, "-q", "1", "-t", "waits", "-m", "x");
    expect(await heard).toEqual(["waits x"]);
  });

  /** A client that has sent a part of a large message, and sends no more: it has the turn. */
  async function stopsAmidLarge(): Promise<Socket> {
    const stalled = connect(port, "127.0.0.1");
    await new Promise<void>((resolve) => stalled.once("connect", resolve));
    stalled.write(Buffer.from([0x10, 13, 0, 4, ...Buffer.from("MQTT"), 4, 2, 0, 0, 0, 1, 0x73]));
    await new Promise((resolve) => stalled.once("data", resolve));
    stalled.write(Buffer.from([0x32, 0xc0, 0x84, 0x3d, ...new Uint8Array(200_000)])); // of a million
    return stalled;
  }

  test("takes in large messages of several at once, whoever stops amid one", async () => {
    const stalled = await stopsAmidLarge();
    const load = (who: string): Promise<number> => {
      const line = ["127.0.0.1", `${port}`, `mesh/large/${who}/`, "2", "1000000", "5", "3"];
      return Bun.spawn([process.execPath, `${import.meta.dir}/../help/mqtt-load.ts`, ...line], { stdout: "ignore" })
        .exited;
    };
    expect(await Promise.all(["a", "b", "c"].map(load))).toEqual([0, 0, 0]);
    for (const who of ["a", "b", "c"]) {
      const value = records.get(`large/${who}/0`) ?? new Uint8Array(0);
      expect([value.length, new TextDecoder().decode(value.subarray(0, 2))]).toEqual([1_000_000, "4 "]);
      for (const key of [0, 1]) records.delete(`large/${who}/${key}`);
    }
    stalled.destroy();
  });

  test("reads on where more had come meanwhile than a read brings", async () => {
    const stalled = await stopsAmidLarge();
    const socket = connect(port, "127.0.0.1");
    const parser = mqtt.parser();
    const acknowledged = new Promise<void>((resolve) => {
      parser.on("packet", ({ cmd }) => {
        if (cmd === "puback") resolve();
        if (cmd !== "connack") return;
        const payload = Buffer.alloc(300_000, "x");
        const message = { topic: "mesh/pieces", payload, messageId: 1, qos: 1, retain: false, dup: false } as const;
        const bytes = mqtt.generate({ cmd: "publish", ...message });
        const pieces = [bytes.subarray(0, 20_000), bytes.subarray(20_000, 40_000), bytes.subarray(40_000)];
        for (const [i, piece] of pieces.entries()) setTimeout(() => socket.write(piece), i * 50); // the last two wait beside each other
      });
    });
    socket.on("data", (chunk: Buffer) => parser.parse(chunk));
    socket.write(mqtt.generate({ cmd: "connect", protocolId: "MQTT", protocolVersion: 4, clientId: "p", clean: true }));
    await acknowledged;
    expect(records.get("pieces")?.length).toBe(300_000);
    records.delete("pieces");
    for (const client of [stalled, socket]) client.destroy();
  });

  test("tells what comes from other members to its subscribers, once", async () => {
    const { heard } = await subscribe(2, "-q", "1", "-t", "mesh/from/#");
    await broker.arrived("from/b", async () => new TextEncoder().encode("hello"));
    await broker.arrived("from/c", async () => "later");
    expect(await publish("-q", "1", "-t", "mesh/from/here", "-m", "own")).toBe(0);
    expect((await heard).sort()).toEqual(["mesh/from/b hello", "mesh/from/here own"]);
  });

  test("hangs up on who publishes what the mesh does not take", async () => {
    refusal = new Error("full");
    expect(await publish("-q", "1", "-t", "mesh/x", "-m", "1")).not.toBe(0);
    refusal = undefined;
    expect(meter.get("broker.failed")).toBe(1);
    expect(await publish("-q", "1", "-t", "mesh/x", "-m", "1")).toBe(0);
  });

  test("lets members do what their roles may, and strangers nothing", async () => {
    const as = (address: string, ...args: string[]): Promise<number> => publish("-A", address, "-q", "1", ...args);
    expect(await as("127.0.0.2", "-t", "readings/a", "-m", "1")).not.toBe(0);
    expect(await as("127.0.0.3", "-t", "readings/a", "-m", "1")).toBe(0);
    expect(await as("127.0.0.3", "-t", "readings/a/b", "-m", "1")).not.toBe(0);
    expect(await as("127.0.0.3", "-t", "mesh/a", "-m", "1")).not.toBe(0);
    expect(await as("127.0.0.4", "-t", "readings/a", "-m", "1")).not.toBe(0);
    const subscribing = async (address: string, topic: string): Promise<string> => {
      // Ends by itself: with the first message, or when no subscription was granted.
      const child = Bun.spawn(["mosquitto_sub", ...common(), "-A", address, "-d", "-t", topic, "-C", "1"], {
        stdout: "pipe",
        stderr: "pipe",
      });
      await child.exited;
      return (await new Response(child.stdout).text()) + (await new Response(child.stderr).text());
    };
    records.clear();
    records.set("seen", new TextEncoder().encode("by members"));
    expect(await subscribing("127.0.0.2", "mesh/#")).toContain("by members");
    for (const topic of ["readings/#", "#", "+/a"]) expect(await subscribing("127.0.0.2", topic)).toContain("128");
    expect(meter.get("broker.denied.subscribe")).toBe(3);
    expect(meter.get("broker.refused")).toBeGreaterThan(0);
  });
});
