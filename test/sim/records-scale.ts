/**
 * How the exchange of records grows: `bun test/sim/records-scale.ts MEMBERS RECORDS [SEED]`. Members stand in a ring with chords, each with four
 * neighbours on average, links of 10 ms; signatures are stand-ins of the real size; what is equal among members they share (`records-sharing.ts` says what, and what
 * stands in for what). Each run ends with every member holding exactly what was written: as many, with the digest that the written ids have. Prints one line of JSON.
 */
import { toHex, utf8 } from "../../runtime/base/bytes.ts";
import { type Ms, seconds } from "../../runtime/base/time.ts";
import { native } from "../../runtime/crypto/native.ts";
import { IdTree } from "../../runtime/sync/id-tree.ts";
import { KINDS } from "../../runtime/sync/kinds.ts";
import { Sharing } from "./records-sharing.ts";
import { type Gateway, meshOf, RecordsWorld } from "./records-world.ts";

export interface Scale {
  readonly members: number;
  readonly records: number;
  /** Virtual seconds from the first write to the last, and from there until all held all. */
  readonly writing: number;
  readonly seconds: number;
  /** Of the ids of all that was written: each member's. */
  readonly digest: string;
  readonly messages: number;
  readonly bytes: number;
  /** Bytes sent for each record that a member took, and what one is with its share of its batch. */
  readonly bytesPerRecord: number;
  readonly recordBytes: number;
  /** Most records that were on their way to one member. */
  readonly pendingMost: number;
  /** Of each member: heap of its index and bookkeeping, what is shared being counted as well; CPU. */
  readonly heapPerRecord: number;
  readonly cpuPerRecord: number;
  /** Highest resident memory of the process, MB, and what it took on the clock. */
  readonly peakMemory: number;
  readonly wallSeconds: number;
}

/** What an application writes at one time, and how many records a mesh writes in a second. */
const BATCH = 10;
const RATE = 5_000;
const VALUE = utf8("x".repeat(100));
const LIMIT: Ms = seconds(3600);

async function write(gateway: Gateway, from: number, to: number): Promise<void> {
  const keys = Array.from({ length: to - from }, (_, i) => utf8(`${from + i}`));
  await Promise.all(keys.map((key) => gateway.replica?.write({ kind: "application", key, value: VALUE })));
}

/** The first collection leaves what its finalizers hold. */
async function heapNow(): Promise<number> {
  Bun.gc(true);
  await Bun.sleep(0);
  Bun.gc(true);
  return process.memoryUsage().heapUsed;
}

export interface Options {
  readonly seed?: string;
  /** False: each member does and keeps all by itself, in a store of its own. */
  readonly shares?: boolean;
  readonly progress?: (line: string) => void;
}

/** What so many members may write: one record of applications too many, and its author is refused. */
export const mostRecords = (members: number): number => members * KINDS.application.perAuthor - 1;

/** Throws RangeError for more than `mostRecords`, and where the members do not come to agree within an hour of theirs. */
export async function scale(members: number, records: number, options: Options = {}): Promise<Scale> {
  if (records > mostRecords(members)) throw new RangeError(`so many members write ${mostRecords(members)} at most`);
  const [started, cpuBefore] = [performance.now(), process.cpuUsage()];
  const world = new RecordsWorld(`${options.seed ?? "scale"} ${members} ${records}`);
  if (options.shares ?? true) world.sharing = new Sharing(world.crypto, world.meshId);
  const gateways = await meshOf(world, members);
  await gateways[0]?.write("application", "first", "x"); // makes the group key
  await world.run(10_000);
  const heapBefore = await heapNow();
  [world.bytes, world.messages] = [0, 0];
  const before = world.now;
  let [pendingMost, peak] = [0, 0];
  const look = (): void => {
    pendingMost = Math.max(pendingMost, ...gateways.map((g) => g.replica?.pending ?? 0));
    peak = Math.max(peak, process.memoryUsage.rss());
    const least = Math.min(...gateways.map((g) => g.replica?.size ?? 0));
    const [simulated, here] = [(world.now - before) / 1000, Math.round((performance.now() - started) / 1000)];
    options.progress?.(
      `${members} x ${records}: ${simulated} s: each has ${least} or more; ${Math.round(peak / 1e6)} MB, ${here} s here`,
    );
  };
  for (let i = 0; i < records; i += BATCH) {
    await write(gateways[(i / BATCH) % members] as Gateway, i, Math.min(i + BATCH, records));
    await world.run((1000 * BATCH) / RATE);
    if (i % 1000 === 0) look();
  }
  const wrote = world.now;
  const digest = digestOf(world.written);
  const holdsAll = ({ replica }: Gateway): boolean => replica?.size === records + 1 && replica.digest === digest;
  while (!gateways.every(holdsAll)) {
    if (world.now > wrote + LIMIT) throw new RangeError("they do not agree");
    look();
    await world.run(50);
  }
  const took = world.now - wrote;
  look();
  const heap = (await heapNow()) - heapBefore;
  const { user, system } = process.cpuUsage(cpuBefore);
  return {
    members,
    records,
    digest,
    writing: (wrote - before) / 1000,
    seconds: took / 1000,
    messages: world.messages,
    bytes: world.bytes,
    bytesPerRecord: Math.round(world.bytes / (records * (members - 1))),
    recordBytes: Math.round(storedBytes(gateways[0] as Gateway) / (records + 1)),
    pendingMost,
    heapPerRecord: Math.round(heap / (records * members)),
    cpuPerRecord: Number(((user + system) / (records * members)).toFixed(1)),
    peakMemory: Math.round(peak / 1e6),
    wallSeconds: Math.round((performance.now() - started) / 1000),
  };
}

function digestOf(ids: Iterable<string>): string {
  const tree = new IdTree(native);
  for (const id of ids) tree.add({ id });
  return toHex(tree.fingerprint(""));
}

/** Of records with their proofs, and of the signatures of their batches. */
function storedBytes({ world, medium }: Gateway): number {
  if (world.sharing) return world.sharing.storedBytes;
  const stored = [...medium.content.values()].filter(({ key }) => key[0] === 1 || key[0] === 2);
  return stored.reduce((sum, { value }) => sum + value.length, 0);
}

if (import.meta.main) {
  const [members = "100", records = "1000", seed] = process.argv.slice(2);
  console.log(
    JSON.stringify(await scale(Number(members), Number(records), { ...(seed && { seed }), progress: console.error })),
  );
}
