/**
 * Group keys. An epoch is a key that a member made, named by the revocations it knew of. Whoever writes uses an epoch that
 * was made under exactly the revocations it knows; whoever hands a key on knows at least those it was made under, and hands it to members only. So what is
 * written by who knows of a revocation cannot be read by whom it names, while epochs of two halves of a mesh live side by side (SPEC.md).
 */
import { compare, equal, toHex } from "../base/bytes.ts";
import { bytesBetween, bytesOf, decodeAs, encodeAs, field, listOf, record, uint, where } from "../base/cbor-shape.ts";
import type { RandomBytes } from "../base/random.ts";
import type { VerifyingKeys } from "../crypto/hybrid-signature.ts";
import { LABEL } from "../crypto/labels.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { decodeCose, type Signer, signCose, verifySignature } from "../identity/cose.ts";

const HASH = 32;
/** A revocation's name here; as many as a mesh may have in force to change its keys by them. */
const REVOCATION = 16;
export const REVOCATIONS_MAX = 7_168;
export const EPOCH_MAX: number = REVOCATIONS_MAX * (REVOCATION + 1) + 4_096;
/** What one member can make others remember. */
export const EPOCHS_PER_CREATOR = 32;

interface Statement {
  readonly version: number;
  readonly meshId: Uint8Array;
  readonly creator: Uint8Array;
  /** Ascending, none twice. */
  readonly revocations: readonly Uint8Array[];
  /** SHA-256(label ‖ key). */
  readonly commitment: Uint8Array;
}

const STATEMENT = record<Statement>({
  version: field(1, uint(1, 1)),
  meshId: field(2, bytesOf(HASH)),
  creator: field(3, bytesOf(HASH)),
  revocations: field(
    4,
    where(listOf(bytesOf(REVOCATION), REVOCATIONS_MAX), (list) =>
      list.every((r, i) => i === 0 || compare(list[i - 1] as Uint8Array, r) < 0),
    ),
  ),
  commitment: field(5, bytesOf(HASH)),
});

export interface Epoch {
  /** SHA-256(label ‖ statement). */
  readonly id: Uint8Array;
  readonly creator: Uint8Array;
  /** Names of revocations, hex. */
  readonly revocations: ReadonlySet<string>;
  /** 32 bytes: secret. */
  readonly key: Uint8Array;
  readonly encoded: Uint8Array;
}

/** An epoch with its key, as it is stored and handed to neighbours over their session. */
interface Carried {
  readonly encoded: Uint8Array;
  readonly key: Uint8Array;
}
const CARRIED = record<Carried>({ encoded: field(1, bytesBetween(1, EPOCH_MAX)), key: field(2, bytesOf(HASH)) });
export const CARRIED_MAX: number = EPOCH_MAX + 64;

export const encodeEpoch = ({ encoded, key }: Epoch): Uint8Array => encodeAs(CARRIED, { encoded, key });

/** What revocations are called here, from whatever names each the same for everybody. */
export const revocationName = (crypto: CryptoProvider, claim: Uint8Array): string =>
  toHex(crypto.sha256(LABEL.revocationName, claim).subarray(0, REVOCATION));

export async function createEpoch(
  crypto: CryptoProvider,
  random: RandomBytes,
  meshId: Uint8Array,
  signer: Signer,
  revocations: ReadonlySet<string>,
): Promise<Epoch> {
  const key = random(HASH);
  const names = [...revocations].sort().map((hex) => Uint8Array.fromHex(hex));
  const commitment = crypto.sha256(LABEL.epochKey, key);
  const statement = encodeAs(STATEMENT, { version: 1, meshId, creator: signer.keyId, revocations: names, commitment });
  const encoded = await signCose(crypto, statement, LABEL.epoch, [signer]);
  return { id: crypto.sha256(LABEL.epochId, statement), creator: signer.keyId, revocations, key, encoded };
}

/** What was carried, its key checked against its statement, the signature not; undefined when it is none of this mesh. */
export function decodeEpoch(crypto: CryptoProvider, meshId: Uint8Array, carried: Uint8Array): Epoch | undefined {
  const parts = carried.length > CARRIED_MAX ? undefined : decodeAs(CARRIED, carried);
  const cose = parts && decodeCose(parts.encoded, 1);
  const statement = cose && decodeAs(STATEMENT, cose.payload);
  if (!cose || !statement || !equal(statement.meshId, meshId)) return undefined;
  if (!equal(statement.commitment, crypto.sha256(LABEL.epochKey, parts.key))) return undefined;
  return {
    id: crypto.sha256(LABEL.epochId, cose.payload),
    creator: statement.creator,
    revocations: new Set(statement.revocations.map(toHex)),
    key: parts.key,
    encoded: parts.encoded,
  };
}

/** Whether its creator signed it. */
export async function isEpochSigned(crypto: CryptoProvider, epoch: Epoch, keys: VerifyingKeys): Promise<boolean> {
  const cose = decodeCose(epoch.encoded, 1);
  const [signature] = cose?.signatures ?? [];
  if (!cose || !signature || !equal(signature.keyId, epoch.creator)) return false;
  return verifySignature(crypto, cose.payload, LABEL.epoch, keys, signature);
}

export class EpochBook {
  readonly #epochs = new Map<string, Epoch>();

  get size(): number {
    return this.#epochs.size;
  }

  get(id: Uint8Array): Epoch | undefined {
    return this.#epochs.get(toHex(id));
  }

  /** False when its creator has made too many. */
  add(epoch: Epoch): boolean {
    if (this.#epochs.has(toHex(epoch.id))) return true;
    const theirs = [...this.#epochs.values()].filter((e) => equal(e.creator, epoch.creator)).length;
    if (theirs >= EPOCHS_PER_CREATOR) return false;
    this.#epochs.set(toHex(epoch.id), epoch);
    return true;
  }

  remove(id: Uint8Array): void {
    this.#epochs.delete(toHex(id));
  }

  /**
   * The epoch to write under for who knows exactly `revocations`: of those that were made under the same by who may (`fits`)
   * the one with the lowest id, so that all agree once all have all.
   */
  current(revocations: ReadonlySet<string>, fits: (epoch: Epoch) => boolean): Epoch | undefined {
    const fit = [...this.#epochs.values()].filter((e) => same(e.revocations, revocations) && fits(e));
    return fit.sort((a, b) => compare(a.id, b.id))[0];
  }

  /** Those that may be handed to a member by who knows of `revocations`. */
  *shareable(revocations: ReadonlySet<string>): Generator<Epoch> {
    for (const epoch of this.#epochs.values()) if (epoch.revocations.isSubsetOf(revocations)) yield epoch;
  }

  [Symbol.iterator](): Iterator<Epoch> {
    return this.#epochs.values();
  }
}

const same = (a: ReadonlySet<string>, b: ReadonlySet<string>): boolean => a.size === b.size && a.isSubsetOf(b);
