/** What the store holds, as a table. A prefix is frozen once released; what goes leaves a gap. */

const kB = 1024;
const MB = 1024 * kB;

export interface Range {
  /** First byte of every key; 0 is the store's own. */
  readonly prefix: number;
  /** Most entries, and most bytes of keys and values together. */
  readonly entries: number;
  readonly bytes: number;
  readonly keyMax: number;
  readonly valueMax: number;
  readonly doc: string;
}

const range = (row: Range): Range => row;

/** 280 MB in all: what a gateway with 4 GB of flash has to spare, with room for an engine's garbage. */
export const RANGES = {
  record: range({
    prefix: 1,
    entries: 200_000,
    bytes: 160 * MB,
    keyMax: 64,
    valueMax: 64 * kB,
    doc: "records of all members, each with its proof",
  }),
  batch: range({
    prefix: 2,
    entries: 50_000,
    bytes: 50 * MB,
    keyMax: 32,
    valueMax: 8 * kB,
    doc: "signed roots of batches that records belong to",
  }),
  chunk: range({
    prefix: 3,
    entries: 4_000,
    bytes: 40 * MB,
    keyMax: 64,
    valueMax: 64 * kB,
    doc: "parts of large values, by their hash",
  }),
  epoch: range({
    prefix: 4,
    entries: 2_048,
    bytes: 32 * MB,
    keyMax: 32,
    valueMax: 160 * kB,
    doc: "group keys: secret",
  }),
  author: range({
    prefix: 5,
    entries: 16,
    bytes: 16 * kB,
    keyMax: 32,
    valueMax: kB,
    doc: "this gateway's own counters",
  }),
} as const;

export type RangeName = keyof typeof RANGES;
export const RANGE_NAMES = Object.keys(RANGES) as readonly RangeName[];

/** The range that a key belongs to, or undefined. */
export const rangeOf = (key: Uint8Array): RangeName | undefined =>
  RANGE_NAMES.find((name) => RANGES[name].prefix === key[0]);
