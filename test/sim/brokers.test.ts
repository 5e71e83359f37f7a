/** Records by way of brokers of others: honest ones, dying ones, and such that drop, delay, reorder, repeat, replay, forge and withhold. */
import { describe, expect, test } from "bun:test";
import { concat, equal, toHex, utf8 } from "../../runtime/base/bytes.ts";
import { isSecretBearing } from "../../runtime/sync/message.ts";
import {
  type End,
  letterKey,
  openEnvelope,
  openLetter,
  pairKey,
  rendezvousKey,
} from "../../runtime/sync/rendezvous/envelope.ts";
import { seededRandom } from "../help/seeded.ts";
import { BrokerWorld, type Conduct, type Published, SimBroker, type Station } from "./broker-world.ts";
import type { Gateway } from "./records-world.ts";

const gatewaysOf = (stations: readonly Station[]) => stations.map((s) => s.gateway);

async function line(world: BrokerWorld, stations: readonly Station[]): Promise<void> {
  for (const [i, s] of stations.entries()) {
    const next = stations[i + 1];
    if (next) await world.link(s.gateway, next.gateway);
  }
}

/** Two halves whose members have links among themselves; all know one group key, since they were together once. */
async function halves(seed: string, size = 4): Promise<[BrokerWorld, Station[], Station[]]> {
  const world = new BrokerWorld(seed);
  const all: Station[] = [];
  for (let i = 0; i < 2 * size; i++) all.push(await world.station(`g${i}`));
  await line(world, all);
  await all[0]?.gateway.write("application", "first", "together");
  expect(
    await world.until(() => world.agree() && all.every((s) => s.gateway.replica?.size === 1), 30_000),
  ).toBeDefined();
  await world.run(35_000); // keys as well
  const [a, b] = [all.slice(0, size), all.slice(size)];
  await world.partition(gatewaysOf(b));
  return [world, a, b];
}

const meetAt = (broker: SimBroker, ...stations: readonly Station[]): void => {
  for (const s of stations) s.connect(broker);
};

async function writeSome(world: BrokerWorld, stations: readonly Station[], count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const s = stations[i % stations.length] as Station;
    await s.gateway.write("application", `k${i % 11}`, `value ${i}`);
    await world.run(world.random() * 300);
  }
}

/** All that was acknowledged is read by all. */
async function expectAllRead(stations: readonly Station[]): Promise<void> {
  for (const { gateway } of stations)
    for (const [name, value] of gateway.acknowledged)
      for (const reader of stations)
        expect(await reader.gateway.read("application", name.slice("application ".length), gateway)).toBe(value);
}

describe("two halves that only a broker connects", () => {
  test("agree on what either writes, and read it", async () => {
    const [world, a, b] = await halves("broker");
    const broker = new SimBroker(world, "x");
    meetAt(broker, ...a, ...b);
    await writeSome(world, [...a, ...b], 60);
    expect(await world.until(() => world.agree(), 30_000)).toBeDefined();
    await expectAllRead([...a, ...b]);
    expect(world.wrongs).toEqual([]);
  });

  test("agree when one member of each is at the broker", async () => {
    const [world, a, b] = await halves("one each");
    meetAt(new SimBroker(world, "x"), a[2] as Station, b[1] as Station);
    await writeSome(world, [...a, ...b], 40);
    expect(await world.until(() => world.agree(), 30_000)).toBeDefined();
    await expectAllRead([...a, ...b]);
  });

  test("go on each for itself while it is dead, and agree once it is back", async () => {
    const [world, a, b] = await halves("dies");
    const broker = new SimBroker(world, "x");
    meetAt(broker, ...a, ...b);
    await writeSome(world, [...a, ...b], 10);
    expect(await world.until(() => world.agree(), 30_000)).toBeDefined();
    broker.isUp = false;
    await writeSome(world, [...a, ...b], 40);
    expect(await world.until(() => world.agree(gatewaysOf(a)) && world.agree(gatewaysOf(b)), 30_000)).toBeDefined();
    expect(world.agree()).toBe(false);
    await world.run(200_000); // long enough that each thinks the others gone
    broker.isUp = true;
    expect(await world.until(() => world.agree(), 30_000)).toBeDefined();
    await expectAllRead([...a, ...b]);
  });

  test("agree again after a gateway at the broker began anew", async () => {
    const [world, a, b] = await halves("restarts");
    meetAt(new SimBroker(world, "x"), ...a, ...b);
    await writeSome(world, [...a, ...b], 10);
    expect(await world.until(() => world.agree(), 30_000)).toBeDefined();
    for (const s of a) s.restart(world);
    await writeSome(world, b, 10);
    expect(await world.until(() => world.agree(), 30_000)).toBeDefined();
  });

  test("say nothing there of what they say over links", async () => {
    const [world, a, b] = await halves("quiet");
    await world.heal();
    const broker = new SimBroker(world, "x");
    meetAt(broker, ...a, ...b);
    await world.run(60_000);
    const before = broker.bytes;
    await world.run(600_000);
    expect((broker.bytes - before) / 600 / 8).toBeLessThan(60); // bytes a second and gateway: announcements, greetings
  });
});

