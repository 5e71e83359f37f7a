/**
 * Logs of LevelDB (doc/log_format.md), read without it: of writes, and of what the list of tables (MANIFEST) went through.
 * Records lie in blocks of 32 kB, in parts, each with its CRC-32C.
 */
import { concat } from "../base/bytes.ts";
import { crc32c } from "./crc.ts";
import { unmask, Varints } from "./level-bytes.ts";
import type { Versioned } from "./level-table.ts";

const BLOCK = 32_768;
const HEAD = 7;
const PART = { full: 1, first: 2, middle: 3, last: 4 } as const;

export interface Log {
  readonly records: readonly Uint8Array[];
  /** Something that does not hold has something behind it that does: not what a power cut leaves. */
  readonly damaged: boolean;
}

export function readLog(file: Uint8Array): Log {
  const records: Uint8Array[] = [];
  let open: Uint8Array[] | undefined;
  let bad = false;
  let damaged = false;
  for (const part of partsOf(file)) {
    if (!part) {
      [bad, open] = [true, undefined];
      continue;
    }
    const { type, data } = part;
    if (type === PART.full) {
      records.push(data);
      open = undefined;
    } else if (type === PART.first) open = [data];
    else if (open && type === PART.middle) open.push(data);
    else if (open && type === PART.last) {
      records.push(concat(...open, data));
      open = undefined;
    }
    damaged ||= bad;
  }
  return { records, damaged };
}

/** Undefined for one that does not hold: what is left of its block is passed over. */
function* partsOf(file: Uint8Array): Generator<{ readonly type: number; readonly data: Uint8Array } | undefined> {
  const view = new DataView(file.buffer, file.byteOffset, file.length);
  for (let block = 0; block < file.length; block += BLOCK) {
    const end = Math.min(block + BLOCK, file.length);
    for (let at = block; at + HEAD <= end; ) {
      const [kept, length, type] = [view.getUint32(at, true), view.getUint16(at + 4, true), view.getUint8(at + 6)];
      if (type === 0 && length === 0) break; // room that was never written
      const next = at + HEAD + length;
      const whole = next <= end && crc32c(file.subarray(at + 6, next)) === unmask(kept);
      yield whole ? { type, data: file.subarray(at + HEAD, next) } : undefined;
      if (!whole) break;
      at = next;
    }
  }
}

/** What a log's record did: a batch of writes, numbered one after the other. */
export function* readBatch(record: Uint8Array): Generator<Versioned> {
  if (record.length < 12) return;
  const first = new DataView(record.buffer, record.byteOffset, 8).getBigUint64(0, true);
  const reader = new Varints(record, 12);
  for (let sequence = first; reader.left > 0; sequence++) {
    const made = reader.take(1)?.[0] === 1;
    const key = reader.string();
    const value = made ? reader.string() : undefined;
    if (!key || (made && !value)) return;
    yield { key, sequence, value };
  }
}

export interface Manifest {
  /** Numbers of the tables that count. */
  readonly tables: ReadonlySet<number>;
  /** Number of the first log that counts. */
  readonly log: number;
}

/** Undefined for a list of tables that does not hold or says what LevelDB 1.20 does not say. */
export function readManifest(file: Uint8Array): Manifest | undefined {
  const { records, damaged } = readLog(file);
  if (damaged || records.length === 0) return undefined;
  const tables = new Set<number>();
  let log = 0;
  for (const record of records) {
    const reader = new Varints(record, 0);
    while (reader.left > 0) {
      const change = EDITS[reader.next() ?? -1]?.(reader);
      if (!change) return undefined;
      if (change.log !== undefined) log = change.log;
      if (change.gone !== undefined) tables.delete(change.gone);
      if (change.made !== undefined) tables.add(change.made);
    }
  }
  return { tables, log };
}

interface Edit {
  readonly log?: number;
  readonly made?: number;
  readonly gone?: number;
}

/** By their tag (db/version_edit.cc); undefined for one that is cut off. */
const EDITS: Readonly<Record<number, (r: Varints) => Edit | undefined>> = {
  1: (r) => r.string() && {}, // comparator
  2: (r) => some(r.next(), (log) => ({ log })),
  3: (r) => some(r.next(), () => ({})), // next file
  4: (r) => some(r.next(), () => ({})), // last sequence
  5: (r) => some(r.next(), () => r.string() && {}), // where compaction goes on
  6: (r) => some(r.next(), () => some(r.next(), (gone) => ({ gone }))),
  7: (r) =>
    some(r.next(), () =>
      some(r.next(), (made) => some(r.next(), () => (r.string() && r.string() ? { made } : undefined))),
    ),
  9: (r) => some(r.next(), () => ({})), // previous log
};

const some = (n: number | undefined, then: (n: number) => Edit | undefined): Edit | undefined =>
  n === undefined ? undefined : then(n);
