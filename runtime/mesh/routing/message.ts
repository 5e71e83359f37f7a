/** What two neighbours' routing tells each other over their stream, byte for byte (SPEC.md, Messages). */
import { concat } from "../../base/bytes.ts";
import { BODY_MAX, LABEL_BYTES, LINKS_MAX, NAME_BYTES, PAGES_MAX, SIGNATURE_BYTES } from "./link-list.ts";
import { Reader } from "./reader.ts";

const KIND = { digest: 1, buckets: 2, summary: 3, want: 4, lacks: 5, list: 6, states: 7 } as const;

export const DIGEST_BYTES = 16;
export const BUCKETS = 32;
/** Entries of one message, of whatever kind. */
export const ENTRIES_MAX = 4096;
/** Lists that one message asks for. */
export const WANT_MAX = 64;
const KEY_BYTES = LABEL_BYTES + 1;
const ELEMENT = 32;

/** One list as it stands with the sender. */
export interface SummaryEntry {
  /** Key and version (link-list.ts). */
  readonly name: Uint8Array;
  /** How far each link's chain is revealed. */
  readonly steps: Uint8Array;
}

/** Element `step` of the chain of link `index`. */
export interface Reveal {
  readonly index: number;
  readonly step: number;
  readonly element: Uint8Array;
}

/** Reveals of the chains of one list. */
export interface RevealGroup {
  readonly name: Uint8Array;
  readonly reveals: readonly Reveal[];
}

/** With all that is revealed of its chains. */
export interface ListMessage {
  readonly kind: "list";
  readonly body: Uint8Array;
  readonly signature: Uint8Array;
  readonly reveals: readonly Reveal[];
}

export type RoutingMessage =
  | { readonly kind: "digest"; readonly digest: Uint8Array }
  | { readonly kind: "buckets"; readonly buckets: readonly Uint8Array[] }
  /** Bit b of `whole` (the first is the highest): all lists of bucket b are among the entries. */
  | { readonly kind: "summary"; readonly whole: number; readonly entries: readonly SummaryEntry[] }
  | { readonly kind: "want"; readonly keys: readonly string[] }
  | { readonly kind: "lacks"; readonly keys: readonly string[] }
  | ListMessage
  | { readonly kind: "states"; readonly groups: readonly RevealGroup[] };

/** Which bucket a list belongs to: by the first bits of its origin. */
export const bucketOf = (key: string): number => Number.parseInt(key.slice(0, 2), 16) >> 3;
export const bitOf = (bucket: number): number => (0x8000_0000 >>> bucket) >>> 0;

const hex = (text: string): Uint8Array => Uint8Array.fromHex(text);
const u16 = (n: number): Uint8Array => Uint8Array.of(n >> 8, n & 0xff);
const u32 = (n: number): Uint8Array => concat(u16(n >>> 16), u16(n & 0xffff));

export function encodeMessage(m: RoutingMessage): Uint8Array {
  const kind = Uint8Array.of(KIND[m.kind]);
  switch (m.kind) {
    case "digest":
      return concat(kind, m.digest);
    case "buckets":
      return concat(kind, ...m.buckets);
    case "summary":
      return concat(kind, u32(m.whole), u16(m.entries.length), ...m.entries.map(encodeEntry));
    case "want":
    case "lacks":
      return concat(kind, ...m.keys.map(hex));
    case "list":
      return concat(kind, u16(m.body.length), m.body, m.signature, ...encodeReveals(m.reveals));
    case "states":
      return concat(kind, ...m.groups.flatMap((g) => [g.name, ...encodeReveals(g.reveals)]));
  }
}

const encodeEntry = (e: SummaryEntry): Uint8Array => concat(e.name, Uint8Array.of(e.steps.length), e.steps);

const encodeReveals = (reveals: readonly Reveal[]): Uint8Array[] => [
  Uint8Array.of(reveals.length),
  ...reveals.flatMap((r) => [Uint8Array.of(r.index, r.step), r.element]),
];

/** Undefined for anything else. Views, not copies. Never throws. */
export function decodeMessage(data: Uint8Array): RoutingMessage | undefined {
  const r = new Reader(data);
  const kind = r.u8();
  const message = decodeBody(kind, r);
  return message && r.done ? message : undefined;
}

function decodeBody(kind: number, r: Reader): RoutingMessage | undefined {
  switch (kind) {
    case KIND.digest:
      return { kind: "digest", digest: r.bytes(DIGEST_BYTES) };
    case KIND.buckets:
      return { kind: "buckets", buckets: Array.from({ length: BUCKETS }, () => r.bytes(DIGEST_BYTES)) };
    case KIND.summary:
      return decodeSummary(r);
    case KIND.want:
    case KIND.lacks: {
      const keys = many(r, WANT_MAX, decodeKey);
      if (!keys) return undefined;
      return kind === KIND.want ? { kind: "want", keys } : { kind: "lacks", keys };
    }
    case KIND.list:
      return decodeListMessage(r);
    case KIND.states: {
      const groups = many(r, ENTRIES_MAX, decodeGroup);
      return groups && { kind: "states", groups };
    }
    default:
      return undefined;
  }
}

/** What is left, one after the other; at least one. */
function many<T>(r: Reader, max: number, one: (r: Reader) => T | undefined): T[] | undefined {
  const out: T[] = [];
  do {
    const value = one(r);
    if (value === undefined || r.overran || out.length === max) return undefined;
    out.push(value);
  } while (r.left > 0);
  return out;
}

function decodeKey(r: Reader): string | undefined {
  const key = r.bytes(KEY_BYTES);
  return !r.overran && hasPage(key) ? key.toHex() : undefined;
}

/** Of a name or a key. */
const hasPage = (name: Uint8Array): boolean => (name[LABEL_BYTES] as number) < PAGES_MAX;

function decodeSummary(r: Reader): RoutingMessage | undefined {
  const whole = r.u32();
  const count = r.u16();
  if (r.overran || count > ENTRIES_MAX) return undefined;
  const entries: SummaryEntry[] = [];
  for (let i = 0; i < count; i++) {
    const name = r.bytes(NAME_BYTES);
    const length = r.u8();
    if (length > LINKS_MAX) return undefined;
    entries.push({ name, steps: r.bytes(length) });
    if (r.overran || !hasPage(name)) return undefined;
  }
  return { kind: "summary", whole, entries };
}

function decodeListMessage(r: Reader): RoutingMessage | undefined {
  const length = r.u16();
  if (length > BODY_MAX) return undefined;
  const body = r.bytes(length);
  const signature = r.bytes(SIGNATURE_BYTES);
  const reveals = decodeReveals(r);
  return reveals && { kind: "list", body, signature, reveals };
}

function decodeGroup(r: Reader): RevealGroup | undefined {
  const name = r.bytes(NAME_BYTES);
  const reveals = decodeReveals(r);
  return reveals && reveals.length > 0 && hasPage(name) ? { name, reveals } : undefined;
}

/** By ascending index, each step above 0. */
function decodeReveals(r: Reader): Reveal[] | undefined {
  const count = r.u8();
  if (r.overran || count > LINKS_MAX) return undefined;
  const out: Reveal[] = [];
  for (let i = 0; i < count; i++) {
    const reveal = { index: r.u8(), step: r.u8(), element: r.bytes(ELEMENT) };
    if (r.overran || reveal.step === 0 || reveal.index <= (out.at(-1)?.index ?? -1)) return undefined;
    out.push(reveal);
  }
  return out;
}