/** Opens what was published there, as nobody but these members can. */
function letters(world: BrokerWorld, stations: readonly Station[], log: readonly Published[]): Uint8Array[] {
  const { crypto } = world;
  const key = rendezvousKey(crypto, utf8(`genesis ${world.seed}`));
  const incarnations = new Map<string, Uint8Array>();
  const opened = log.map(({ topic, payload }) => ({ topic, envelope: openEnvelope(crypto, key, topic, payload) }));
  for (const { envelope } of opened) if (envelope) incarnations.set(toHex(envelope.from), envelope.incarnation);
  const out: Uint8Array[] = [];
  for (const { topic, envelope } of opened) {
    const to = stations.find((s) => s.rendezvous.topics.own === topic)?.gateway;
    const from = stations.find((s) => envelope && s.gateway.id === toHex(envelope.from))?.gateway;
    if (!to || !from || envelope?.counter === undefined || !envelope.letter) continue;
    const pair = pairKey(crypto, key, to.keys.secrets.x25519, from.keys.public.x25519) as Uint8Array;
    const end = (g: Gateway): End => ({ id: g.keys.id, incarnation: incarnations.get(g.id) as Uint8Array });
    const letter = openLetter(crypto, letterKey(crypto, pair, end(from), end(to)), envelope.counter, envelope.letter);
    if (letter) out.push(letter);
  }
  return out;
}

describe("group keys", () => {
  test("never go over a broker, and come with the next session", async () => {
    const [world, a, b] = await halves("keys");
    const gone = await world.station("gone");
    const broker = new SimBroker(world, "x");
    meetAt(broker, ...a, ...b);
    world.revoke((a[0] as Station).gateway, gone.gateway);
    await world.run(5_000);
    await a[0]?.gateway.write("application", "under the new key", "from a");
    await b[0]?.gateway.write("application", "under the old key", "from b");
    const both = async (): Promise<boolean> =>
      a[1]?.gateway.replica?.size === 3 && world.agree(gatewaysOf([...a, ...b]));
    expect(await world.until(both, 30_000)).toBeDefined();
    await world.run(120_000);
    // All hold both records; who has not heard of the revocation cannot read what was written after it.
    expect(await a[2]?.gateway.read("application", "under the old key")).toBe("from b");
    expect(b[2]?.gateway.read("application", "under the new key")).rejects.toThrow("has not arrived");
    const said = letters(world, [...a, ...b], broker.log);
    expect(said.length).toBeGreaterThan(50);
    expect(said.filter(isSecretBearing)).toEqual([]);
    await world.heal();
    const readable = async (): Promise<boolean> =>
      (await b[2]?.gateway.read("application", "under the new key").catch(() => undefined)) === "from a";
    expect(await world.until(readable, 60_000)).toBeDefined();
  });
});

const flipped = (bytes: Uint8Array, random: number): Uint8Array => {
  const out = bytes.slice();
  const bit = Math.floor(random * out.length * 8);
  out[bit >> 3] = (out[bit >> 3] as number) ^ (1 << (bit & 7));
  return out;
};

