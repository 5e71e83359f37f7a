/**
 * Writes records until it is killed: `record-writer.ts DIRECTORY SEED FIRST`, with the shipped replica, store and signatures. First it tells what it holds,
 * `has KEY NUMBER` each and `ready` at last, then `ack KEY NUMBER` for each write that was acknowledged; a value begins with its number. A store that
 * was set aside ends it.
 */
import { writeSync } from "node:fs";
import { utf8 } from "../../runtime/base/bytes.ts";
import { Meter } from "../../runtime/base/meter.ts";
import { native } from "../../runtime/crypto/native.ts";
import { generateKeys } from "../../runtime/identity/keys.ts";
import { openStore } from "../../runtime/store/open-store.io.ts";
import { Replica } from "../../runtime/sync/replica.ts";
import { systemClock, systemRandom } from "../../runtime/system.io.ts";
import { seededRandom } from "./seeded.ts";

const [directory, seed, first] = process.argv.slice(2) as [string, string, string];
const KEYS = 40;
/** Every so many writes one is as large as a value may be; they share few keys. */
const LARGE_EVERY = 60;
const LARGE_KEYS = 3;
const LARGE: number = 1024 ** 2;
const LANES = 6;

const keyOf = (i: number): string =>
  i % LARGE_EVERY === 0 ? `large ${(i / LARGE_EVERY) % LARGE_KEYS}` : `small ${i % KEYS}`;
function payloadOf(i: number): Uint8Array {
  const value = new Uint8Array(i % LARGE_EVERY === 0 ? LARGE : 100 + ((i * 7_919) % 4_000)).fill(i & 0xff);
  new DataView(value.buffer).setFloat64(0, i);
  return value;
}

const keys = await generateKeys(native, seededRandom(seed));
const { store, setAside } = await openStore(directory, { now: systemClock.now });
if (setAside) throw new Error(`set aside: ${setAside.reason}`);
const replica = await Replica.open({
  crypto: native,
  random: systemRandom,
  store,
  membership: {
    meshId: native.sha256(utf8(seed)),
    self: { keyId: keys.id, secrets: keys.secrets },
    author: () => ({ keys: keys.public, capabilities: [] }),
    revocations: () => new Set<string>(),
    revision: 0,
  },
  meter: new Meter(),
  now: systemClock.now,
  send: () => {},
  changed: () => {},
});

for (const { keyName } of replica.list("application")) {
  const key = Uint8Array.fromHex(keyName);
  const found = await replica.get("application", key);
  if (!found) throw new Error("a record has no value");
  const i = new DataView(found.value.buffer, found.value.byteOffset).getFloat64(0);
  if (Bun.hash(found.value) !== Bun.hash(payloadOf(i))) throw new Error(`value ${i} is not what was written`);
  writeSync(1, `has ${keyOf(i).replace(" ", "-")} ${i}\n`);
}
writeSync(1, "ready\n");

let next = Number(first);
const lane = async (): Promise<never> => {
  for (;;) {
    const i = next++;
    await replica.write({ kind: "application", key: utf8(keyOf(i)), value: payloadOf(i) });
    writeSync(1, `ack ${keyOf(i).replace(" ", "-")} ${i}\n`);
  }
};
await Promise.all(Array.from({ length: LANES }, lane));
