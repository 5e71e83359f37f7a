import { describe, expect, test } from "bun:test";
import { toHex, utf8 } from "../../../runtime/base/bytes.ts";
import { hours } from "../../../runtime/base/time.ts";
import { exportStore, importStore } from "../../../runtime/store/archive.ts";
import { seal, unseal } from "../../../runtime/store/checked.ts";
import { crc32, crc32c } from "../../../runtime/store/crc.ts";
import { FlashBudget } from "../../../runtime/store/flash-budget.ts";
import type { KeyValue } from "../../../runtime/store/key-value.ts";
import { MemoryKeyValue, MemoryMedium } from "../../../runtime/store/memory-key-value.ts";
import type { Migration } from "../../../runtime/store/migrate.ts";
import { RANGE_NAMES, RANGES } from "../../../runtime/store/ranges.ts";
import { type Change, Store } from "../../../runtime/store/store.ts";
import { seededNumber } from "../../help/seeded.ts";

const put = (key: string, value: string | Uint8Array): Change => ({
  range: "author",
  key: utf8(key),
  value: typeof value === "string" ? utf8(value) : value,
});
const gone = (key: string): Change => ({ range: "author", key: utf8(key), value: undefined });

/** `engine` with another way to write. */
const writingBy = (engine: KeyValue, write: KeyValue["write"]): KeyValue => ({
  get: (key) => engine.get(key),
  scan: (from, to, limit) => engine.scan(from, to, limit),
  snapshot: (from, to) => engine.snapshot(from, to),
  write,
  settle: () => engine.settle(),
  compact: () => engine.compact(),
  relax: () => engine.relax(),
  written: () => engine.written(),
  close: () => engine.close(),
});

const storeOn = (medium: MemoryMedium): Promise<Store> => Store.open(new MemoryKeyValue(medium));

describe("the table of ranges", () => {
  test("gives no prefix twice, and none that is the store's own or the end", () => {
    const prefixes = RANGE_NAMES.map((name) => RANGES[name].prefix);
    expect(new Set(prefixes).size).toBe(prefixes.length);
    for (const p of prefixes) expect(p > 0 && p < 255).toBe(true);
  });
});

describe("a checked value", () => {
  test("carries CRC-32 as others compute it", () => {
    expect(crc32(utf8("123456789"))).toBe(0xcbf43926);
    expect(crc32c(utf8("123456789"))).toBe(0xe3069283);
    const long = Uint8Array.from({ length: 1000 }, (_, i) => i * 7);
    expect(crc32(long)).toBe(Bun.hash.crc32(long));
    for (const at of [0, 1, 7, 8, 9, 500, 1000])
      for (const crc of [crc32, crc32c]) expect(crc(long.subarray(at), crc(long.subarray(0, at)))).toBe(crc(long));
  });

  test("is refused under another key, with any bit flipped, and cut short", () => {
    const sealed = seal(utf8("k"), utf8("value"));
    expect(unseal(utf8("k"), sealed)).toEqual(utf8("value"));
    expect(unseal(utf8("l"), sealed)).toBeUndefined();
    for (let bit = 0; bit < sealed.length * 8; bit++) {
      const flipped = sealed.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(unseal(utf8("k"), flipped)).toBeUndefined();
    }
    for (let length = 0; length < sealed.length; length++)
      expect(unseal(utf8("k"), sealed.subarray(0, length))).toBeUndefined();
  });
});

