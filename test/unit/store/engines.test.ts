/** Every engine keeps the promises of the port. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { toHex, utf8 } from "../../../runtime/base/bytes.ts";
import type { KeyValue } from "../../../runtime/store/key-value.ts";
import { LevelEngine } from "../../../runtime/store/level.io.ts";
import { MemoryKeyValue } from "../../../runtime/store/memory-key-value.ts";
import { seededNumber } from "../../help/seeded.ts";

const folder = mkdtempSync(join(tmpdir(), "trellis-engines-"));
afterAll(() => rmSync(folder, { recursive: true }));
let made = 0;

const FIRST = new Uint8Array(0);
const LAST = Uint8Array.of(0xff, 0xff);

describe.each([
  ["memory", async (): Promise<KeyValue> => new MemoryKeyValue()],
  ["level", (): Promise<KeyValue> => LevelEngine.open(join(folder, String(made++)))],
])("the engine %s", (_, open) => {
  test("gives back what was written, and undefined for what was not or was deleted", async () => {
    const engine = await open();
    await engine.write([
      { key: utf8("a"), value: utf8("1") },
      { key: utf8("b"), value: utf8("") },
    ]);
    expect(await engine.get(utf8("a"))).toEqual(utf8("1"));
    expect(await engine.get(utf8("b"))).toEqual(new Uint8Array(0));
    expect(await engine.get(utf8("c"))).toBeUndefined();
    await engine.write([{ key: utf8("a"), value: undefined }]);
    expect(await engine.get(utf8("a"))).toBeUndefined();
    await engine.close();
  });

  test("scans in the order of bytes, from included, to not, no more than asked for", async () => {
    const engine = await open();
    const keys = [[1], [1, 0], [1, 255], [2], [2, 1], [200]].map((k) => Uint8Array.from(k));
    await engine.write([...keys].reverse().map((key) => ({ key, value: key })));
    const scan = async (from: number[], to: number[], limit = 10): Promise<string[]> =>
      (await engine.scan(Uint8Array.from(from), Uint8Array.from(to), limit)).map((e) => toHex(e.key));
    expect(await scan([0], [255])).toEqual(keys.map(toHex));
    expect(await scan([1], [2])).toEqual(["01", "0100", "01ff"]);
    expect(await scan([1, 0], [2, 1])).toEqual(["0100", "01ff", "02"]);
    expect(await scan([0], [255], 2)).toEqual(["01", "0100"]);
    expect(await scan([3], [4])).toEqual([]);
    await engine.close();
  });

  test("a snapshot shows what was there, some at a time, whatever is written since", async () => {
    const engine = await open();
    const keys = Array.from({ length: 300 }, (_, i) => Uint8Array.of(1, i >> 8, i & 255));
    const all = (value: Uint8Array | undefined): Promise<void> =>
      engine.write([...keys, Uint8Array.of(2)].map((key) => ({ key, value })));
    await all(new Uint8Array(1_000));
    const snapshot = engine.snapshot(Uint8Array.of(1), Uint8Array.of(2));
    const found: string[] = [];
    for (;;) {
      const some = await snapshot.next(40);
      if (some.length === 0) break;
      expect(some.length).toBeLessThanOrEqual(40);
      expect(some.every(({ value }) => value.length === 1_000)).toBe(true);
      found.push(...some.map(({ key }) => toHex(key)));
      await all(found.length > 100 ? undefined : utf8("new"));
    }
    expect(found).toEqual(keys.map(toHex));
    await snapshot.close();
    expect(await engine.get(keys[0] as Uint8Array)).toBeUndefined();
    await engine.close();
  });

  test("of two changes of one key in a batch the later counts", async () => {
    const engine = await open();
    await engine.write([
      { key: utf8("a"), value: utf8("1") },
      { key: utf8("a"), value: utf8("2") },
    ]);
    expect(await engine.get(utf8("a"))).toEqual(utf8("2"));
    await engine.close();
  });

  test("agrees with a map after many batches, and counts at least what was written", async () => {
    const engine = await open();
    const random = seededNumber("engines");
    const model = new Map<string, number>();
    let bytes = 0;
    for (let i = 0; i < 60; i++) {
      const batch = Array.from({ length: 20 }, () => {
        const key = Uint8Array.of(random() * 40, random() * 4);
        const size = Math.floor(random() * 3000);
        const value = random() < 0.3 ? undefined : new Uint8Array(size).fill(i);
        if (value) model.set(toHex(key), size);
        else model.delete(toHex(key));
        bytes += key.length + (value?.length ?? 0);
        return { key, value };
      });
      await engine.write(batch);
    }
    const found = await engine.scan(FIRST, LAST, 1000);
    expect(found.map((e) => [toHex(e.key), e.value.length] as const)).toEqual([...model].sort());
    expect(engine.written()).toBeGreaterThanOrEqual(bytes);
    await engine.compact();
    expect((await engine.scan(FIRST, LAST, 1000)).length).toBe(model.size);
    await engine.close();
  });
});

describe("the engine level", () => {
  test("has what was written when it is opened again", async () => {
    const path = join(folder, "again");
    const first = await LevelEngine.open(path);
    await first.write([{ key: utf8("a"), value: utf8("1") }]);
    await first.close();
    const second = await LevelEngine.open(path);
    expect(await second.get(utf8("a"))).toEqual(utf8("1"));
    expect(second.written()).toBe(0);
    await second.close();
  });

  test("is open once at a time", async () => {
    const path = join(folder, "once");
    const first = await LevelEngine.open(path);
    await expect(LevelEngine.open(path)).rejects.toMatchObject({ code: "store/in-use" });
    await first.close();
  });
});