/** Drops a third, delays and reorders the rest, repeats, replays what it has ever seen to whom it likes, flips bits and invents. */
function hostile(world: BrokerWorld, broker: SimBroker): Conduct {
  const garbage = seededRandom("garbage");
  return (published, to) => {
    const given = [];
    if (world.random() > 0.33) given.push({ ...published, after: 10 + world.random() ** 4 * 3_000 });
    if (world.random() < 0.2) given.push({ ...published, after: world.random() * 5_000 });
    const old = broker.log[Math.floor(world.random() * broker.log.length)] as Published;
    const { own, mesh } = to.rendezvous.topics;
    if (world.random() < 0.3) given.push({ ...old, after: 10 });
    if (world.random() < 0.1) given.push({ topic: own, payload: old.payload, after: 10 });
    if (world.random() < 0.1) given.push({ topic: mesh, payload: published.payload, after: 10 });
    if (world.random() < 0.2)
      given.push({ ...published, payload: flipped(published.payload, world.random()), after: 5 });
    if (world.random() < 0.1) given.push({ topic: own, payload: garbage(400), after: 5 });
    return given;
  };
}

describe("a hostile broker", () => {
  test("keeps halves that meet nowhere else from nothing, and gets nothing in", async () => {
    const [world, a, b] = await halves("hostile");
    const broker = new SimBroker(world, "x");
    broker.conduct = hostile(world, broker);
    meetAt(broker, ...a, ...b);
    await writeSome(world, [...a, ...b], 60);
    for (const s of a.slice(0, 2)) s.restart(world); // what it recorded of their earlier run it plays again
    await writeSome(world, [...a, ...b], 30);
    expect(await world.until(() => world.agree(), 180_000)).toBeDefined();
    await expectAllRead([...a, ...b]);
    expect(world.wrongs).toEqual([]);
    const sum = (what: string): number => [...a, ...b].reduce((n, s) => n + s.gateway.meter.get(what), 0);
    for (const what of ["brokers.replayed", "brokers.unreadable", "brokers.unopened"])
      expect(sum(what)).toBeGreaterThan(20);
    // Replays and forgeries never reach the exchange: no honest member is taken for a liar.
    expect(sum("sync.forged") + sum("sync.malformed")).toBe(0);
  });

  test("that withholds all from some moment on is got around within 30 s, by another broker", async () => {
    const [world, a, b] = await halves("withholds");
    const [evil, good] = [new SimBroker(world, "evil"), new SimBroker(world, "good")];
    meetAt(evil, ...a, ...b);
    meetAt(good, a[3] as Station, b[2] as Station);
    await writeSome(world, [...a, ...b], 10);
    expect(await world.until(() => world.agree(), 30_000)).toBeDefined();
    evil.conduct = () => [];
    a[0]?.rendezvous.down("evil"); // and anew: so it shows
    await world.run(10_000);
    expect((["evil", "good"] as const).map((name) => a[0]?.rendezvous.isMute(name))).toEqual([true, false]);
    expect(a[3]?.rendezvous.isMute("good")).toBe(false);
    for (let i = 0; i < 30; i++) await a[0]?.gateway.write("application", `late ${i}`, "x");
    const last = b.at(-1)?.gateway;
    expect(await world.until(() => last?.replica?.digest === a[0]?.gateway.replica?.digest, 30_000)).toBeDefined();
  });

  test.each([
    ["what is large", (p: Published) => p.payload.length > 1_000],
    ["letters, but no announcements", (p: Published) => p.topic.split("/").length === 3],
    ["all, behind a pretence of life", () => true],
  ] as const)("that withholds %s is got around within 30 s, by a link", async (_, withheld) => {
    const [world, a, b] = await halves(`withholds ${_}`);
    const broker = new SimBroker(world, "x");
    meetAt(broker, ...a, ...b);
    await world.run(10_000);
    broker.conduct = (p) => (withheld(p) ? [] : [{ ...p, after: 1 }]);
    await world.heal(); // the only link between the halves is at their ends
    for (let i = 0; i < 30; i++) await a[0]?.gateway.write("application", `k${i}`, "x");
    expect(await world.until(() => b.at(-1)?.gateway.replica?.size === 31, 30_000)).toBeDefined();
    expect(world.wrongs).toEqual([]);
  });

  test("that floods makes nobody remember or answer", async () => {
    const [world, a, b] = await halves("flood", 2);
    const broker = new SimBroker(world, "x");
    meetAt(broker, ...a, ...b);
    await writeSome(world, [...a, ...b], 10);
    expect(await world.until(() => world.agree(), 30_000)).toBeDefined();
    const victim = a[0] as Station;
    const garbage = seededRandom("flood")(100_000);
    const recorded = [...broker.log];
    const answers = broker.log.length;
    for (let second = 0; second < 20; second++) {
      for (let i = 0; i < 300; i++)
        victim.rendezvous.receive("x", victim.rendezvous.topics.own, garbage.subarray(0, 300 * (i + 1)));
      for (const old of recorded) victim.rendezvous.receive("x", old.topic, old.payload);
      await world.run(1_000);
    }
    expect(victim.gateway.meter.get("brokers.unreadable")).toBeGreaterThan(5_000);
    expect(victim.gateway.meter.get("brokers.replayed")).toBeGreaterThan(100);
    expect(victim.rendezvous.known).toBeLessThanOrEqual(3);
    expect(broker.log.length - answers).toBeLessThan(4 * 20 * 2);
    broker.conduct = undefined;
    await writeSome(world, [...a, ...b], 10);
    expect(await world.until(() => world.agree(), 30_000)).toBeDefined();
  });

  test("that plays an earlier run of a member back, while it is gone, brings nobody to life", async () => {
    const [world, a, b] = await halves("ghosts", 2);
    const broker = new SimBroker(world, "x");
    meetAt(broker, ...a, ...b);
    await writeSome(world, [...a, ...b], 10);
    const [ghost, victim] = [b[1] as Station, a[0] as Station];
    const isThere = (): boolean => victim.rendezvous.sessions().some((s) => s.id === ghost.gateway.id);
    expect(await world.until(isThere, 90_000)).toBeDefined();
    const recorded = [...broker.log];
    ghost.brokers.clear();
    ghost.rendezvous.down("x");
    expect(await world.until(() => !isThere(), 200_000)).toBeDefined();
    for (let second = 0; second < 60; second++) {
      for (const old of recorded) victim.rendezvous.receive("x", old.topic, old.payload);
      await world.run(1_000);
      expect(isThere()).toBe(false);
    }
    expect(victim.rendezvous.presentAt("x")).toBe(2); // it does not answer, whatever is said of it
  });
});

