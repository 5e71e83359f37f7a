/** Records in a simulated mesh: they reach everybody, whatever happens on the way. */
import { describe, expect, test } from "bun:test";
import { native } from "../../runtime/crypto/native.ts";
import { type Gateway, meshOf, RecordsWorld } from "./records-world.ts";

const at = (gateways: readonly Gateway[], i: number): Gateway => gateways[i] as Gateway;

/** Bytes of the store that two gateways lack of each other: records with their proofs, and the signatures of their batches. */
function missingBytes(a: Gateway, b: Gateway): number {
  let bytes = 0;
  for (const [x, y] of [
    [a, b],
    [b, a],
  ] as const) {
    for (const [name, { key, value }] of x.medium.content) {
      const counts = key[0] === 1 || key[0] === 2;
      if (counts && !y.medium.content.has(name)) bytes += value.length;
    }
  }
  return bytes;
}

/** Fails unless every gateway reads every acknowledged write, or a later one of the same writer and key. */
async function expectAllRead(gateways: readonly Gateway[], writers: readonly Gateway[] = gateways): Promise<void> {
  for (const writer of writers)
    for (const [name, value] of writer.acknowledged) {
      const [kind, ...key] = name.split(" ") as ["application" | "health", ...string[]];
      for (const reader of gateways)
        if (reader.replica) expect(await reader.read(kind, key.join(" "), writer)).toBe(value);
    }
}

describe("a mesh of ten", () => {
  test("reads everywhere what was written anywhere, with real signatures", async () => {
    const world = new RecordsWorld("ten", native);
    const gateways = await meshOf(world, 10, ["admin"]);
    for (const [i, gateway] of gateways.entries()) {
      expect(await gateway.write("application", `topic ${i}`, `value ${i}`)).toBeUndefined();
      expect(await gateway.write("health", "", `well ${i}`)).toBeUndefined();
    }
    expect(await world.until(() => world.agree() && at(gateways, 0).replica?.size === 20, 10_000)).toBeDefined();
    await expectAllRead(gateways);
  });

  test("has a record everywhere within 300 ms of three hops, and a deleted one nowhere", async () => {
    const world = new RecordsWorld("latency");
    const gateways = await meshOf(world, 10);
    await at(gateways, 0).write("application", "first", "x"); // makes the group key
    await world.run(10_000);
    const took: number[] = [];
    for (let i = 0; i < 100; i++) {
      await at(gateways, i % 10).write("application", `t${i}`, "x");
      const size = at(gateways, i % 10).replica?.size;
      took.push((await world.until(() => gateways.every((g) => g.replica?.size === size), 5_000, 5)) ?? 5_000);
    }
    expect(Math.max(...took)).toBeLessThan(300); // a link takes 10 ms each way
    await at(gateways, 3).write("application", "t3", undefined);
    expect(
      await world.until(async () => (await at(gateways, 7).read("application", "t3")) === undefined, 5_000),
    ).toBeDefined();
  });
});

describe("a partition", () => {
  test("of two with 1,000 writes on each side heals in 5 s, moving at most twice what was missing", async () => {
    const world = new RecordsWorld("two halves");
    const [a, b] = [await world.add("a"), await world.add("b")];
    await world.link(a, b);
    for (let i = 0; i < 40; i++)
      await Promise.all(
        [a, b].flatMap((g) =>
          Array.from({ length: 12 }, (_, k) => g.write("application", `common ${i * 12 + k}`, "x".repeat(100))),
        ),
      );
    await world.until(() => world.agree(), 20_000);
    await world.partition([a]);
    // Ten at a time, as an application that is busy would.
    for (const g of [a, b])
      for (let i = 0; i < 50; i++)
        await Promise.all(
          Array.from({ length: 10 }, (_, k) => g.write("application", `own ${i * 10 + k}`, `${i}`.repeat(50))),
        );
    await world.run(60_000);
    const missing = missingBytes(a, b);
    world.bytes = 0;
    await world.heal();
    const took = await world.until(() => world.agree(), 5_000);
    expect(took).toBeDefined();
    expect(a.replica?.size).toBe(1960);
    expect(world.bytes).toBeLessThan(2 * missing);
  });
});

describe("a neighbour that still reads its store", () => {
  test.each([0, 1])("and hears nothing at first, agrees a second after it listens (%d is late)", async (which) => {
    const world = new RecordsWorld("still reading");
    const pair = [await world.add("a"), await world.add("b")];
    const [late, early] = [at(pair, which), at(pair, 1 - which)];
    await late.write("application", "late", "x");
    await early.write("application", "early", "x");
    await world.run(10_000);
    await early.replica?.neighbourUp(late.id);
    await world.run(300);
    await late.replica?.neighbourUp(early.id);
    expect(await world.until(() => world.agree(), 1_000)).toBeDefined();
  });
});

