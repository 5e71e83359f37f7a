/**
 * A link list: what one gateway signs of its neighbours and subnets (SPEC.md, Link list). There is one byte string for one
 * list: entries are sorted, every length is exact, and what means nothing is zero.
 */
import { compare, concat, fromHex, toHex } from "../../base/bytes.ts";
import type { HybridSignature } from "../../crypto/hybrid-signature.ts";
import { LABEL } from "../../crypto/labels.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";
import { Reader } from "./reader.ts";
import { type Label, type LinkValue, type Subnet, VALUES } from "./types.ts";

export const LINKS_MAX = 32;
export const SUBNETS_MAX = 16;
/** Lists of one gateway; each has its own version. One with more than LINKS_MAX neighbours has several. */
export const PAGES_MAX = 32;
export const LABEL_BYTES = 8;
export const TAG_BYTES = 16;
export const ELEMENT_BYTES = 32;
/** epoch, number, tag */
export const VERSION_BYTES = 8 + TAG_BYTES;

const FORMAT = 1;
const HEAD_BYTES = 20;
const ENTRY_BYTES = LABEL_BYTES + 1 + ELEMENT_BYTES;
const ED25519_BYTES = 64;
const ML_DSA_65_BYTES = 3309;
export const SIGNATURE_BYTES = ED25519_BYTES + ML_DSA_65_BYTES;
export const BODY_MAX = HEAD_BYTES + LINKS_MAX * ENTRY_BYTES + SUBNETS_MAX * 18;

export interface LinkEntry {
  readonly neighbour: Label;
  /** The state while nothing of the chain is revealed. */
  readonly value: LinkValue;
  /** Where its hash chain begins (chain.ts). */
  readonly anchor: Uint8Array;
}

export interface LinkList {
  readonly origin: Label;
  readonly page: number;
  /** Counts starts of the gateway, and whatever else made it begin anew. */
  readonly epoch: number;
  /** Counts lists within the epoch. */
  readonly number: number;
  /** By ascending label of the neighbour. */
  readonly links: readonly LinkEntry[];
  /** On page 0 only; by family, length and address. */
  readonly subnets: readonly Subnet[];
}

export interface SignedList extends LinkList {
  readonly body: Uint8Array;
  /** Ed25519, then ML-DSA-65. */
  readonly signature: Uint8Array;
  /** Origin and page as hex: whichever list has the same key, the one of the higher version takes its place. */
  readonly key: string;
  /** Epoch, number and tag as hex, which sorts as they do; so of two different lists of one number every gateway keeps the same. */
  readonly version: string;
  /** Key and version as bytes. */
  readonly name: Uint8Array;
  /** Where in `links` a neighbour is. */
  readonly indices: ReadonlyMap<Label, number>;
}

export const keyOf = (origin: Label, page: number): string => origin + page.toString(16).padStart(2, "0");
export const originOf = (key: string): Label => key.slice(0, 2 * LABEL_BYTES);
export const pageOf = (key: string): number => Number.parseInt(key.slice(2 * LABEL_BYTES), 16);
export const epochOf = (version: string): number => Number.parseInt(version.slice(0, 8), 16);

/** Of a list's name: key and version as bytes, which is how messages speak of it. */
export const NAME_BYTES = LABEL_BYTES + 1 + VERSION_BYTES;
export const keyIn = (name: Uint8Array): string => toHex(name.subarray(0, LABEL_BYTES + 1));
export const versionIn = (name: Uint8Array): string => toHex(name.subarray(LABEL_BYTES + 1));

export const signedMessage = (mesh: Uint8Array, body: Uint8Array): Uint8Array => concat(mesh, body);

const bytesOf = (hex: string): Uint8Array => fromHex(hex) as Uint8Array;

