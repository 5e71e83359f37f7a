/** What a reader sees of a record whose next value is on its way to the medium. */
import { expect, test } from "bun:test";
import { utf8 } from "../../../runtime/base/bytes.ts";
import { Meter } from "../../../runtime/base/meter.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { generateKeys } from "../../../runtime/identity/keys.ts";
import { MemoryKeyValue, MemoryMedium } from "../../../runtime/store/memory-key-value.ts";
import { Store } from "../../../runtime/store/store.ts";
import { Replica } from "../../../runtime/sync/replica.ts";
import { seededRandom } from "../../help/seeded.ts";

const KEY = utf8("site/x");
const LARGE = 100_000; // of several chunks

async function open(medium: MemoryMedium): Promise<Replica> {
  const random = seededRandom("reading");
  const keys = await generateKeys(native, random);
  return Replica.open({
    crypto: native,
    random,
    store: await Store.open(new MemoryKeyValue(medium)),
    membership: {
      meshId: native.sha256(utf8("reading")),
      self: { keyId: keys.id, secrets: keys.secrets },
      author: () => ({ keys: keys.public, capabilities: [] }),
      revocations: () => new Set<string>(),
      revision: 0,
    },
    meter: new Meter(),
    now: () => 0,
    send: () => {},
    changed: () => {},
  });
}

/** Writes wait at the medium until it is called. */
function hold(medium: MemoryMedium): { readonly reached: Promise<void>; go: () => void } {
  const [reached, gate] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  medium.latency = () => {
    reached.resolve();
    return gate.promise;
  };
  return { reached: reached.promise, go: gate.resolve };
}

const first = (values: readonly { readonly value: Uint8Array }[]): number | undefined => values[0]?.value[0];

test.each([
  ["small", 100],
  ["large", LARGE],
])("a reader of a %s record never finds it gone while it is replaced", async (_, size) => {
  const medium = new MemoryMedium();
  const replica = await open(medium);
  const write = (fill: number | undefined): Promise<void> =>
    replica.write({
      kind: "application",
      key: KEY,
      value: fill === undefined ? undefined : new Uint8Array(size).fill(fill),
    });
  await write(1);
  const held = hold(medium);
  const written = write(2);
  await held.reached;
  const read = Promise.all([replica.get("application", KEY), replica.each("application", KEY)]);
  await Promise.resolve();
  held.go();
  const [newest, each] = await read;
  expect([newest?.value[0], first(each)]).toEqual([2, 2]);
  await written;
  await write(undefined);
  expect(await replica.get("application", KEY)).toBeUndefined();
  expect(await replica.each("application", KEY)).toEqual([]);
});

test("a reader sees what stood there when the write fails", async () => {
  const medium = new MemoryMedium();
  const replica = await open(medium);
  await replica.write({ kind: "application", key: KEY, value: Uint8Array.of(1) });
  const gate = Promise.withResolvers<void>();
  medium.capacity = 0;
  medium.latency = () => gate.promise;
  const failed = replica.write({ kind: "application", key: KEY, value: Uint8Array.of(2) }).catch(() => "refused");
  const read = replica.get("application", KEY);
  gate.resolve();
  expect(await failed).toBe("refused");
  expect((await read)?.value[0]).toBe(1);
});
