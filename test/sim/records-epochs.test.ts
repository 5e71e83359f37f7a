/** Group keys in a simulated mesh: who may read what, across revocations and partitions. */
import { describe, expect, test } from "bun:test";
import { toHex, utf8 } from "../../runtime/base/bytes.ts";
import { native } from "../../runtime/crypto/native.ts";
import { decodeEpoch } from "../../runtime/sync/epochs.ts";
import { decodeMessage } from "../../runtime/sync/message.ts";
import { type Gateway, meshOf, RecordsWorld } from "./records-world.ts";

const at = (gateways: readonly Gateway[], i: number): Gateway => gateways[i] as Gateway;

/** Ids of epochs whose keys a gateway was ever sent, or made itself. */
function keysSeenBy(world: RecordsWorld, whom: Gateway): Set<string> {
  const seen = new Set<string>();
  world.onSent = (from, to, message) => {
    const decoded = from === whom || to === whom ? decodeMessage(message) : undefined;
    const epoch = decoded?.type === "epochKey" ? decodeEpoch(world.crypto, world.meshId, decoded.carried) : undefined;
    if (epoch) seen.add(toHex(epoch.id));
  };
  return seen;
}

const epochOf = (reader: Gateway, key: string, author: Gateway): string | undefined =>
  reader.replica?.list("application").find((h) => h.keyName === toHex(utf8(key)) && toHex(h.author) === author.id)
    ?.epoch;

describe("a revoked member", () => {
  test("can read nothing that is written by who knows of it, wherever it sits", async () => {
    for (let round = 0; round < 3; round++) {
      const world = new RecordsWorld(`revoked ${round}`, round === 0 ? native : undefined);
      const gateways = await meshOf(world, 9);
      const [revoker, revoked] = [at(gateways, 0), at(gateways, 3 + (round % 4))];
      const seen = keysSeenBy(world, revoked);
      for (const g of gateways) await g.write("application", "before", "x");
      await world.until(() => world.agree(), 10_000);
      expect(await revoked.read("application", "before", revoker)).toBe("x");

      // The news spreads by links of 10 ms; everybody writes all the time, knowing or not.
      world.revoke(revoker, revoked);
      const secret: { key: string; by: Gateway }[] = [];
      for (let step = 0; step < 30; step++) {
        for (const g of gateways) {
          if (g === revoked || !g.view.revoked.has(revoked.id)) continue;
          await g.write("application", `secret ${step}`, "s");
          secret.push({ key: `secret ${step}`, by: g });
        }
        await world.run(5);
      }
      const others = gateways.filter((g) => g !== revoked);
      expect(await world.until(() => world.agree(others), 30_000)).toBeDefined();
      expect(secret.length).toBeGreaterThan(50);
      for (const { key, by } of secret) {
        const epoch = epochOf(revoker, key, by);
        expect(epoch).toBeDefined();
        expect(seen.has(epoch as string)).toBe(false);
        expect(await at(others, 5).read("application", key, by)).toBe("s");
      }
      // Its own records are gone everywhere, and it is told nothing any more.
      for (const g of others)
        expect(g.replica?.list("application").some((h) => toHex(h.author) === revoked.id)).toBe(false);
      const sizeThen = revoked.replica?.size;
      await at(others, 2).write("application", "later", "x");
      await world.run(20_000);
      expect(revoked.replica?.size).toBe(sizeThen);
    }
  });

  test("does not get the new key from a neighbour that has not heard of the revocation", async () => {
    // a - b - c - revoked, and b's link to c carries records before it carries the news.
    const world = new RecordsWorld("late news");
    const [a, b, c, revoked] = [
      await world.add("a"),
      await world.add("b"),
      await world.add("c"),
      await world.add("revoked"),
    ];
    for (const [x, y] of [
      [a, b],
      [b, c],
      [c, revoked],
    ] as const)
      await world.link(x, y);
    await a.write("application", "before", "x");
    await world.run(10_000);
    const seen = keysSeenBy(world, revoked);
    a.view.learn(revoked.id);
    b.view.learn(revoked.id);
    await a.write("application", "secret", "s");
    await world.run(60_000);
    // c and the revoked one have the record, which says what it is called and not what it says.
    expect(c.replica?.size).toBe(2);
    expect(revoked.replica?.size).toBe(2);
    await expect(revoked.replica?.get("application", utf8("secret"))).rejects.toMatchObject({ code: "sync/no-key" });
    expect([...seen]).toEqual([]);
    expect(await c.read("application", "secret")).toBe("s"); // c has the key, and keeps it to itself
    c.view.learn(revoked.id);
    await world.run(10_000);
    expect([...seen]).toEqual([]);
  });
});

describe("group keys", () => {
  test("that forked in a partition are read everywhere after it, and one is written under", async () => {
    const world = new RecordsWorld("forked");
    const gateways = await meshOf(world, 8);
    const [one, two] = [await world.add("one"), await world.add("two")];
    await world.link(one, at(gateways, 0));
    await world.link(two, at(gateways, 7));
    for (const g of gateways) await g.write("application", "before", "x");
    await world.until(() => world.agree(gateways), 20_000);
    const [left, right] = [
      [...gateways.slice(0, 4), one],
      [...gateways.slice(4), two],
    ];
    await world.partition(left);
    world.revoke(at(left, 1), one);
    world.revoke(at(right, 1), two);
    await world.run(2_000);
    for (const g of gateways) await g.write("application", "apart", `apart ${g.name}`);
    await world.run(5_000);
    const epochs = new Set(gateways.map((g) => epochOf(g, "apart", g)));
    expect(epochs.size).toBeGreaterThanOrEqual(2);

    await world.heal();
    expect(await world.until(() => world.agree(gateways), 30_000)).toBeDefined();
    for (const g of gateways)
      for (const reader of gateways) expect(await reader.read("application", "apart", g)).toBe(`apart ${g.name}`);
    // All know both revocations now, and made keys for it; they settle on one.
    await world.run(5_000);
    for (const g of gateways) await g.write("application", "together", "x");
    await world.run(15_000);
    for (const g of gateways) await g.write("application", "settled", "x");
    await world.until(() => world.agree(gateways), 20_000);
    const settled = new Set(gateways.map((g) => epochOf(at(gateways, 0), "settled", g)));
    expect(settled.size).toBe(1);
    expect([...epochs, undefined].includes([...settled][0])).toBe(false);
  });

  test("outlive a power cut with the records that they seal", async () => {
    const world = new RecordsWorld("keys kept");
    const [a, b] = [await world.add("a"), await world.add("b")];
    await world.link(a, b);
    await a.write("application", "k", "v");
    await world.until(() => world.agree(), 10_000);
    await world.run(5_000);
    await world.partition([b]);
    await b.stop();
    await b.start();
    expect(await b.read("application", "k")).toBe("v");
  });
});
