/**
 * Each primitive of the crypto port with both providers: `bun bench/crypto.bench.ts [--json FILE]`. Keys are used again, as
 * static keys are; `first use` rows pay for the import. Values are medians in microseconds; the ratio says how many times
 * faster native is.
 */
import { Bench } from "tinybench";
import { native } from "../runtime/crypto/native.ts";
import { noble } from "../runtime/crypto/noble.ts";
import type { CryptoProvider } from "../runtime/crypto/provider.ts";
import { sipHash24 } from "../runtime/crypto/siphash.ts";

export interface Row {
  readonly id: string;
  readonly value: number;
  readonly unit: string;
}

const PROVIDERS = [native, noble];
const TIME_PER_TASK_MS = 150;
const PACKET = 1232;

const pattern = (length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => (i * 31 + 5) & 0xff);

type Task = readonly [id: string, run: () => unknown];

async function tasksOf(p: CryptoProvider): Promise<readonly Task[]> {
  const [key, nonce, aad, message, packet] = [pattern(32), pattern(12), pattern(16), pattern(64), pattern(PACKET)];
  const sealed = Object.fromEntries(Object.entries(p.aead).map(([n, a]) => [n, a.seal(key, nonce, aad, packet)]));
  const point = p.x25519.publicKey(pattern(32));
  const edKey = p.ed25519.publicKey(key);
  const edSignature = p.ed25519.sign(key, message);
  const kemSeed = pattern(64);
  const kemKey = await p.mlKem768.publicKey(kemSeed);
  const ciphertext = (await p.mlKem768.encapsulate(kemKey, key))?.ciphertext ?? new Uint8Array(0);
  const dsaKey = await p.mlDsa65.publicKey(key);
  const dsaSignature = await p.mlDsa65.sign(key, message, aad);
  return [
    ["sha256-64", () => p.sha256(message)],
    [`sha256-${PACKET}`, () => p.sha256(packet)],
    ["hkdf-extract", () => p.hkdfExtract(key, message)],
    ["hkdf-expand-32", () => p.hkdfExpand(key, message, 32)],
    ...Object.entries(p.aead).flatMap(([name, aead]): Task[] => [
      [`${name}-seal-${PACKET}`, () => aead.seal(key, nonce, aad, packet)],
      [`${name}-open-${PACKET}`, () => aead.open(key, nonce, aad, sealed[name] as Uint8Array)],
    ]),
    ["x25519-public-key-first-use", () => p.x25519.publicKey(key.slice())],
    ["x25519-agree", () => p.x25519.agree(key, point)],
    ["ed25519-sign", () => p.ed25519.sign(key, message)],
    ["ed25519-verify", () => p.ed25519.verify(edKey, message, edSignature)],
    ["ml-kem-768-public-key-first-use", () => p.mlKem768.publicKey(kemSeed.slice())],
    ["ml-kem-768-encapsulate-first-use", () => p.mlKem768.encapsulate(kemKey.slice(), key)],
    ["ml-kem-768-encapsulate", () => p.mlKem768.encapsulate(kemKey, key)],
    ["ml-kem-768-decapsulate", () => p.mlKem768.decapsulate(kemSeed, ciphertext)],
    ["ml-dsa-65-public-key-first-use", () => p.mlDsa65.publicKey(key.slice())],
    ["ml-dsa-65-sign", () => p.mlDsa65.sign(key, message, aad)],
    ["ml-dsa-65-verify", () => p.mlDsa65.verify(dsaKey, message, aad, dsaSignature)],
  ];
}

/** Median microseconds of each task, by id. A task that fails makes the run fail: half a table misleads. */
async function measure(tasks: readonly Task[]): Promise<ReadonlyMap<string, number>> {
  const bench = new Bench({ time: TIME_PER_TASK_MS, warmupTime: 30 });
  for (const [id, run] of tasks) bench.add(id, run);
  await bench.run();
  return new Map(
    bench.tasks.map(({ name, result }) => {
      if (!("latency" in result)) throw new Error(`${name} was not measured: ${result.state}`);
      return [name, result.latency.p50 * 1000];
    }),
  );
}

/** Rows `crypto/<primitive>/<provider>` in us and `crypto/<primitive>/ratio` (noble / native). */
export async function cryptoRows(): Promise<readonly Row[]> {
  const [fast, portable] = await Promise.all(PROVIDERS.map(tasksOf));
  const a = await measure(fast ?? []);
  const b = await measure(portable ?? []);
  const [key, data] = [pattern(16), pattern(64)];
  const siphash = await measure([["siphash-2-4-64", () => sipHash24(key, data)]]);
  return [
    ...[...a].flatMap(([id, us]): Row[] => {
      const other = b.get(id) ?? Number.NaN;
      return [
        { id: `crypto/${id}/native`, value: us, unit: "us" },
        { id: `crypto/${id}/noble`, value: other, unit: "us" },
        { id: `crypto/${id}/ratio`, value: other / us, unit: "x" },
      ];
    }),
    ...[...siphash].map(([id, us]) => ({ id: `crypto/${id}`, value: us, unit: "us" })),
  ];
}

export function cryptoTable(rows: readonly Row[]): string {
  const value = (id: string): string => (rows.find((r) => r.id === id)?.value ?? Number.NaN).toFixed(1).padStart(10);
  const names = [...new Set(rows.filter((r) => r.id.endsWith("/native")).map((r) => r.id.slice(0, -"/native".length)))];
  const lines = names.map(
    (name) => `${name.padEnd(42)}${value(`${name}/native`)}${value(`${name}/noble`)}${value(`${name}/ratio`)}`,
  );
  const alone = rows.filter((r) => r.id.split("/").length === 2).map((r) => `${r.id.padEnd(42)}${value(r.id)}`);
  return [`${"median, us".padEnd(42)}    native     noble     ratio`, ...lines, ...alone].join("\n");
}

if (import.meta.main) {
  const rows = await cryptoRows();
  console.log(cryptoTable(rows));
  const flag = process.argv.indexOf("--json");
  const file = flag < 0 ? undefined : process.argv[flag + 1];
  if (file) await Bun.write(file, `${JSON.stringify(rows, null, 2)}\n`);
}