describe("a store", () => {
  test("gives back what was committed, range by range", async () => {
    const store = await storeOn(new MemoryMedium());
    await store.commit([put("a", "1"), { range: "record", key: utf8("a"), value: utf8("2") }]);
    expect(await store.get("author", utf8("a"))).toEqual(utf8("1"));
    expect(await store.get("record", utf8("a"))).toEqual(utf8("2"));
    expect(await store.get("batch", utf8("a"))).toBeUndefined();
    expect(store.usage("author")).toMatchObject({ entries: 1, bytes: 2 });
  });

  test("lists a range in slices", async () => {
    const store = await storeOn(new MemoryMedium());
    await store.commit(["a", "b", "c", "d", "e"].map((k) => put(k, k)));
    const names = async (behind?: string): Promise<string> => {
      const slice = await store.list("author", 2, behind === undefined ? undefined : utf8(behind));
      return slice.map((e) => new TextDecoder().decode(e.key)).join("");
    };
    expect([await names(), await names("b"), await names("d"), await names("e")]).toEqual(["ab", "cd", "e", ""]);
  });

  test("writes commits that wait together as one batch, and refuses the one that breaks a limit alone", async () => {
    const medium = new MemoryMedium();
    const engine = new MemoryKeyValue(medium);
    let batches = 0;
    const store = await Store.open(
      writingBy(engine, (changes) => {
        batches++;
        return engine.write(changes);
      }),
    );
    batches = 0;
    const outcomes = await Promise.allSettled([
      store.commit([put("a", "1")]),
      store.commit([put("b", new Uint8Array(RANGES.author.valueMax + 1))]),
      store.commit([put("a", "2")]),
      store.commit([put("c", "3"), gone("a")]),
    ]);
    expect(outcomes.map((o) => o.status)).toEqual(["fulfilled", "rejected", "fulfilled", "fulfilled"]);
    expect(batches).toBeLessThanOrEqual(2);
    expect(await store.get("author", utf8("a"))).toBeUndefined();
    expect(store.usage("author")).toMatchObject({ entries: 1, bytes: 2 });
    expect((await store.verify()).problems).toEqual([]);
  });

  test("lets go of the memory of large values once they are written, and not of the caller's", async () => {
    const engine = new MemoryKeyValue();
    const [read, written]: [Uint8Array[], Uint8Array[]] = [[], []];
    const store = await Store.open({
      ...writingBy(engine, async (changes) => {
        for (const { value } of changes) if (value && value.length > 20_000) written.push(value);
        await engine.write(changes);
      }),
      get: async (key) => {
        const value = await engine.get(key);
        if (value && value.length > 20_000) read.push(value);
        return value;
      },
    });
    const values = [1, 2].map((n) => new Uint8Array(32_768).fill(n));
    for (const value of values) await store.commit([{ range: "chunk", key: utf8("k"), value }]);
    expect([read.length, written.length]).toEqual([1, 2]);
    for (const value of [...read, ...written]) expect(value.length).toBe(0);
    expect(await store.get("chunk", utf8("k"))).toEqual(values[1] as Uint8Array);
    expect(values.map((value) => value.length)).toEqual([32_768, 32_768]);
  });

  test("refuses what goes over a range's entries, and lets what shrinks pass", async () => {
    const store = await storeOn(new MemoryMedium());
    await store.commit(Array.from({ length: RANGES.author.entries }, (_, i) => put(`${i}`, "x")));
    await expect(store.commit([put("more", "x")])).rejects.toMatchObject({ code: "store/quota" });
    expect(await store.get("author", utf8("more"))).toBeUndefined();
    await store.commit([put("0", "")]);
    await store.commit([gone("1"), put("more", "x")]);
    expect((await store.verify()).problems).toEqual([]);
  });

  test("refuses a key and a value that are too large for their range", async () => {
    const store = await storeOn(new MemoryMedium());
    const long = "k".repeat(RANGES.author.keyMax + 1);
    await expect(store.commit([put(long, "")])).rejects.toMatchObject({ code: "store/too-large" });
  });

  test("refuses writes on a full medium, reads on, and writes again once there is room", async () => {
    const medium = new MemoryMedium();
    const store = await storeOn(medium);
    await store.commit([put("a", "1")]);
    medium.capacity = medium.bytes;
    await expect(store.commit([put("b", "2")])).rejects.toMatchObject({ code: "store/full" });
    expect(await store.get("author", utf8("a"))).toEqual(utf8("1"));
    await expect(store.commit([put("b", "2")])).rejects.toMatchObject({ code: "store/full" });
    medium.capacity = Number.POSITIVE_INFINITY;
    await store.commit([put("b", "2")]);
    expect(await store.get("author", utf8("b"))).toEqual(utf8("2"));
    expect((await store.verify()).problems).toEqual([]);
  });

  test("counts right after a write that threw and is there all the same", async () => {
    const medium = new MemoryMedium();
    const engine = new MemoryKeyValue(medium);
    let deaf = false;
    const store = await Store.open(
      writingBy(engine, async (changes) => {
        await engine.write(changes);
        if (deaf) throw new Error("no answer");
      }),
    );
    deaf = true;
    await expect(store.commit([put("a", "1")])).rejects.toThrow("no answer");
    deaf = false;
    await store.commit([put("b", "22")]);
    expect(store.usage("author")).toMatchObject({ entries: 2, bytes: 5 });
    expect((await store.verify()).problems).toEqual([]);
  });
});

