/**
 * Changes of the stored format, one version at a time. A step maps entries; it is run again from its start when it was
 * cut off, so it must leave alone what it has done already.
 */
import { TrellisError } from "../base/errors.ts";
import { type Entry, endOf, type KeyChange, type KeyValue } from "./key-value.ts";
import { RANGE_NAMES, RANGES } from "./ranges.ts";

export interface Migration {
  /** From this version to the next. */
  readonly from: number;
  /** Changes that one entry asks for; none for one that is right already. Values are sealed (checked.ts). */
  readonly step: (entry: Entry) => readonly KeyChange[];
}

/** Version that this program writes. */
export const SCHEMA = 1;
export const MIGRATIONS: readonly Migration[] = [];

export const SCHEMA_KEY: Uint8Array = Uint8Array.of(0, 0);
const SLICE = 500;

export const encodeSchema = (version: number): Uint8Array => Uint8Array.of(version >> 8, version & 0xff);

/** The version, or undefined when these are other bytes. */
export const decodeSchema = (value: Uint8Array): number | undefined =>
  value.length === 2 ? ((value[0] as number) << 8) | (value[1] as number) : undefined;

/** Brings entries from `have` to `want`; the caller writes the new version then. Throws `store/newer`, `store/older`. */
export async function migrate(
  engine: KeyValue,
  have: number,
  want = SCHEMA,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<void> {
  if (have > want)
    throw new TrellisError("store/newer", `the store has format ${have}, this program knows ${want} at most`, {
      hint: "run the newer release; an older one must not write to this store",
    });
  for (let version = have; version < want; version++) {
    const migration = migrations.find((m) => m.from === version);
    if (!migration)
      throw new TrellisError("store/older", `the store has format ${have}, too old for this program`, {
        hint: "export it with the release that wrote it",
      });
    await mapEntries(engine, migration);
  }
}

async function mapEntries(engine: KeyValue, { step }: Migration): Promise<void> {
  for (const name of RANGE_NAMES) {
    const { prefix } = RANGES[name];
    let from = Uint8Array.of(prefix);
    for (;;) {
      const slice = await engine.scan(from, endOf(prefix), SLICE);
      const changes = slice.flatMap(step);
      if (changes.length > 0) await engine.write(changes);
      const last = slice.at(-1);
      if (!last || slice.length < SLICE) break;
      from = after(last.key);
    }
  }
}

/** The first key behind `key`. */
export function after(key: Uint8Array): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(key.length + 1);
  out.set(key);
  return out;
}
