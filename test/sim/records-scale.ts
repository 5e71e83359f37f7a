/**
 * How the exchange of records grows: `bun test/sim/records-scale.ts MEMBERS RECORDS [SEED]`. Members stand in a ring with chords,
 * each with four neighbours on average; signatures are stand-ins of the real size. Prints one line of JSON.
 */
import { utf8 } from "../../runtime/base/bytes.ts";
import { meshOf, RecordsWorld } from "./records-world.ts";

export interface Scale {
  readonly members: number;
  readonly records: number;
  /** Virtual seconds until all agreed after the last write. */
  readonly seconds: number | undefined;
  /** Bytes sent for each record that a member took, and what one is with its share of its batch. */
  readonly bytesPerRecord: number;
  readonly recordBytes: number;
  /** Most records that were on their way to one member. */
  readonly pendingMost: number;
  /** Heap of one member's index and bookkeeping, all stored values being shared. */
  readonly heapPerRecord: number;
  readonly wallSeconds: number;
}

export async function scale(members: number, records: number, seed = "scale"): Promise<Scale> {
  const started = performance.now();
  const world = new RecordsWorld(`${seed} ${members} ${records}`);
  const gateways = await meshOf(world, members);
  await gateways[0]?.write("application", "first", "x"); // makes the group key
  await world.run(10_000);
  Bun.gc(true);
  const heapBefore = process.memoryUsage().heapUsed;
  world.bytes = 0;
  // Batches of ten: what an application writes at one time.
  let pendingMost = 0;
  for (let i = 0; i < records; i += 10) {
    const writer = gateways[(i / 10) % members];
    await Promise.all(
      Array.from({ length: Math.min(10, records - i) }, (_, k) =>
        writer?.replica?.write({ kind: "application", key: utf8(`${i + k}`), value: utf8("x".repeat(100)) }),
      ),
    );
    if (i % 100 === 0) await world.run(10);
    if (i % 1000 === 0) pendingMost = Math.max(pendingMost, ...gateways.map((g) => g.replica?.pending ?? 0));
  }
  const took = await world.until(
    () => gateways.every((g) => g.replica?.size === records + 1) && world.agree(),
    600_000,
    250,
  );
  Bun.gc(true);
  const heap = process.memoryUsage().heapUsed - heapBefore;
  const stored = [...(gateways[0]?.medium.content.values() ?? [])].filter((e) => e.key[0] === 1 || e.key[0] === 2);
  return {
    members,
    records,
    seconds: took === undefined ? undefined : took / 1000,
    bytesPerRecord: Math.round(world.bytes / (records * (members - 1))),
    recordBytes: Math.round(stored.reduce((sum, e) => sum + e.value.length, 0) / records),
    pendingMost,
    heapPerRecord: Math.round(heap / (records * members)),
    wallSeconds: Math.round((performance.now() - started) / 1000),
  };
}

if (import.meta.main) {
  const [members = "100", records = "1000", seed] = process.argv.slice(2);
  console.log(JSON.stringify(await scale(Number(members), Number(records), seed)));
}
