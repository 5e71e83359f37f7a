/** Records among neighbours that drop, delay, reorder, repeat, replay, forge and flood. */
import { describe, expect, test } from "bun:test";
import { utf8 } from "../../runtime/base/bytes.ts";
import { KINDS } from "../../runtime/sync/kinds.ts";
import { decodeMessage, encodeMessage, type Group, joinIds } from "../../runtime/sync/message.ts";
import { type Batch, decodeRecord, encodeLeaf, type Leaf, signBatch } from "../../runtime/sync/record.ts";
import { seededRandom } from "../help/seeded.ts";
import { standIn } from "../help/stand-in-provider.ts";
import { type Gateway, meshOf, RecordsWorld, type Tamper } from "./records-world.ts";

const at = (gateways: readonly Gateway[], i: number): Gateway => gateways[i] as Gateway;

async function writeSome(world: RecordsWorld, writers: readonly Gateway[], count: number): Promise<void> {
  for (let i = 0; i < count; i++) {
    const g = at(writers, i % writers.length);
    await g.write("application", `k${i % 7}`, `value ${i}`);
    await world.run(world.random() * 300);
  }
}

describe("links that drop a third, delay, reorder, repeat and replay", () => {
  test("keep nobody from agreeing, and take nobody back", async () => {
    const world = new RecordsWorld("bad links");
    const old: Uint8Array[] = [];
    world.tamper = (message) => {
      if (old.length < 500) old.push(message);
      const copies = [];
      if (world.random() > 0.33) copies.push({ after: 10 + world.random() ** 4 * 3_000, data: message });
      if (world.random() < 0.2) copies.push({ after: world.random() * 5_000, data: message });
      if (world.random() < 0.1)
        copies.push({ after: 10, data: old[Math.floor(world.random() * old.length)] as Uint8Array });
      return copies;
    };
    const gateways = await meshOf(world, 10);
    await writeSome(world, gateways, 100);
    expect(await world.until(() => world.agree(), 180_000)).toBeDefined();
    expect(at(gateways, 0).replica?.size).toBe(70);
    expect(world.wrongs).toEqual([]);
  });
});

/** Changes what members relay of others: another value, another author, another batch, or a bit somewhere. */
function forger(world: RecordsWorld, evil: readonly Gateway[], forged: Group): Tamper {
  const liars = new Set(evil.map((g) => g.id));
  return (message, from) => {
    const sound = [{ after: 10, data: message }];
    if (!liars.has(from.id)) return sound;
    const decoded = decodeMessage(message);
    const dice = world.random();
    if (decoded?.type === "items" && decoded.groups.length > 0 && dice < 0.9)
      return [
        {
          after: 10,
          data: encodeMessage("items", {
            ...decoded,
            groups: decoded.groups.map((g) => (world.random() < 0.5 ? inFlip(g, world.random()) : forged)),
          }),
        },
      ];
    if (dice < 0.2) return [];
    if (dice < 0.4) return [{ after: 10, data: flipped(message, world.random()) }];
    return sound;
  };
  function inFlip(group: Group, random: number): Group {
    const [first, ...rest] = group.records;
    return first ? { ...group, records: [{ ...first, encoded: flipped(first.encoded, random) }, ...rest] } : group;
  }
}

const flipped = (bytes: Uint8Array, random: number): Uint8Array => {
  const out = bytes.slice();
  const bit = Math.floor(random * out.length * 8);
  out[bit >> 3] = (out[bit >> 3] as number) ^ (1 << (bit & 7));
  return out;
};

/** A batch in the victim's name that a member signed with its own keys. */
async function forge(world: RecordsWorld, evil: Gateway, victim: Gateway): Promise<Group> {
  const leaf = {
    kind: 2,
    key: utf8("forged"),
    version: 99,
    epoch: undefined,
    salt: undefined,
    body: utf8("x"),
    chunks: undefined,
  };
  const encoded = encodeLeaf(leaf);
  const { batch } = await signBatch(standIn, world.meshId, { keyId: victim.keys.id, secrets: evil.keys.secrets }, [
    encoded,
  ]);
  return { batch: batch.encoded, id: undefined, records: [{ index: 0, encoded }], proof: [] };
}