describe("revocations", () => {
  test("reach the other half by a broker that loses a third, also who comes later", async () => {
    const [world, a, b] = await halves("revocations");
    const broker = new SimBroker(world, "x");
    broker.conduct = (p) => (world.random() < 0.33 ? [] : [{ ...p, after: 50 }]);
    const late = b.pop() as Station;
    meetAt(broker, ...a, ...b);
    await world.run(20_000);
    const record = utf8("a record of revocation");
    a[0]?.revocations.push(record);
    const have = (stations: readonly Station[]) => () => stations.every((s) => s.revocations.length === 1);
    expect(await world.until(have([...a, ...b]), 120_000)).toBeDefined();
    meetAt(broker, late);
    expect(await world.until(have([late]), 120_000)).toBeDefined();
    await world.run(120_000);
    expect(late.revocations).toEqual([record]);
  });
});

describe("certificates", () => {
  const chain = (name: string): Uint8Array => seededRandom(name)(8_000);
  const have =
    (stations: readonly Station[], ...chains: readonly Uint8Array[]) =>
    () =>
      stations.every(
        (s) => s.chains.length === chains.length && chains.every((c) => s.chains.some((o) => equal(o, c))),
      );

  test("reach the other half by a broker that loses a third, each once, also who comes later", async () => {
    const [world, a, b] = await halves("certificates");
    const broker = new SimBroker(world, "x");
    broker.conduct = (p) => (world.random() < 0.33 ? [] : [{ ...p, after: 50 }]);
    const late = b.pop() as Station;
    meetAt(broker, ...a, ...b);
    await world.run(20_000);
    const [one, two] = [chain("one"), chain("two")];
    a[0]?.chains.push(one);
    b[0]?.chains.push(two);
    expect(await world.until(have([...a, ...b], one, two), 240_000)).toBeDefined();
    meetAt(broker, late);
    expect(await world.until(have([late], one, two), 240_000)).toBeDefined();
    await world.run(120_000);
    expect(have([...a, ...b, late], one, two)()).toBe(true); // none came twice
  });

  test("go through a hostile broker, which gets nothing in", async () => {
    const [world, a, b] = await halves("hostile certificates", 2);
    const broker = new SimBroker(world, "x");
    broker.conduct = hostile(world, broker);
    meetAt(broker, ...a, ...b);
    await world.run(20_000);
    const all = Array.from({ length: 6 }, (_, i) => chain(`member ${i}`));
    a[0]?.chains.push(...all);
    expect(await world.until(have([...a, ...b], ...all), 600_000)).toBeDefined();
  });

  test("that nobody asked for are dropped and counted, and who asks all the time is not answered", async () => {
    const [world, a, b] = await halves("unasked", 1);
    const [x, y] = [a[0] as Station, b[0] as Station];
    const broker = new SimBroker(world, "x");
    meetAt(broker, x, y);
    expect(await world.until(() => x.rendezvous.sessions().length === 1, 60_000)).toBeDefined();
    x.chains.push(chain("known"));
    expect(await world.until(have([y], chain("known")), 60_000)).toBeDefined();
    await world.run(60_000);
    for (let i = 0; i < 10; i++) x.rendezvous.send(y.gateway.id, concat(Uint8Array.of(133), chain(`forged ${i}`)));
    const [known] = x.chains as [Uint8Array];
    const want = concat(Uint8Array.of(132), world.crypto.sha256(known).subarray(0, 16));
    const before = broker.bytes;
    for (let i = 0; i < 10; i++) y.rendezvous.send(x.gateway.id, want);
    await world.run(1_000);
    expect(y.gateway.meter.get("brokers.unasked")).toBe(11); // and the one that came a second time
    expect(x.gateway.meter.get("brokers.hasty")).toBe(9);
    expect(broker.bytes - before).toBeLessThan(2 * known.length);
    expect(y.chains).toEqual([known]);
  });

  test("that say nothing to the roster are not asked for again and again", async () => {
    const [world, a, b] = await halves("refused", 1);
    const [x, y] = [a[0] as Station, b[0] as Station];
    const broker = new SimBroker(world, "x");
    meetAt(broker, x, y);
    x.chains.push(chain("no member at y"));
    const gave = (): boolean => y.chains.length > 0;
    expect(await world.until(gave, 120_000)).toBeDefined();
    y.chains.length = 0; // refused
    y.restart(world);
    expect(await world.until(gave, 240_000)).toBeDefined();
    y.chains.length = 0;
    await world.run(300_000);
    expect(y.chains).toEqual([]);
  });
});

describe("many at one broker", () => {
  test("are each with a few, and agree within seconds", async () => {
    const world = new BrokerWorld("many");
    const all: Station[] = [];
    for (let i = 0; i < 24; i++) all.push(await world.station(`g${i}`));
    const broker = new SimBroker(world, "x");
    meetAt(broker, ...all);
    await world.run(90_000);
    const degrees = all.map((s) => s.driver.neighbours.size);
    expect(Math.max(...degrees)).toBeLessThan(20);
    expect(Math.min(...degrees)).toBeGreaterThan(1);
    await all[17]?.gateway.write("health", "", "x");
    const took = await world.until(() => all.every((s) => s.gateway.replica?.size === 1), 30_000);
    expect(took).toBeLessThan(5_000);
  });
});
