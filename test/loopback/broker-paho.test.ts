/** The broker as a program in Python sees it: Debian's paho client. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createLog } from "../../runtime/base/log.ts";
import { Meter } from "../../runtime/base/meter.ts";
import { Broker } from "../../runtime/sync/broker.io.ts";
import { DEFAULT_RULES } from "../../runtime/sync/topics.ts";
import { able } from "../help/require.ts";

const PYTHON = "/usr/bin/python3"; // Debian's, which has Debian's packages
const can =
  able("test/loopback/broker-paho.test.ts", `command:${PYTHON}`) &&
  Bun.spawnSync([PYTHON, "-c", "import paho.mqtt.client"]).success;

/** Prints what it saw as JSON. `client(name, address)` connects and waits until the broker has answered; `until(what)` waits for it. */
const PRELUDE = `
import json, sys, threading, time
import paho.mqtt.client as mqtt
PORT = int(sys.argv[1])
def until(what):
    end = time.time() + 180
    while not what():
        if time.time() > end: raise SystemExit("it did not come")
        time.sleep(0.01)
def client(name, address="127.0.0.1", will=None, protocol=mqtt.MQTTv311, **more):
    c = mqtt.Client(client_id=name, protocol=protocol, **more)
    c.heard, c.granted, c.codes, c.gone = [], [], [], []
    c.on_message = lambda c, u, m: c.heard.append([m.topic, m.payload.decode(), m.qos, bool(m.retain)])
    c.on_subscribe = lambda c, u, mid, granted, *p: c.granted.extend(granted if isinstance(granted, tuple) else list(granted))
    c.on_connect = lambda c, u, flags, code, *p: c.codes.append(code if isinstance(code, int) else code.value)
    c.on_disconnect = lambda c, u, code, *p: c.gone.append(1)
    if will: c.will_set(will, "gone", qos=1)
    c.connect("127.0.0.1", PORT, bind_address=address)
    c.loop_start()
    until(lambda: c.codes)
    return c
def subscribe(c, *filters):
    before = len(c.granted)
    c.subscribe([(f, q) for f, q in filters])
    until(lambda: len(c.granted) == before + len(filters))
def tell(value): print(json.dumps(value)); sys.stdout.flush()
`;

describe.skipIf(!can)("the broker and paho", () => {
  const records = new Map<string, Uint8Array>();
  let broker: Broker;
  let port: number;

  beforeAll(async () => {
    broker = await Broker.start({
      identify: (address) => ({ name: "x", local: address === "127.0.0.1", roles: [] }),
      rules: DEFAULT_RULES,
      room: async () => {},
      publish: async (key, payload) => {
        if (payload) records.set(key, payload);
        else records.delete(key);
      },
      retained: async function* () {
        for (const [key, payload] of records) yield { topic: `mesh/${key}`, payload };
      },
      log: createLog(() => {}, "error"),
      meter: new Meter(),
    });
    port = await broker.listen("0.0.0.0", 0);
  });
  afterAll(() => broker.close());

  async function python(script: string): Promise<unknown> {
    const child = Bun.spawn([PYTHON, "-c", PRELUDE + script, `${port}`], { stdout: "pipe", stderr: "pipe" });
    const [out, problems, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    if (code !== 0) throw new Error(problems);
    return JSON.parse(out);
  }

  test("messages of every QoS arrive once, in order, by wildcards", async () => {
    const heard = await python(`
s = client("s"); subscribe(s, ("q/+/x", 2))
p = client("p")
for i in range(300): p.publish("q/%d/x" % (i % 3), str(i), qos=i % 3)
until(lambda: len(s.heard) >= 300)
p.publish("q/last/x", "300", qos=2); until(lambda: s.heard[-1][1] == "300")
tell([[int(m[1]), m[2]] for m in s.heard[:-1]])`);
    const all = heard as [number, number][];
    expect(all.map(([i]) => i).sort((a, b) => a - b)).toEqual(Array.from({ length: 300 }, (_, i) => i));
    for (const qos of [0, 1, 2]) {
      const some = all.filter(([, q]) => q === qos).map(([i]) => i);
      expect(some).toEqual(Array.from({ length: 100 }, (_, i) => 3 * i + qos));
    }
  });

  test("retained messages, wills and sessions that wait are kept", async () => {
    const [retained, will, waited] = (await python(`
p = client("keeper"); p.publish("kept/a", "x", qos=1, retain=True).wait_for_publish()
s = client("later"); subscribe(s, ("kept/#", 1), ("will", 1)); until(lambda: len(s.heard) == 1)
d = client("dying", will="will"); d._sock.close(); until(lambda: len(s.heard) == 2)
w = client("waits", clean_session=False); subscribe(w, ("wait", 1)); w.disconnect(); w.loop_stop()
for i in range(5): p.publish("wait", str(i), qos=1).wait_for_publish()
w = client("waits", clean_session=False); until(lambda: len(w.heard) == 5)
tell([s.heard[0], s.heard[1][:2], [m[1] for m in w.heard]])`)) as [unknown, unknown, unknown];
    expect(retained).toEqual(["kept/a", "x", 1, true]);
    expect(will).toEqual(["will", "gone"]);
    expect(waited).toEqual(["0", "1", "2", "3", "4"]);
  });

  test("who may not subscribe is told so, who may not publish is cut off; MQTT 5 is refused by its code", async () => {
    const [granted, codes] = (await python(`
m = client("member", address="127.0.0.2"); subscribe(m, ("mesh/#", 1), ("#", 1), ("kept/a", 1))
m.publish("mesh/x", "forged", qos=1); until(lambda: m.gone)
five = client("five", protocol=mqtt.MQTTv5)
tell([m.granted, five.codes])`)) as [unknown, number[]];
    expect(granted).toEqual([1, 128, 128]);
    expect(codes).toHaveLength(1);
    expect(codes[0]).toBeGreaterThan(0);
    expect(records.has("x")).toBe(false);
  });
});
