/** Parts of the rendezvous at brokers: envelopes, letters, what counts once, whom to choose, when to try again. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { toHex, utf8 } from "../../../runtime/base/bytes.ts";
import { minutes, seconds } from "../../../runtime/base/time.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { encodeMessage, isSecretBearing } from "../../../runtime/sync/message.ts";
import { Allowance } from "../../../runtime/sync/rendezvous/allowance.ts";
import { Backoff } from "../../../runtime/sync/rendezvous/backoff.ts";
import {
  ENVELOPE_MAX,
  type Envelope,
  letterKey,
  memberTopic,
  meshTopic,
  openEnvelope,
  openLetter,
  pairKey,
  rendezvousKey,
  sealEnvelope,
  sealLetter,
} from "../../../runtime/sync/rendezvous/envelope.ts";
import { fingersOf } from "../../../runtime/sync/rendezvous/fingers.ts";
import { Revocations } from "../../../runtime/sync/rendezvous/revocations.ts";
import { Seen } from "../../../runtime/sync/rendezvous/seen.ts";
import { seededRandom } from "../../help/seeded.ts";

const random = seededRandom("rendezvous");
const key = rendezvousKey(native, utf8("a genesis"));
const [idA, idB] = [random(32), random(32)];
const TOPIC = memberTopic(native, key, idB);
const sample: Envelope = { from: idA, incarnation: random(16), counter: 7, letter: random(40) };

const flipped = (bytes: Uint8Array, bit: number): Uint8Array => {
  const out = bytes.slice();
  out[bit >> 3] = (out[bit >> 3] as number) ^ (1 << (bit & 7));
  return out;
};

describe("an envelope", () => {
  const sealed = sealEnvelope(native, random, key, TOPIC, sample);

  test("is opened on its topic by who knows the mesh", () => {
    expect(openEnvelope(native, key, TOPIC, sealed)).toEqual(sample);
    const empty = { ...sample, counter: undefined, letter: undefined };
    const mesh = meshTopic(native, key);
    expect(openEnvelope(native, key, mesh, sealEnvelope(native, random, key, mesh, empty))).toEqual(empty);
  });

  test("is none elsewhere, for another mesh, or changed in any bit", () => {
    expect(openEnvelope(native, key, meshTopic(native, key), sealed)).toBeUndefined();
    expect(openEnvelope(native, rendezvousKey(native, utf8("another")), TOPIC, sealed)).toBeUndefined();
    for (let bit = 0; bit < 8 * sealed.length; bit++)
      expect(openEnvelope(native, key, TOPIC, flipped(sealed, bit))).toBeUndefined();
  });

  test("is none of any other bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (data) => openEnvelope(native, key, TOPIC, data) === undefined),
    );
    expect(openEnvelope(native, key, TOPIC, new Uint8Array(ENVELOPE_MAX + 1))).toBeUndefined();
  });

  test("shows nothing of who wrote it, and its topic nothing of whom it is for", () => {
    const shown = toHex(sealed) + TOPIC;
    for (const hidden of [sample.from, sample.incarnation, sample.letter as Uint8Array, idB])
      expect(shown).not.toContain(toHex(hidden.subarray(0, 8)));
    expect(TOPIC).toMatch(/^trellis\/[0-9a-f]{32}\/[0-9a-f]{32}$/);
    expect(memberTopic(native, rendezvousKey(native, utf8("another")), idB)).not.toBe(TOPIC);
  });
});

describe("a letter", () => {
  const [a, b, c] = [random(32), random(32), random(32)];
  const publicOf = (secret: Uint8Array): Uint8Array => native.x25519.publicKey(secret);
  const pair = pairKey(native, key, a, publicOf(b)) as Uint8Array;
  const ends = [
    { id: idA, incarnation: random(16) },
    { id: idB, incarnation: random(16) },
  ] as const;
  const ours = letterKey(native, pair, ...ends);
  const letter = sealLetter(native, ours, 3, utf8("x"));

  test("is opened by the other of the two, and no third member", () => {
    const theirs = letterKey(native, pairKey(native, key, b, publicOf(a)) as Uint8Array, ...ends);
    expect(openLetter(native, theirs, 3, letter)).toEqual(utf8("x"));
    const third = letterKey(native, pairKey(native, key, c, publicOf(a)) as Uint8Array, ...ends);
    expect(openLetter(native, third, 3, letter)).toBeUndefined();
  });

  test("counts at its number, in its direction, between these incarnations", () => {
    expect(openLetter(native, ours, 4, letter)).toBeUndefined();
    const [from, to] = ends;
    expect(openLetter(native, letterKey(native, pair, to, from), 3, letter)).toBeUndefined();
    for (const other of [
      letterKey(native, pair, { ...from, incarnation: random(16) }, to),
      letterKey(native, pair, from, { ...to, incarnation: random(16) }),
    ])
      expect(openLetter(native, other, 3, letter)).toBeUndefined();
  });

  test("is not to be had with a key that is none", () => {
    expect(pairKey(native, key, a, new Uint8Array(32))).toBeUndefined();
  });
});

describe("what came", () => {
  test("counts once, whatever the order, and not at all far behind", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 5_000 }), { maxLength: 6_000 }), (counters) => {
        const seen = new Seen();
        const accepted = new Set<number>();
        let newest = -1;
        for (const counter of counters) {
          const fresh = !accepted.has(counter) && counter > newest - 1_024;
          newest = Math.max(newest, counter);
          if (seen.accept(counter) !== fresh) return false;
          if (fresh) accepted.add(counter);
        }
        return true;
      }),
    );
  });

  test("is not news later when its writer was gone", () => {
    const seen = new Seen();
    seen.accept(5);
    seen.close();
    expect([seen.accept(3), seen.accept(5), seen.accept(6)]).toEqual([false, false, true]);
  });
});

describe("fingers", () => {
  const ids = Array.from({ length: 1_000 }, () => toHex(random(32)));
  const others = (i: number, of = ids): string[] => of.filter((_, k) => k !== i);

  test("are nobody where nobody is, and all where there are few", () => {
    expect([...fingersOf(ids[0] as string, [])]).toEqual([]);
    expect([...fingersOf(ids[0] as string, [ids[1] as string])]).toEqual([ids[1] as string]);
  });

  test("are about ten of a thousand, and lead to all of them in a few steps", () => {
    const chosen = ids.map((id, i) => fingersOf(id, others(i)));
    expect(Math.max(...chosen.map((c) => c.size))).toBeLessThanOrEqual(17);
    const links = new Map(ids.map((id) => [id, new Set<string>()]));
    for (const [i, set] of chosen.entries())
      for (const other of set) {
        links.get(ids[i] as string)?.add(other);
        links.get(other)?.add(ids[i] as string);
      }
    const reached = new Set([ids[0] as string]);
    let steps = 0;
    for (let edge = [...reached]; edge.length > 0; steps++) {
      edge = [...new Set(edge.flatMap((id) => [...(links.get(id) ?? [])]))].filter((id) => !reached.has(id));
      for (const id of edge) reached.add(id);
    }
    expect(reached.size).toBe(1_000);
    expect(steps).toBeLessThanOrEqual(8);
  });

  test("hardly change when one more comes", () => {
    const few = ids.slice(0, 100);
    const moved = few.map((id, i) => {
      const before = fingersOf(id, others(i, few));
      return [...fingersOf(id, [...others(i, few), ids[200] as string])].filter((f) => !before.has(f)).length;
    });
    expect(moved.reduce((sum, n) => sum + n, 0)).toBeLessThan(60);
  });
});

describe("what may not go over a broker", () => {
  test("is all that tells of group keys, and nothing else", () => {
    expect(isSecretBearing(encodeMessage("epochs", { ids: [] }))).toBe(true);
    expect(isSecretBearing(encodeMessage("wantEpochs", { ids: [] }))).toBe(true);
    expect(isSecretBearing(encodeMessage("epochKey", { carried: random(99) }))).toBe(true);
    expect(isSecretBearing(encodeMessage("digest", { fingerprint: random(16), count: 0 }))).toBe(false);
    expect(isSecretBearing(new Uint8Array(0))).toBe(false);
  });
});

describe("revocations in force", () => {
  test("have one digest, in whatever order they came, and are news once", () => {
    const records = [1, 2, 3].map((n) => Uint8Array.of(n));
    const [ours, theirs]: [Uint8Array[], Uint8Array[]] = [[], [...records].reverse()];
    const [a, b] = [ours, theirs].map((list) => new Revocations(native, () => list)) as [Revocations, Revocations];
    expect([a.news(), b.news()]).toEqual([[], []]);
    for (const record of records) {
      expect(toHex(a.digest)).not.toBe(toHex(b.digest));
      ours.push(record);
      expect(a.news()).toEqual([record]);
    }
    expect(toHex(a.digest)).toBe(toHex(b.digest));
    expect(a.news()).toEqual([]);
  });

  test("are all told in turn where there are many", () => {
    const records = Array.from({ length: 10 }, (_, n) => Uint8Array.of(n));
    const all = new Revocations(native, () => records);
    const told = new Set([1, 2, 3].flatMap(() => all.some(4)));
    expect(all.some(4)).toHaveLength(4);
    expect(told.size).toBe(10);
    expect(all.some(20)).toHaveLength(10);
  });
});

describe("a broker's allowance", () => {
  test("is 8 MB a second beside what it has saved, small packets counting more than they are long", () => {
    const allowance = new Allowance(0);
    expect(allowance.charge(16 * 1024 ** 2, 0, 0)).toBe(0);
    expect(allowance.charge(4 * 1024 ** 2, 0, 0)).toBe(500);
    expect(allowance.charge(0, 0, 500)).toBe(0);
    expect(allowance.charge(0, 8_192, 500)).toBe(1_000);
    expect(allowance.charge(16 * 1024 ** 2, 0, minutes(9))).toBe(0); // no more is saved
    expect(allowance.charge(8_192, 0, minutes(9))).toBeGreaterThan(0);
  });
});

describe("what failed", () => {
  test("is tried again after a second and ever longer pauses, up to a minute, until it held", () => {
    const backoff = new Backoff(() => 0.999_999);
    const waits = Array.from({ length: 8 }, () => Math.round(backoff.failed(0)));
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 60, 60].map(seconds));
    backoff.succeeded(0);
    expect(backoff.failed(seconds(5))).toBeGreaterThan(minutes(0.9)); // it did not hold
    backoff.succeeded(0);
    expect(backoff.failed(minutes(1))).toBeLessThanOrEqual(seconds(1));
  });

  test("waits half of the pause in any case", () => {
    expect(new Backoff(() => 0).failed(0)).toBe(500);
  });
});