describe("a look at every entry", () => {
  const broken = async (harm: (medium: MemoryMedium) => void): Promise<readonly string[]> => {
    const medium = new MemoryMedium();
    const store = await storeOn(medium);
    await store.commit([put("a", "1"), put("b", "2")]);
    const before = new Map(medium.content);
    await store.commit([put("a", "new")]);
    for (const [name, entry] of before) if (!medium.content.has(name)) medium.content.set(name, entry);
    harm(medium);
    return (await (await storeOn(medium)).verify()).problems;
  };
  const name = (key: string): string => toHex(Uint8Array.of(RANGES.author.prefix, ...utf8(key)));

  test("finds nothing where nothing is", async () => {
    expect(await broken(() => {})).toEqual([]);
  });
  test("finds a flipped bit", async () => {
    const flip = (m: MemoryMedium): void => {
      const entry = m.content.get(name("a"));
      if (entry) entry.value[5] = (entry.value[5] as number) ^ 1;
    };
    expect(await broken(flip)).toContainEqual(expect.stringContaining("is damaged"));
  });
  test("finds an entry that went missing", async () => {
    expect(await broken((m) => m.content.delete(name("b")))).toContainEqual(expect.stringContaining("were written"));
  });
  test("finds an older value in the place of a newer one", async () => {
    const old = seal(Uint8Array.of(RANGES.author.prefix, ...utf8("a")), utf8("old"));
    const put = (m: MemoryMedium): void => {
      const entry = m.content.get(name("a"));
      if (entry) m.content.set(name("a"), { key: entry.key, value: old });
    };
    expect(await broken(put)).toContainEqual(expect.stringContaining("were written"));
  });
  test("a damaged own entry is told when the store is opened", async () => {
    const medium = new MemoryMedium();
    await (await storeOn(medium)).commit([put("a", "1")]);
    (medium.content.get("0000")?.value as Uint8Array)[0] = 99;
    await expect(storeOn(medium)).rejects.toMatchObject({ code: "store/damaged" });
    medium.content.delete("0000");
    await expect(storeOn(medium)).rejects.toMatchObject({ code: "store/damaged" });
  });
  test("reading a damaged entry throws instead of giving it", async () => {
    const medium = new MemoryMedium();
    const store = await storeOn(medium);
    await store.commit([put("a", "1")]);
    (medium.content.get(name("a"))?.value as Uint8Array)[4] = 0;
    await expect(store.get("author", utf8("a"))).rejects.toMatchObject({ code: "store/damaged" });
    await expect(store.list("author", 9)).rejects.toMatchObject({ code: "store/damaged" });
  });
});

