import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { compare } from "../../../runtime/base/bytes.ts";
import type { Endpoint } from "../../../runtime/base/endpoint.ts";
import { Meter } from "../../../runtime/base/meter.ts";
import { seconds } from "../../../runtime/base/time.ts";
import { native } from "../../../runtime/crypto/native.ts";
import {
  AGAIN,
  ANSWER_EVERY,
  BEACON_EVERY,
  BURST,
  Discovery,
  FRESH_FOR,
  SEEK_EVERY,
  SEEK_FOR,
  type Sighting,
  YIELD,
} from "../../../runtime/mesh/discovery/discovery.ts";
import { seededRandom } from "../../help/seeded.ts";
import { BEACON_CORPUS } from "./corpus.ts";

const GENESIS = seededRandom("genesis")(300);
const START = 1_000_000;
const JITTER = 20;

interface Node {
  readonly core: Discovery;
  readonly id: Uint8Array;
  readonly endpoint: Endpoint;
  readonly meter: Meter;
}

function node(name: string, now = START, members = 10): Node {
  const meter = new Meter();
  const id = seededRandom(`id ${name}`)(32);
  const random = seededRandom(`life ${name}`);
  const deps = { crypto: native, random, meter, genesis: GENESIS, id, port: 51_820, members: () => members };
  const address = `10.0.0.${(id[0] as number) + 1}`;
  return { core: new Discovery(deps, now), id, endpoint: { address, port: 51_820 }, meter };
}

/** When it sends beacons, up to `end`. */
function beacons({ core }: Node, end: number, from = START): number[] {
  const out: number[] = [];
  for (let now = Math.max(from, core.due); now <= end; now = Math.max(now, core.due)) {
    if (core.takeBeacon(now)) out.push(now);
    core.takeSightings(now);
  }
  return out;
}

/** A beacon of `from` as `to` hears it. */
const hears = (to: Node, from: Node, now: number, source = from.endpoint): void =>
  to.core.hear(from.core.beacon(source.address, now), { ...source, port: 21_820 }, now);

/** Sightings up to `end`, each with its moment. */
function sightings({ core }: Node, from: number, end: number): (Sighting & { readonly at: number })[] {
  const out: (Sighting & { readonly at: number })[] = [];
  for (let now = from; now <= end; now = Math.max(now + 1, Math.min(core.due, end + 1))) {
    core.takeBeacon(now);
    out.push(...core.takeSightings(now).map((s) => ({ ...s, at: now })));
  }
  return out;
}
/** A node that has been there for long. */
function settled(name: string, members = 10): Node {
  const one = node(name, START - seconds(600), members);
  beacons(one, START, START - seconds(600));
  return one;
}