describe("ten gateways in two halves", () => {
  test("with 1,000 writes on each side agree in 5 s, moving at most twice what each lacked", async () => {
    const world = new RecordsWorld("ten halves");
    const gateways = await meshOf(world, 10);
    for (const g of gateways) await g.write("application", "hello", "x");
    await world.until(() => world.agree(), 20_000);
    await world.partition(gateways.slice(0, 5));
    for (const g of gateways)
      for (let i = 0; i < 20; i++)
        await Promise.all(
          Array.from({ length: 10 }, (_, k) => g.write("application", `${i * 10 + k}`, "x".repeat(100))),
        );
    await world.run(60_000);
    const [left, right] = [at(gateways, 0), at(gateways, 9)];
    const missing = (missingBytes(left, right) / 2) * 10; // each of five lacks what the other side has
    world.bytes = 0;
    await world.heal();
    expect(await world.until(() => world.agree(), 5_000)).toBeDefined();
    expect(left.replica?.size).toBe(2010);
    expect(world.bytes).toBeLessThan(2 * missing);
  });
});

describe("power cuts", () => {
  test("at any moment lose nothing that was acknowledged, anywhere", async () => {
    const world = new RecordsWorld("cuts");
    const gateways = await meshOf(world, 8);
    const lagging = async (): Promise<void> => {
      for (let turns = world.random() * 8; turns > 0; turns--) await Promise.resolve();
    };
    for (const g of gateways) {
      g.medium.latency = lagging;
      g.medium.reaches = () => world.random() < 0.5;
    }
    let cuts = 0;
    for (let i = 0; i < 300; i++) {
      const g = at(gateways, Math.floor(world.random() * 8));
      if (!g.replica) await g.start();
      const write = g.write("application", `k${Math.floor(world.random() * 20)}`, `value ${i}`);
      if (world.random() < 0.2) {
        await lagging();
        await g.stop();
        cuts++;
      } else await write;
      await world.run(world.random() * 200);
    }
    for (const g of gateways) if (!g.replica) await g.start();
    expect(await world.until(() => world.agree(), 30_000)).toBeDefined();
    expect(cuts).toBeGreaterThan(30);
    // What was on its way may have become durable without an answer: then a later value of the same key counts.
    for (const g of gateways)
      for (const [name, value] of g.acknowledged) {
        const read = await at(gateways, 0).read("application", name.slice("application ".length), g);
        expect(Number(read?.slice(6))).toBeGreaterThanOrEqual(Number(value?.slice(6)));
      }
  });
});

describe("a full disk", () => {
  test("refuses writes with its reason, holds up nobody else, and catches up once there is room", async () => {
    const world = new RecordsWorld("full");
    const gateways = await meshOf(world, 6);
    for (const g of gateways) await g.write("application", "before", "x".repeat(500));
    await world.until(() => world.agree(), 10_000);
    const full = at(gateways, 0);
    full.medium.capacity = full.medium.bytes + 100;
    expect(await full.write("application", "refused", "x".repeat(500))).toBe("store/full");
    for (const g of gateways.slice(1)) await g.write("application", "during", "x".repeat(500));
    expect(await world.until(() => world.agree(gateways.slice(1)), 10_000)).toBeDefined();
    expect(world.agree()).toBe(false);
    expect(await full.read("application", "before", at(gateways, 3))).toBe("x".repeat(500));
    full.medium.capacity = Number.POSITIVE_INFINITY;
    expect(await world.until(() => world.agree(), 60_000)).toBeDefined();
    expect(await full.write("application", "after", "x")).toBeUndefined();
    await world.until(() => world.agree(), 10_000);
    await expectAllRead(gateways);
  });
});

describe("a gateway that knows less than others of what it wrote", () => {
  const restored = async (
    seed: string,
    forget: (g: Gateway) => void,
  ): Promise<{ world: RecordsWorld; gateways: Gateway[]; g: Gateway }> => {
    const world = new RecordsWorld(seed);
    const gateways = await meshOf(world, 5);
    const g = at(gateways, 2);
    await g.write("application", "a", "old a");
    await g.write("health", "", "old");
    await world.until(() => world.agree(), 10_000);
    const backup = new Map(g.medium.content);
    for (let i = 0; i < 6; i++) await g.write("application", "a", `newer a ${i}`);
    await g.write("application", "b", "b");
    await g.write("health", "", "newer");
    await world.until(() => world.agree(), 10_000);
    await g.stop();
    g.medium.content.clear();
    for (const [name, entry] of backup) g.medium.content.set(name, entry);
    forget(g);
    return { world, gateways, g };
  };

  test.each([
    ["was restored from a backup", (): void => {}],
    ["lost its store", (g: Gateway): void => g.medium.content.clear()],
  ])("because it %s takes over what others know, and what it writes since it started counts", async (how, forget) => {
    const { world, gateways, g } = await restored(how, forget);
    // It writes before it has met anybody.
    await world.partition([g]);
    await g.start();
    await g.write("health", "", "after the restore");
    await world.heal();
    expect(await world.until(() => world.agree(), 30_000)).toBeDefined();
    for (const reader of gateways) {
      expect(await reader.read("application", "a", g)).toBe("newer a 5");
      expect(await reader.read("application", "b", g)).toBe("b");
      expect(await reader.read("health", "", g)).toBe("after the restore");
    }
    await g.write("application", "a", "newest a");
    expect(
      await world.until(async () => (await at(gateways, 0).read("application", "a", g)) === "newest a", 10_000),
    ).toBeDefined();
  });
});
