/** What this gateway writes: values become records, records of one moment become one signed batch. */
import { concat, letGo, toHex } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import type { RandomBytes } from "../base/random.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import type { Epoch } from "./epochs.ts";
import type { Arrival, Held, Holdings } from "./holdings.ts";
import { CHUNK_SIZE, INLINE_MAX, KEY_MAX, KINDS, type KindName } from "./kinds.ts";
import { type Membership, mayWrite } from "./membership.ts";
import { decodeRecord, encodeLeaf, type Leaf, signBatch } from "./record.ts";
import { openValue, sealValue } from "./seal.ts";
import type { Versions } from "./versions.ts";

export interface Write {
  readonly kind: KindName;
  readonly key: Uint8Array;
  /** Without it what stands there is deleted. */
  readonly value: Uint8Array | undefined;
}

export interface Chunk {
  readonly hash: Uint8Array;
  readonly bytes: Uint8Array;
}

export const slotName = (kind: KindName, key: Uint8Array): string => `${kind}/${toHex(key)}`;

/** Throws `sync/not-allowed`, `sync/too-large`, `sync/quota`: nothing is written then. `others`: keys new in this batch, by kind. */
export function checkWrite(
  { kind, key, value }: Write,
  membership: Membership,
  holdings: Holdings,
  others: ReadonlySet<string>,
): void {
  const row = KINDS[kind];
  const { keyId } = membership.self;
  const own = membership.author(keyId);
  if (typeof own !== "object" || !mayWrite(kind, own))
    throw new TrellisError("sync/not-allowed", `this gateway may not write ${kind}`, {
      hint: row.writers === "member" ? "is it still a member?" : `its certificate lacks \`${row.writers}\``,
    });
  if (key.length > KEY_MAX || (value?.length ?? 0) > row.valueMax)
    throw new TrellisError(
      "sync/too-large",
      `${kind} takes keys of ${KEY_MAX} bytes and values of ${row.valueMax} at most`,
    );
  if (row.overflow === "roll" || holdings.get(keyId, kind, key) || others.has(slotName(kind, key))) return;
  const fresh = [...others].filter((slot) => slot.startsWith(`${kind}/`)).length;
  // A deleted record may fall out for a new one; one that says something may not.
  const full = holdings.count(keyId, kind) + fresh >= row.perAuthor;
  if (full && [...holdings.group(keyId, kind)].filter((held) => held.deleted).length <= fresh)
    throw new TrellisError(
      "sync/quota",
      `this gateway has written ${row.perAuthor} keys of ${kind}, which is the limit`,
      {
        hint: "delete some",
      },
    );
}

export interface Written {
  readonly arrivals: readonly Arrival[];
  readonly chunks: readonly Chunk[];
  /** What the chunks are views of: to be let go of when they are stored. */
  readonly bodies: readonly Uint8Array[];
}

/** Signs `writes`, which `checkWrite` has passed, as one batch. `epoch` is needed when one of them is sealed. */
export async function signWrites(
  crypto: CryptoProvider,
  random: RandomBytes,
  membership: Membership,
  epoch: Epoch | undefined,
  writes: readonly (Write & { readonly version: number })[],
): Promise<Written> {
  const chunks: Chunk[] = [];
  const bodies: Uint8Array[] = [];
  const encoded = writes.map((write) => {
    const { leaf, parts, sealed } = leafOf(crypto, random, membership, epoch, write);
    chunks.push(...parts);
    if (sealed) bodies.push(sealed);
    return encodeLeaf(leaf);
  });
  const { batch, proven } = await signBatch(crypto, membership.meshId, membership.self, encoded);
  const arrivals = encoded.map((bytes, index) => {
    const record = decodeRecord(crypto, batch.author, bytes);
    if (!record) throw new RangeError("a record of ours does not fit its own table");
    return { record, batch, index, path: proven[index]?.path ?? [] };
  });
  return { arrivals, chunks, bodies };
}

function leafOf(
  crypto: CryptoProvider,
  random: RandomBytes,
  { meshId, self }: Membership,
  epoch: Epoch | undefined,
  { kind, key, value, version }: Write & { readonly version: number },
): { readonly leaf: Leaf; readonly parts: readonly Chunk[]; readonly sealed?: Uint8Array } {
  const bare = {
    kind: KINDS[kind].number,
    key,
    version,
    epoch: undefined,
    salt: undefined,
    body: undefined,
    chunks: undefined,
  };
  if (value === undefined) return { leaf: bare, parts: [] };
  let head: Pick<Leaf, "epoch" | "salt"> = bare;
  let body = value;
  if (KINDS[kind].sealed) {
    if (!epoch) throw new RangeError("a sealed kind needs an epoch");
    const bound = { meshId, author: self.keyId, kind, key, version, epoch: epoch.id };
    const { salt, sealed } = sealValue(crypto, random, epoch.key, bound, value);
    head = { epoch: epoch.id, salt };
    body = sealed;
  }
  if (value.length <= INLINE_MAX) return { leaf: { ...bare, ...head, body }, parts: [] };
  const parts = cut(crypto, body);
  const leaf = { ...bare, ...head, chunks: parts.map((p) => p.hash) };
  return body === value ? { leaf, parts } : { leaf, parts, sealed: body };
}

const cut = (crypto: CryptoProvider, body: Uint8Array): readonly Chunk[] =>
  Array.from({ length: Math.ceil(body.length / CHUNK_SIZE) }, (_, i) => {
    const bytes = body.subarray(i * CHUNK_SIZE, (i + 1) * CHUNK_SIZE);
    return { hash: chunkHash(crypto, bytes), bytes };
  });

export const chunkHash = (crypto: CryptoProvider, bytes: Uint8Array): Uint8Array =>
  crypto.sha256(LABEL.recordChunk, bytes);

/** `no key`: its epoch has not come yet. `undefined`: deleted, or not what its author sealed. */
export async function readValue(
  crypto: CryptoProvider,
  meshId: Uint8Array,
  holdings: Holdings,
  held: Held,
  groupKey: Uint8Array | undefined,
): Promise<Uint8Array | "no key" | undefined> {
  const kept = await holdings.stored(held.id);
  const leaf = kept && decodeRecord(crypto, held.author, kept.stored.encoded)?.leaf;
  if (!leaf) return undefined;
  const parts = await Promise.all((leaf.chunks ?? []).map((hash) => holdings.chunk(hash)));
  if (parts.includes(undefined)) return undefined;
  const whole = leaf.chunks && concat(...(parts as Uint8Array[]));
  for (const part of parts) letGo(part as Uint8Array);
  const body = leaf.body ?? whole;
  if (!body || !leaf.epoch || !leaf.salt) return body;
  if (!groupKey) return "no key";
  const { author, kind, version } = held;
  const bound = { meshId, author, kind, key: leaf.key, version, epoch: leaf.epoch };
  const value = openValue(crypto, groupKey, bound, leaf.salt, body);
  if (whole) letGo(whole);
  return value;
}

/** Versions for writes: each above what its key had, and what its author wrote. */
export const versionFor = (versions: Versions, holdings: Holdings, { kind, key }: Write): number => {
  let seen = 0;
  for (const author of KINDS[kind].view === "newest" ? holdings.authors() : [])
    seen = Math.max(seen, holdings.get(author, kind, key)?.version ?? 0);
  return versions.next(seen);
};