describe("a power cut", () => {
  test("loses nothing that was acknowledged, and halves nothing", async () => {
    const random = seededNumber("store power");
    let [lost, reached] = [0, 0];
    for (let round = 0; round < 150; round++) {
      const medium = new MemoryMedium();
      medium.latency = async () => {
        for (let turns = random() * 6; turns > 0; turns--) await Promise.resolve();
      };
      medium.reaches = () => random() < 0.5;
      const store = await storeOn(medium);
      const acknowledged = new Map<number, number>();
      const tried = new Map<number, number>();
      for (let i = 0; i < 40; i++) {
        const [key, value] = [Math.floor(random() * 8), i];
        tried.set(key, value);
        // Two entries that must be equal: a half batch shows.
        void store
          .commit([put(`a${key}`, `${value}`), put(`b${key}`, `${value}`)])
          .then(() => acknowledged.set(key, value));
        if (random() < 0.4) await Promise.resolve();
      }
      for (let turns = random() * 120; turns > 0; turns--) await Promise.resolve();
      medium.cutPower();
      const again = await storeOn(medium);
      expect((await again.verify()).problems).toEqual([]);
      for (const [key, value] of tried) {
        const [a, b] = [await again.get("author", utf8(`a${key}`)), await again.get("author", utf8(`b${key}`))];
        expect(a).toEqual(b);
        const is = a ? Number(new TextDecoder().decode(a)) : -1;
        expect(is).toBeGreaterThanOrEqual(acknowledged.get(key) ?? -1);
        if (is < value) lost++;
        else reached++;
      }
    }
    expect(lost).toBeGreaterThan(50); // else no cut ever hit a write and the test says nothing
    expect(reached).toBeGreaterThan(50);
  });
});

describe("the format", () => {
  const renamed: Migration = {
    from: 1,
    step: ({ key, value }) => {
      const text = new TextDecoder().decode(unseal(key, value));
      return text.startsWith("new ") ? [] : [{ key, value: seal(key, utf8(`new ${text}`)) }];
    },
  };
  const two = { schema: 2, migrations: [renamed] };

  test("of an older store is brought up to date", async () => {
    const medium = new MemoryMedium();
    await (await storeOn(medium)).commit([put("a", "1"), put("b", "2")]);
    const store = await Store.open(new MemoryKeyValue(medium), two);
    expect(await store.get("author", utf8("b"))).toEqual(utf8("new 2"));
    expect((await Store.open(new MemoryKeyValue(medium), two)).usage("author").entries).toBe(2);
  });

  test("of a newer store is refused, and nothing is touched", async () => {
    const medium = new MemoryMedium();
    await Store.open(new MemoryKeyValue(medium), two);
    const before = new Map(medium.content);
    await expect(storeOn(medium)).rejects.toMatchObject({
      code: "store/newer",
      hint: expect.stringContaining("newer release"),
    });
    expect(medium.content).toEqual(before);
  });

  test("that nobody can bring up to date is refused", async () => {
    const medium = new MemoryMedium();
    await storeOn(medium);
    const three = { schema: 3, migrations: [renamed] };
    await expect(Store.open(new MemoryKeyValue(medium), three)).rejects.toMatchObject({ code: "store/older" });
  });

  test("a migration that was cut off is carried on", async () => {
    const medium = new MemoryMedium();
    await (await storeOn(medium)).commit([put("a", "1"), put("b", "2")]);
    const cut: Migration = { from: 1, step: (e) => (e.key.at(-1) === utf8("b")[0] ? fail() : renamed.step(e)) };
    const fail = (): never => {
      throw new Error("cut");
    };
    await expect(Store.open(new MemoryKeyValue(medium), { schema: 2, migrations: [cut] })).rejects.toThrow("cut");
    const store = await Store.open(new MemoryKeyValue(medium), two);
    expect(await store.get("author", utf8("a"))).toEqual(utf8("new 1"));
  });
});

