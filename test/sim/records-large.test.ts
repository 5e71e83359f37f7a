/** Large values: they go by chunks, count once they are whole, and survive who goes away in the middle. */
import { describe, expect, test } from "bun:test";
import { decodeMessage } from "../../runtime/sync/message.ts";
import { type Gateway, meshOf, RecordsWorld } from "./records-world.ts";

const at = (gateways: readonly Gateway[], i: number): Gateway => gateways[i] as Gateway;
const large = (n: number, letter: string): string => letter.repeat(n);

describe("a value of a megabyte", () => {
  test("reaches everybody, replaces an older one once it is whole, and leaves nothing behind", async () => {
    const world = new RecordsWorld("large");
    const gateways = await meshOf(world, 6);
    const size = 1024 * 1024;
    await at(gateways, 0).write("application", "firmware notes", large(size, "a"));
    expect(await world.until(() => world.agree() && at(gateways, 5).replica?.size === 1, 30_000)).toBeDefined();
    for (const g of gateways) expect((await g.read("application", "firmware notes"))?.length).toBe(size);
    await at(gateways, 0).write("application", "firmware notes", large(size - 7, "b"));
    expect(
      await world.until(async () => (await at(gateways, 3).read("application", "firmware notes"))?.[0] === "b", 30_000),
    ).toBeDefined();
    await world.until(() => world.agree(), 10_000);
    for (const g of gateways) {
      const chunks = [...g.medium.content.values()].filter((e) => e.key[0] === 3);
      expect(chunks).toHaveLength(33);
    }
    await at(gateways, 0).write("application", "firmware notes", undefined);
    await world.run(10_000);
    for (const g of gateways) expect([...g.medium.content.values()].some((e) => e.key[0] === 3)).toBe(false);
  });

  test("that is too large is refused", async () => {
    const world = new RecordsWorld("too large");
    const a = await world.add("a");
    expect(await a.write("application", "k", large(1024 * 1024 + 1, "x"))).toBe("sync/too-large");
  });

  test("comes from another when its source goes away in the middle", async () => {
    const world = new RecordsWorld("gone in the middle");
    const [a, b, c] = [await world.add("a"), await world.add("b"), await world.add("c")];
    for (const [x, y] of [
      [a, b],
      [a, c],
      [b, c],
    ] as const)
      await world.link(x, y);
    let parts = 0;
    world.onSent = (from, to, message) => {
      if (from === a && to === c && decodeMessage(message)?.type === "chunks") parts++;
    };
    await a.write("application", "k", large(800_000, "x"));
    expect(await world.until(() => parts >= 2 && b.replica?.size === 1, 10_000, 5)).toBeDefined();
    await world.partition([a]);
    expect(await world.until(async () => (await c.read("application", "k"))?.length === 800_000, 60_000)).toBeDefined();
  });

  test("with chunks that are not what was signed is not taken", async () => {
    const world = new RecordsWorld("bad chunks");
    const [a, b] = [await world.add("a"), await world.add("b")];
    world.tamper = (message, from) => {
      const data = message.slice();
      if (from === a && decodeMessage(message)?.type === "chunks")
        data[data.length - 1] = (data[data.length - 1] as number) ^ 1;
      return [{ after: 10, data }];
    };
    await world.link(a, b);
    await a.write("application", "k", large(100_000, "x"));
    await world.run(30_000);
    expect(b.replica?.size).toBe(0);
    expect([...b.medium.content.values()].filter((e) => e.key[0] === 3).length).toBeLessThan(4);
    world.tamper = undefined;
    expect(await world.until(() => world.agree(), 120_000)).toBeDefined();
  });
});