describe("members that forge what they relay", () => {
  test("get nothing accepted, and hold nothing up where honest ones are connected", async () => {
    const world = new RecordsWorld("forgers");
    const gateways = await meshOf(world, 10);
    const [evil, honest] = [gateways.filter((_, i) => i % 3 === 1), gateways.filter((_, i) => i % 3 !== 1)];
    for (const [i, g] of honest.entries()) await world.link(g, at(honest, (i + 1) % honest.length));
    world.tamper = forger(world, evil, await forge(world, at(evil, 0), at(honest, 0)));
    await writeSome(world, honest, 60);
    expect(await world.until(() => world.agree(honest), 30_000)).toBeDefined();
    const refusals = honest.reduce((sum, g) => sum + g.meter.get("sync.forged") + g.meter.get("sync.malformed"), 0);
    expect(refusals).toBeGreaterThan(10);
    expect(world.wrongs).toEqual([]);
    for (const g of honest)
      for (const [name, value] of g.acknowledged)
        for (const reader of honest)
          expect(await reader.read("application", name.slice("application ".length), g)).toBe(value);
  });
});

describe("a member that withholds", () => {
  test("what it offers and never gives comes from another within 30 s", async () => {
    const world = new RecordsWorld("withheld");
    const [a, b, c, d] = [await world.add("a"), await world.add("b"), await world.add("c"), await world.add("d")];
    // b is quick and gives nothing; the other way is longer.
    world.tamper = (message, from) => {
      if (from === b && decodeMessage(message)?.type === "items") return [];
      return [{ after: from === b ? 1 : 40, data: message }];
    };
    for (const [x, y] of [
      [a, b],
      [b, d],
      [a, c],
      [c, d],
    ] as const)
      await world.link(x, y);
    for (let i = 0; i < 30; i++) await a.write("application", `k${i}`, "x");
    const took = await world.until(() => d.replica?.size === 30, 30_000);
    expect(took).toBeDefined();
    expect(d.meter.get("sync.withheld")).toBeGreaterThan(0);
  });
});

describe("a member that floods", () => {
  test("is answered at a bounded rate, makes nobody remember without bound, and holds up nobody", async () => {
    const world = new RecordsWorld("flood");
    const [a, b, evil] = [await world.add("a"), await world.add("b"), await world.add("evil")];
    await world.link(a, b);
    await world.link(a, evil);
    await a.write("application", "first", "x");
    await world.run(1_000);
    const random = seededRandom("flood");
    let answered = 0;
    world.onSent = (from, to) => {
      if (from === a && to === evil) answered++;
    };
    const flood = [
      (): Uint8Array => encodeMessage("offer", { ids: random(16 * 512) }),
      (): Uint8Array =>
        encodeMessage("ask", {
          number: 1,
          ranges: Array.from({ length: 64 }, (_, i) => ({ prefix: i.toString(16), fingerprint: random(16) })),
        }),
      (): Uint8Array => encodeMessage("want", { number: 1, ids: random(16 * 256), signed: true }),
      (): Uint8Array => encodeMessage("digest", { fingerprint: random(16), count: 5 }),
      (): Uint8Array => encodeMessage("epochs", { ids: [random(32)] }),
      (): Uint8Array => encodeMessage("tell", { number: 1, answers: [] }),
      (): Uint8Array => encodeMessage("chunks", { chunks: [random(100)] }),
      (): Uint8Array => random(300),
    ];
    for (let second = 0; second < 20; second++) {
      for (let i = 0; i < 400; i++) await a.replica?.receive(evil.id, (flood[i % flood.length] as () => Uint8Array)());
      expect(a.replica?.pending).toBeLessThanOrEqual(16_384);
      await b.write("application", `b${second}`, "x");
      await world.run(1_000);
    }
    expect(answered).toBeLessThan(200 + 20 * 110);
    expect(a.meter.get("sync.ignored")).toBeGreaterThan(1_000);
    expect(await world.until(() => world.agree([a, b]), 10_000)).toBeDefined();
    expect(a.replica?.size).toBe(21);
    expect(world.wrongs).toEqual([]);
  });
});