describe("the flash budget", () => {
  test("fills evenly over a day and holds no more than a day", () => {
    const budget = new FlashBudget(0, 2400);
    budget.spend(3000, 0);
    expect(budget.left(0)).toBe(-600);
    expect(budget.left(hours(6))).toBe(0);
    expect(budget.left(hours(300))).toBe(2400);
  });

  test("tells the last day's bytes to the hour", () => {
    const budget = new FlashBudget(0, 1);
    budget.spend(5, hours(0));
    budget.spend(7, hours(10));
    expect([budget.lastDay(hours(23)), budget.lastDay(hours(24)), budget.lastDay(hours(40))]).toEqual([12, 7, 0]);
  });

  test("overdrawn, it holds back what can wait and nothing else, also after a restart", async () => {
    const medium = new MemoryMedium();
    let now = 0;
    const options = { now: () => now, flashBytesPerDay: 1000 };
    const store = await Store.open(new MemoryKeyValue(medium), options);
    for (let i = 0; i < 3; i++)
      await store.commit([put("a", new Uint8Array(600))], i === 0 ? "deferrable" : "required");
    expect(store.flash.left).toBeLessThan(0);
    await expect(store.commit([put("b", "1")], "deferrable")).rejects.toMatchObject({ code: "store/flash-budget" });
    await store.commit([put("b", "1")]);
    const again = await Store.open(new MemoryKeyValue(medium), options);
    await expect(again.commit([put("c", "1")], "deferrable")).rejects.toMatchObject({ code: "store/flash-budget" });
    now = hours(48);
    await again.commit([put("c", "1")], "deferrable");
  });
});

describe("an archive", () => {
  const archived = async (store: Store): Promise<Uint8Array> => {
    const parts: Uint8Array[] = [];
    for await (const part of exportStore(store.snapshot())) parts.push(part);
    return Uint8Array.from(Buffer.concat(parts));
  };
  async function* cut(archive: Uint8Array): AsyncGenerator<Uint8Array> {
    for (let at = 0; at < archive.length; at += 7) yield archive.subarray(at, at + 7);
  }
  const full = async (): Promise<Store> => {
    const store = await storeOn(new MemoryMedium());
    const many = Array.from(
      { length: 450 },
      (_, i): Change => ({ range: "record", key: utf8(`${i}`), value: utf8(`r${i}`) }),
    );
    await store.commit([...many, put("a", "1")]);
    return store;
  };

  test("brings every entry into another store", async () => {
    const [from, to] = [await full(), await storeOn(new MemoryMedium())];
    await to.commit([put("a", "other")]);
    expect(await importStore(to, cut(await archived(from)))).toBe(451);
    for (const name of RANGE_NAMES) expect(to.usage(name)).toEqual(from.usage(name));
    expect(await to.get("author", utf8("a"))).toEqual(utf8("1"));
  });

  test("that is cut short or changed anywhere is refused at its end", async () => {
    const archive = await archived(await full());
    const to = await storeOn(new MemoryMedium());
    for (const at of [0, 7, 8, 9, 100, archive.length - 5, archive.length - 1]) {
      const changed = archive.slice();
      changed[at] = (changed[at] as number) ^ 4;
      await expect(importStore(to, cut(changed))).rejects.toMatchObject({ code: "store/archive" });
      await expect(importStore(to, cut(archive.subarray(0, at)))).rejects.toMatchObject({ code: "store/archive" });
    }
    await expect(importStore(to, cut(Uint8Array.of(...archive, 0)))).rejects.toMatchObject({ code: "store/archive" });
  });

  test("is of one moment, whatever is written while it is made", async () => {
    const [from, to] = [await full(), await storeOn(new MemoryMedium())];
    async function* slowly(): AsyncGenerator<Uint8Array> {
      let part = 0;
      for await (const bytes of exportStore(from.snapshot())) {
        await from.commit([put("a", "later"), { range: "record", key: utf8(`later${part++}`), value: utf8("x") }]);
        yield bytes;
      }
    }
    expect(await importStore(to, slowly())).toBe(451);
    expect(await to.get("author", utf8("a"))).toEqual(utf8("1"));
  });
});
