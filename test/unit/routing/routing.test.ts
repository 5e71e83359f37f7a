import { describe, expect, test } from "bun:test";
import { Lab, labelOf } from "./pair.ts";

const [A, B, C, D] = ["a", "b", "c", "d"].map(labelOf) as [string, string, string, string];

async function line(...names: readonly string[]): Promise<Lab> {
  const lab = new Lab(...names);
  await lab.begin();
  for (const [i, name] of names.entries()) {
    const next = names[i + 1];
    if (next !== undefined) await lab.connect(name, next);
  }
  await lab.pass(2000);
  return lab;
}

describe("routes", () => {
  test("lead over several relays, and say why", async () => {
    const lab = await line("a", "b", "c", "d");
    expect(lab.of("a").routeTo(D)).toEqual({
      destination: D,
      hops: [B, C, D],
      cost: 3,
      primary: B,
      backup: undefined,
      protects: undefined,
      why: "shortest",
    });
    expect(lab.of("a").routeTo(A)).toMatchObject({ why: "self", cost: 0 });
    expect(lab.of("a").routeTo(labelOf("stranger"))).toMatchObject({ why: "not-a-member", cost: undefined });
  });

  test("a down at either end takes the edge away without a signature", async () => {
    const lab = await line("a", "b", "c");
    const signed = lab.sent.length;
    await lab.feed("c", { type: "link", neighbour: B, value: 0 });
    await lab.pass(100);
    expect(lab.of("a").route(C)).toBeUndefined();
    expect(lab.of("a").routeTo(C).why).toBe("no-way");
    expect(lab.sent.slice(signed).every(({ data }) => data.length < 100)).toBe(true);
    await lab.feed("c", { type: "link", neighbour: B, value: 2 });
    await lab.pass(100);
    expect(lab.of("a").routeTo(C)).toMatchObject({ primary: B, cost: 1 + 3 });
  });

  test("an edge costs what its dearer end says", async () => {
    const lab = new Lab("a", "b");
    await lab.begin();
    await lab.connect("a", "b", 1, 5);
    await lab.pass(2000);
    expect(lab.of("a").routeTo(B).cost).toBe(81);
    expect(lab.of("b").routeTo(A).cost).toBe(81);
  });

  test("an edge that only one end lists is none, but shows", async () => {
    const lab = await line("a", "b");
    const both = new Lab("a", "b", "c");
    await both.begin();
    await both.connect("a", "b");
    await both.feed("b", { type: "link", neighbour: C, value: 1 });
    await both.pass(2000);
    expect(both.of("a").route(C)).toBeUndefined();
    expect(
      both
        .of("a")
        .edges()
        .find((e) => e.ends.includes(C)),
    ).toMatchObject({ cost: undefined });
    expect(lab.of("a").edges()).toMatchObject([{ values: [1, 1], cost: 1 }]);
  });

  test("in a ring of four the far corner has a backup, and the ring broken is a line", async () => {
    const lab = await line("a", "b", "c", "d");
    await lab.connect("d", "a");
    await lab.pass(2000);
    const { primary, backup, protects } = lab.of("a").routeTo(C);
    expect([primary, backup].sort()).toEqual([B, D].sort());
    expect(protects).toBe("node");
    await lab.disconnect("a", "b");
    await lab.pass(100);
    expect(lab.of("a").routeTo(B).hops).toEqual([D, C, B]);
  });

  test("a distrusted relay is avoided while that lasts", async () => {
    const lab = await line("a", "b", "d");
    const ring = new Lab("a", "b", "c", "d");
    await ring.begin();
    for (const [x, y, value] of [
      ["a", "b", 1],
      ["b", "d", 1],
      ["a", "c", 2],
      ["c", "d", 1],
    ] as const)
      await ring.connect(x, y, value);
    await ring.pass(2000);
    expect(ring.of("a").route(D)?.primary).toBe(B);
    await ring.feed("a", { type: "distrust", relay: B, until: ring.now + 1000 });
    expect(ring.of("a").routeTo(D)).toMatchObject({ primary: C, why: "around-distrusted" });
    expect(ring.of("a").route(D)?.primary).toBe(C);
    expect(ring.of("a").route(B)?.primary).toBe(B);
    await ring.pass(1500);
    expect(ring.of("a").route(D)?.primary).toBe(B);
    await lab.feed("a", { type: "distrust", relay: B, until: lab.now + 1000 });
    expect(lab.of("a").route(D)?.primary).toBe(B); // no other way
  });

  test("a member that is removed is gone from every route", async () => {
    const lab = await line("a", "b", "c");
    await lab.feed("a", { type: "members", added: [], removed: [C] });
    expect(lab.of("a").route(C)).toBeUndefined();
    expect(lab.of("a").load.lists).toBe(2);
    await lab.feed("a", { type: "members", added: [C], removed: [] });
    await lab.pass(2000);
    expect(lab.of("a").route(C)?.primary).toBe(B);
  });
});