describe("a member that offers what it made up and gives it when asked", () => {
  type Forged = { readonly group: Group; readonly id: string };
  const leafOf = (key: string, version: number): Leaf => ({
    kind: KINDS.revocation.number,
    key: utf8(key),
    version,
    epoch: undefined,
    salt: undefined,
    body: utf8("x"),
    chunks: undefined,
  });
  const idOf = (author: Uint8Array, encoded: Uint8Array): string => decodeRecord(standIn, author, encoded)?.id ?? "";
  const sign = (
    world: RecordsWorld,
    author: Gateway,
    secrets: Gateway,
    leaves: Uint8Array[],
  ): ReturnType<typeof signBatch> =>
    signBatch(standIn, world.meshId, { keyId: author.keys.id, secrets: secrets.keys.secrets }, leaves);
  const groupOf = (batch: Batch, encoded: Uint8Array, proof: readonly Uint8Array[] = []): Group => ({
    batch: batch.encoded,
    id: undefined,
    records: [{ index: 0, encoded }],
    proof,
  });

  const forgeries: readonly (readonly [
    string,
    (world: RecordsWorld, evil: Gateway, victim: Gateway) => Promise<Forged>,
  ])[] = [
    [
      "in another's name, signed by itself",
      async (world, evil, victim) => {
        const encoded = encodeLeaf(leafOf("made up", 9));
        const { batch } = await sign(world, victim, evil, [encoded]);
        return { group: groupOf(batch, encoded), id: idOf(victim.keys.id, encoded) };
      },
    ],
    [
      "under another's genuine signature",
      async (world, _, victim) => {
        const { batch, proven } = await sign(world, victim, victim, [
          encodeLeaf(leafOf("a", 1)),
          encodeLeaf(leafOf("b", 2)),
        ]);
        const encoded = encodeLeaf(leafOf("made up", 9));
        return { group: groupOf(batch, encoded, proven[0]?.path), id: idOf(victim.keys.id, encoded) };
      },
    ],
    [
      "of a kind that it may not write",
      async (world, evil) => {
        const encoded = encodeLeaf({ ...leafOf("made up", 9), kind: KINDS.name.number, body: undefined });
        const { batch } = await sign(world, evil, evil, [encoded]);
        return { group: groupOf(batch, encoded), id: idOf(evil.keys.id, encoded) };
      },
    ],
    [
      "of another mesh",
      async (_world, _evil, victim) => {
        const other = new RecordsWorld("another mesh");
        const encoded = encodeLeaf(leafOf("made up", 9));
        const { batch } = await sign(other, victim, victim, [encoded]);
        return { group: groupOf(batch, encoded), id: idOf(victim.keys.id, encoded) };
      },
    ],
  ];

  /** Hands a forged or genuine record to a gateway as its neighbour would. */
  async function hand(world: RecordsWorld, a: Gateway, evil: Gateway, { group, id }: Forged): Promise<void> {
    let number: number | undefined;
    world.onSent = (from, to, message) => {
      const sent = from === a && to === evil ? decodeMessage(message) : undefined;
      if (sent?.type === "want") number = sent.number;
    };
    await a.replica?.receive(evil.id, encodeMessage("offer", { ids: joinIds([id]) }));
    expect(number).toBeDefined();
    await a.replica?.receive(evil.id, encodeMessage("items", { number: number ?? 0, groups: [group], more: false }));
  }

  const trio = async (): Promise<[RecordsWorld, Gateway, Gateway, Gateway]> => {
    const world = new RecordsWorld("made up");
    const [a, victim, evil] = [await world.add("a"), await world.add("victim"), await world.add("evil")];
    await world.link(a, evil);
    return [world, a, victim, evil];
  };

  test.each(forgeries)("gets nothing taken %s", async (_, forgery) => {
    const [world, a, victim, evil] = await trio();
    await hand(world, a, evil, await forgery(world, evil, victim));
    expect(a.replica?.size).toBe(0);
  });

  test("gets taken what is genuine, by the same way", async () => {
    const [world, a, victim, evil] = await trio();
    const leaves = [encodeLeaf(leafOf("a", 1)), encodeLeaf(leafOf("b", 2))];
    const { batch, proven } = await sign(world, victim, victim, leaves);
    const encoded = leaves[0] as Uint8Array;
    await hand(world, a, evil, { group: groupOf(batch, encoded, proven[0]?.path), id: idOf(victim.keys.id, encoded) });
    expect(a.replica?.size).toBe(1);
  });
});