describe("beacons are sent", () => {
  const pausesOf = (sent: readonly number[]): number[] => sent.slice(1).map((at, i) => at - (sent[i] as number));

  test("often while somebody is looked for that was lost without a word, until it is found, or for a quarter of an hour", () => {
    for (const found of [true, false]) {
      const a = settled("a");
      a.core.lost("fd00::1", START);
      a.core.lost("fd00::2", START);
      a.core.found("fd00::2");
      const end = START + (found ? seconds(100) : SEEK_FOR);
      const often = beacons(a, end);
      expect(often[0]).toBeLessThanOrEqual(START + 1.25 * SEEK_EVERY);
      for (const pause of pausesOf(often)) expect(pause).toBeLessThanOrEqual(1.25 * SEEK_EVERY);
      if (found) a.core.found("fd00::1");
      const rare = beacons(a, end + seconds(600), end).slice(2); // the next one was set before
      expect(rare.length).toBeGreaterThan(5);
      for (const pause of pausesOf(rare)) expect(pause).toBeGreaterThanOrEqual(0.75 * BEACON_EVERY);
    }
  });

  test("by one on a link for all who look for somebody, and by each at least as often as ever", () => {
    const [a, b] = [settled("a"), settled("b")];
    for (const one of [a, b]) one.core.lost("fd00::1", START);
    const end = START + seconds(300);
    const sent = { a: [] as number[], b: [] as number[] };
    for (let now = START; now <= end; now++)
      for (const [name, one, other] of [
        ["a", a, b],
        ["b", b, a],
      ] as const) {
        if (one.core.due > now) continue;
        if (one.core.takeBeacon(now)) {
          sent[name].push(now);
          hears(other, one, now);
        }
        one.core.takeSightings(now);
      }
    const all = [...sent.a, ...sent.b].sort((x, y) => x - y);
    for (const pause of pausesOf(all)) expect(pause).toBeLessThanOrEqual(1.25 * SEEK_EVERY);
    expect(all.length).toBeLessThanOrEqual(1.1 * (seconds(300) / (0.75 * SEEK_EVERY)));
    for (const own of [sent.a, sent.b])
      for (const pause of pausesOf(own)) expect(pause).toBeLessThanOrEqual(BEACON_EVERY);
  });

  test("a few at once after a start, then about every minute", () => {
    const sent = beacons(node("a"), START + seconds(600)).map((at) => at - START);
    for (const [i, after] of BURST.entries()) {
      expect(sent[i]).toBeGreaterThanOrEqual(after);
      expect(sent[i]).toBeLessThan(after + JITTER);
    }
    const rare = sent.slice(BURST.length);
    for (const [i, at] of rare.entries()) {
      const pause = at - (i === 0 ? (BURST.at(-1) as number) : (rare[i - 1] as number));
      expect(pause).toBeGreaterThanOrEqual(0.75 * BEACON_EVERY);
      expect(pause).toBeLessThanOrEqual(1.25 * BEACON_EVERY + JITTER);
    }
    expect(rare.length).toBeGreaterThan(7);
  });

  test("at other moments by another gateway", () => {
    const of = (name: string): number[] => beacons(node(name), START + seconds(600)).slice(BURST.length);
    expect(of("a")).not.toEqual(of("b"));
  });

  test("again after each change", () => {
    const one = settled("a");
    one.core.changed(START);
    expect(beacons(one, START + 2000).length).toBe(BURST.length);
  });

  test("to a newcomer, all of them together by one a second", () => {
    const one = settled("a");
    const newcomers = Array.from({ length: 40 }, (_, i) => node(`new ${i}`));
    let sent = 0;
    for (const [i, newcomer] of newcomers.entries()) {
      hears(one, newcomer, START + 100 * i);
      sent += beacons(one, START + 100 * (i + 1) - 1, START + 100 * i).length;
    }
    expect(sent).toBeGreaterThan(2);
    expect(sent).toBeLessThanOrEqual((40 * 100) / ANSWER_EVERY + 1);
  });
});

describe("a beacon that is heard", () => {
  test("suggests a place: where it came from, with the port that it names", () => {
    const [a, b] = [settled("a"), settled("b")];
    hears(a, b, START);
    const [seen] = sightings(a, START, START + 1000);
    expect(seen).toMatchObject({ id: b.id, endpoint: b.endpoint, fresh: false });
  });

  test("over IPv6 suggests a place on that interface", () => {
    const [a, b] = [settled("a"), node("b")];
    hears(a, b, START, { address: "fe80::7", port: 0 });
    a.core.hear(b.core.beacon("fe80::8", START), { address: "fe80::8%eth0", port: 21_820 }, START);
    const places = sightings(a, START, START + 1000).map((s) => s.endpoint);
    expect(places.map((p) => p.address).sort()).toEqual(["fe80::7", "fe80::8%eth0"]);
    expect(places.map((p) => p.port)).toEqual([51_820, 51_820]);
  });

  test("is nothing when it is our own, or of another mesh", () => {
    const a = settled("a");
    const deps = { crypto: native, random: seededRandom("x"), meter: new Meter(), id: a.id, port: 1, members: () => 1 };
    const other = new Discovery({ ...deps, genesis: seededRandom("other")(300) }, START);
    hears(a, a, START);
    a.core.hear(other.beacon("10.0.0.9", START), { address: "10.0.0.9", port: 1 }, START);
    expect(sightings(a, START, START + 1000)).toEqual([]);
    expect([a.meter.get("discovery.own"), a.meter.get("discovery.drop.foreign")]).toEqual([1, 1]);
  });

  test("again from the same place is no news for a second, from another one it is", () => {
    const [a, b] = [settled("a"), settled("b")];
    const heard = (after: number, address = b.endpoint.address): number => {
      hears(a, b, START + after, { address, port: 0 });
      return sightings(a, START + after, START + after + 300).length;
    };
    expect([heard(0), heard(400), heard(700, "10.0.9.9"), heard(AGAIN)]).toEqual([1, 0, 1, 1]);
  });

  test.each([
    ["of who is new makes those who are there call at once", false, true, 0],
    ["of who has been there makes who is new call at once", true, false, YIELD],
  ] as const)("%s", (_, weAreNew, theyAreNew, wait) => {
    for (const name of ["a", "b", "c", "d", "e", "f"]) {
      const us = weAreNew ? node(name) : settled(name);
      const they = theyAreNew ? node("z") : settled("z");
      hears(us, they, START + 10);
      const [seen] = sightings(us, START + 10, START + 1000);
      const after = (seen?.at ?? 0) - START - 10;
      expect(after).toBeGreaterThanOrEqual(wait);
      expect(after).toBeLessThanOrEqual(wait + 20);
    }
  });

  test("makes one of two that are both new call first", () => {
    for (const name of ["a", "b", "c", "d", "e", "f"]) {
      const [one, two] = [node(name), node("z")];
      hears(one, two, START);
      hears(two, one, START);
      const [first, second] = compare(one.id, two.id) < 0 ? [one, two] : [two, one];
      const at = (n: Node): number => (sightings(n, START, START + 1000)[0]?.at ?? 0) - START;
      expect(at(first)).toBeLessThan(YIELD);
      expect(at(second)).toBeGreaterThanOrEqual(YIELD);
    }
  });

  test("by a thousand is answered by calls that are spread over two seconds", () => {
    const newcomer = node("new");
    const calls = Array.from({ length: 200 }, (_, i) => {
      const one = settled(`there ${i}`, 1000);
      hears(one, newcomer, START);
      return (sightings(one, START, START + 3000)[0]?.at ?? 0) - START;
    });
    expect(Math.max(...calls)).toBeLessThanOrEqual(2000);
    expect(Math.min(...calls)).toBeGreaterThanOrEqual(0);
    for (let second = 0; second < 2; second++)
      expect(calls.filter((at) => Math.floor(at / 1000) === second).length).toBeGreaterThan(50);
  });
});