/** Throws RangeError for a list that its own decoder would refuse: a bug of the caller. */
export function encodeList(list: LinkList): Uint8Array {
  const head = new Uint8Array(HEAD_BYTES);
  const view = new DataView(head.buffer);
  head.set([FORMAT, list.page]);
  head.set(bytesOf(list.origin), 2);
  view.setUint32(10, list.epoch);
  view.setUint32(14, list.number);
  head.set([list.links.length, list.subnets.length], 18);
  const links = list.links.map((l) => concat(bytesOf(l.neighbour), Uint8Array.of(l.value), l.anchor));
  const body = concat(head, ...links, ...list.subnets.map(encodeSubnet));
  if (!decodeList(body)) throw new RangeError("the list does not fit its format");
  return body;
}

/** The list, or undefined for anything that is not exactly one. Copies what it keeps. Never throws. */
export function decodeList(body: Uint8Array): LinkList | undefined {
  const r = new Reader(body);
  const format = r.u8();
  const page = r.u8();
  const origin = r.hex(LABEL_BYTES);
  const epoch = r.u32();
  const number = r.u32();
  const [linkCount, subnetCount] = [r.u8(), r.u8()];
  if (r.overran || format !== FORMAT || page >= PAGES_MAX || epoch === 0 || number === 0) return undefined;
  if (linkCount > LINKS_MAX || subnetCount > SUBNETS_MAX || (page > 0 && subnetCount > 0)) return undefined;
  const links: LinkEntry[] = [];
  for (let i = 0; i < linkCount; i++) {
    const link = { neighbour: r.hex(LABEL_BYTES), value: r.u8(), anchor: r.bytes(ELEMENT_BYTES).slice() };
    const before = links.at(-1)?.neighbour ?? "";
    if (r.overran || link.neighbour <= before || link.neighbour === origin || link.value >= VALUES) return undefined;
    links.push(link);
  }
  const subnets: Subnet[] = [];
  for (let i = 0; i < subnetCount; i++) {
    const subnet = decodeSubnet(r);
    const before = subnets.at(-1);
    if (!subnet || (before && compare(encodeSubnet(before), encodeSubnet(subnet)) >= 0)) return undefined;
    subnets.push(subnet);
  }
  return r.done ? { origin, page, epoch, number, links, subnets } : undefined;
}

/** In the one order that a list has them. */
export const sortedSubnets = (subnets: readonly Subnet[]): Subnet[] =>
  subnets.toSorted((a, b) => compare(encodeSubnet(a), encodeSubnet(b)));

const encodeSubnet = (s: Subnet): Uint8Array =>
  concat(Uint8Array.of(s.address.length === 4 ? 4 : 6, s.length), s.address);

function decodeSubnet(r: Reader): Subnet | undefined {
  const family = r.u8();
  const length = r.u8();
  if (family !== 4 && family !== 6) return undefined;
  const address = r.bytes(family === 4 ? 4 : 16).slice();
  if (r.overran || length > 8 * address.length) return undefined;
  const isClean = address.every(
    (byte, i) => (byte & ~(0xff00 >> Math.min(8, Math.max(0, length - 8 * i))) & 0xff) === 0,
  );
  return isClean ? { address, length } : undefined;
}

/** Undefined when `body` is no list or the signature has another length. What the signature says is not looked at. */
export function asSigned(
  crypto: CryptoProvider,
  mesh: Uint8Array,
  body: Uint8Array,
  signature: Uint8Array,
): SignedList | undefined {
  const list = decodeList(body);
  if (!list || signature.length !== SIGNATURE_BYTES) return undefined;
  const tag = crypto.sha256(concat(LABEL.linkListTag, mesh, body)).subarray(0, TAG_BYTES);
  const version = concat(body.subarray(10, 18), tag);
  return {
    ...list,
    body: body.slice(),
    signature: signature.slice(),
    key: keyOf(list.origin, list.page),
    version: toHex(version),
    name: concat(body.subarray(2, 10), body.subarray(1, 2), version),
    indices: new Map(list.links.map((l, i) => [l.neighbour, i])),
  };
}

export const joined = (s: HybridSignature): Uint8Array => concat(s.ed25519, s.mlDsa65);
export const halves = (signature: Uint8Array): HybridSignature => ({
  ed25519: signature.subarray(0, ED25519_BYTES),
  mlDsa65: signature.subarray(ED25519_BYTES),
});