describe("a neighbour", () => {
  test("that becomes a member later than its link and session is none the worse for it", async () => {
    const lab = new Lab("a", "b");
    await lab.connect("a", "b");
    await lab.pass(1000);
    expect(lab.of("a").route(B)).toBeUndefined();
    await lab.begin();
    await lab.pass(2000);
    expect(lab.of("a").routeTo(B)).toMatchObject({ hops: [B], why: "shortest", cost: 1 });
    expect(lab.of("a").digest).toEqual(lab.of("b").digest);
  });

  test("is reached directly before the lists say so, and around where it says that the link is down", async () => {
    const lab = await line("a", "b", "c");
    await lab.connect("c", "a");
    expect(lab.of("a").routeTo(C)).toMatchObject({ primary: C, backup: B, why: "direct", protects: "link" });
    await lab.pass(2000);
    expect(lab.of("a").routeTo(C)).toMatchObject({ primary: C, backup: B, why: "shortest", cost: 1 });
    await lab.feed("c", { type: "link", neighbour: A, value: 0 });
    await lab.pass(100);
    expect(lab.of("a").routeTo(C)).toMatchObject({ primary: B, hops: [B, C], cost: 2 });
    await lab.feed("c", { type: "link", neighbour: B, value: 0 });
    await lab.pass(100);
    expect(lab.of("a").routeTo(C)).toMatchObject({ primary: C, why: "direct" }); // the last hope
  });
});

describe("a gateway that begins anew", () => {
  test.each([
    ["with what it persisted", 1],
    ["with nothing", 0],
  ])("%s is believed again", async (_, epoch) => {
    const lab = await line("a", "b", "c");
    await lab.restart("c", epoch);
    await lab.pass(100);
    expect(lab.of("a").route(C)).toBeUndefined();
    await lab.connect("b", "c");
    await lab.pass(3000);
    expect(lab.of("a").routeTo(C).hops).toEqual([B, C]);
    expect(lab.of("c").routeTo(A).hops).toEqual([B, A]);
    expect(lab.of("a").digest).toEqual(lab.of("c").digest);
    expect(lab.persisted.get(C)).toBeGreaterThan(1);
  });
});

test("lists that were kept over a restart are believed when they verify, and compared instead of sent again", async () => {
  const lab = await line("a", "b", "c");
  const lists = lab.of("a").lists();
  await lab.restart("a", 1);
  const spoilt = lists.map((l) => l.map((byte, i) => (i === 40 ? byte ^ 1 : byte)));
  await lab.feed("a", { type: "known", lists: [...spoilt, Uint8Array.of(1), ...lists] });
  expect(lab.of("a").load.lists).toBe(2); // not its own of an earlier life
  const before = lab.sent.length;
  await lab.connect("a", "b");
  await lab.pass(3000);
  expect(lab.of("a").routeTo(C).hops).toEqual([B, C]);
  expect(lab.sent.slice(before).filter(({ to, data }) => to === A && data[0] === 6)).toEqual([]);
});

test("a subnet that a gateway announces is told of everywhere", async () => {
  const lab = await line("a", "b", "c");
  const subnet = { address: Uint8Array.of(10, 1, 0, 0), length: 16 };
  await lab.feed("c", { type: "subnets", subnets: [subnet] });
  await lab.pass(3000);
  expect(lab.of("a").subnetsOf(C)).toEqual([subnet]);
  await lab.feed("a", { type: "members", added: [], removed: [C] });
  expect(lab.of("a").subnetsOf(C)).toEqual([]);
});
