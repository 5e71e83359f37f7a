/** One published test: what to compute, and what must come out. */
import { equal, toHex } from "../../../runtime/base/bytes.ts";
import type { Bytes, Subject } from "./subject.ts";

export interface Case {
  /** Group and test number as published, with the reason the file gives for the test. */
  readonly id: string;
  /** Undefined when the subject did right, else what it did wrong. Throws `NotOffered`. */
  check(subject: Subject): Promise<string | undefined>;
}

export function same(what: string, got: Bytes | undefined, wanted: Bytes): string | undefined {
  if (!got) return `${what}: refused`;
  return equal(got, wanted)
    ? undefined
    : `${what}: ${toHex(got).slice(0, 32)}… instead of ${toHex(wanted).slice(0, 32)}…`;
}

export const refused = (what: string, got: unknown): string | undefined =>
  got === undefined || got === false ? undefined : `${what}: accepted`;
