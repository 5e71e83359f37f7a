/** What a range holds, kept with every commit, so that quotas cost no scan and a commit that went missing shows. */
import { decodeAs, encodeAs, field, record, uint } from "../base/cbor-shape.ts";

export interface Usage {
  readonly entries: number;
  /** Of keys and values, without the store's own. */
  readonly bytes: number;
  /** Sum of the entries' checksums modulo 2^32: another set of entries has another one. */
  readonly sum: number;
}

export const EMPTY: Usage = { entries: 0, bytes: 0, sum: 0 };

const COUNT = uint(Number.MAX_SAFE_INTEGER);
const USAGE = record<Usage>({ entries: field(1, COUNT), bytes: field(2, COUNT), sum: field(3, uint(0xffff_ffff)) });

export const encodeUsage = (usage: Usage): Uint8Array => encodeAs(USAGE, usage);
export const decodeUsage = (data: Uint8Array): Usage | undefined => decodeAs(USAGE, data);

/** One entry as it counts. */
export interface Weight {
  readonly bytes: number;
  readonly sum: number;
}

/** `usage` without the entry that was there and with the one that takes its place. */
export function replaced(usage: Usage, was: Weight | undefined, is: Weight | undefined): Usage {
  return {
    entries: usage.entries - (was ? 1 : 0) + (is ? 1 : 0),
    bytes: usage.bytes - (was?.bytes ?? 0) + (is?.bytes ?? 0),
    sum: (usage.sum - (was?.sum ?? 0) + (is?.sum ?? 0)) >>> 0,
  };
}
