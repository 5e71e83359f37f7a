/** Reads the published vectors: all of them beside the repository when they are there, else the trimmed copy in it. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fromHex } from "../../../runtime/base/bytes.ts";

const WHOLE = join(import.meta.dir, "../../../../shared/data/vectors");
const TRIMMED = join(import.meta.dir, "../crypto-published");

export const SOURCE = existsSync(WHOLE) ? WHOLE : TRIMMED;
export const IS_WHOLE = SOURCE === WHOLE;

/** A group or test as published: named fields, bytes as hex. */
export type Row = Readonly<Record<string, unknown>>;

export interface Group extends Row {
  readonly tests: readonly Row[];
}

export function files(folder: "acvp" | "wycheproof", suffix: string): readonly string[] {
  return readdirSync(join(SOURCE, folder))
    .filter((name) => name.endsWith(suffix))
    .sort();
}

export function groups(folder: "acvp" | "wycheproof", file: string): readonly Group[] {
  const text = new TextDecoder().decode(Bun.gunzipSync(readFileSync(join(SOURCE, folder, file))));
  const { testGroups } = JSON.parse(text) as { testGroups: readonly Group[] };
  return testGroups;
}

/** The bytes of a field; an absent one is empty. A field that is not hex is a broken vector file and throws. */
export function bytesOf(row: Row, name: string): Uint8Array {
  const bytes = fromHex(String(row[name] ?? ""));
  if (!bytes) throw new Error(`field ${name} of test ${String(row.tcId)} is not hex`);
  return bytes;
}

export const has = (row: Row, name: string): boolean => row[name] !== undefined;