describe("whoever floods a link", () => {
  test("costs a bounded number of looks, and others are still heard", () => {
    const [a, b] = [settled("a"), node("b")];
    const garbage = { address: "10.0.0.66", port: 1 };
    for (let i = 0; i < 5000; i++) a.core.hear(new Uint8Array(88).fill(i), garbage, START);
    expect(a.meter.get("discovery.drop.foreign")).toBeLessThanOrEqual(16);
    expect(a.meter.get("discovery.drop.rate")).toBe(5000 - a.meter.get("discovery.drop.foreign"));
    hears(a, b, START);
    expect(sightings(a, START, START + 100)).toHaveLength(1);
  });

  test("with invented sources too", () => {
    const a = settled("a");
    for (let i = 0; i < 5000; i++)
      a.core.hear(new Uint8Array(88).fill(i), { address: `10.1.${i >> 8}.${i & 255}`, port: 1 }, START);
    expect(a.meter.get("discovery.drop.foreign")).toBeLessThanOrEqual(256);
  });

  test("with beacons of its own, as a former member could, fills no table", () => {
    const a = settled("a");
    let now = START;
    for (let i = 0; i < 20_000; i++) {
      const deps = { crypto: native, random: seededRandom(`${i}`), meter: new Meter(), genesis: GENESIS, port: 1 };
      const forger = new Discovery({ ...deps, id: seededRandom(`forged ${i}`)(32), members: () => 1 }, now);
      const address = `10.2.${i >> 8}.${i & 255}`;
      a.core.hear(forger.beacon(address, now), { address, port: 1 }, now);
      if (i % 1000 === 999) {
        expect(a.core.load.waiting).toBeLessThanOrEqual(256);
        expect(a.core.load.heard).toBeLessThanOrEqual(1024);
        now += 1000;
        a.core.takeSightings(now);
      }
    }
    expect(a.meter.get("discovery.drop.rate")).toBeGreaterThan(1000);
  }, 60_000);
});

test("nothing that comes throws, and time moves on", () => {
  const a = settled("a");
  const corpus = fc.constantFrom(...BEACON_CORPUS.map(([, data]) => data));
  const payload = fc.oneof(corpus, fc.uint8Array({ maxLength: 600 }));
  let now = START;
  fc.assert(
    fc.property(payload, fc.string(), fc.nat(2000), (data, address, pass) => {
      now += pass;
      a.core.hear(data, { address, port: 1 }, now);
      a.core.takeBeacon(now);
      expect(a.core.takeSightings(now)).toEqual([]);
      expect(a.core.due).toBeGreaterThan(now);
    }),
    { numRuns: 1000 },
  );
  expect(FRESH_FOR).toBeGreaterThan(BURST.at(-1) as number); // all of a burst says that its sender is new
});
