/** The members a node knows: verified, indexed, and gone the moment they are revoked. */
import { compare, equal, toHex } from "../base/bytes.ts";
import type { Endpoint } from "../base/endpoint.ts";
import { TrellisError } from "../base/errors.ts";
import type { UnixSeconds } from "../base/time.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { overlayAddress } from "./address.ts";
import type { Certificate } from "./certificate.ts";
import {
  areSigned,
  type ChainRefusal,
  currentRefusal,
  hasExpired,
  type Mesh,
  openChain,
  openMesh,
  type VerifiedChain,
} from "./chain.ts";
import type { PublicKeys } from "./keys.ts";
import { type RevocationRefusal, type VerifiedRevocation, verifyRevocation } from "./revocation.ts";
import { type AddResult, RevocationSet } from "./revocation-set.ts";
import { MeshTime, NOTHING_REVOKED, type Revocations, type Trust } from "./trust.ts";

export interface Member {
  readonly id: Uint8Array;
  /** Overlay address, RFC 5952 text. */
  readonly address: string;
  readonly name: string;
  readonly keys: PublicKeys;
  readonly certificateHash: Uint8Array;
  readonly certificate: Certificate;
  /** The leaf's issuer first. */
  readonly issuers: readonly Certificate[];
  /** Encoded chain. */
  readonly chain: Uint8Array;
}

/** A member as it is kept on disk. */
export interface CachedMember {
  readonly chain: Uint8Array;
  readonly endpoint: Endpoint | undefined;
}

/** Who a chain belongs to, whether or not it still counts. */
export interface Identified {
  readonly id: Uint8Array;
  readonly keys: PublicKeys;
  readonly ended: "revoked" | "expired" | undefined;
  /** By which it was revoked. */
  readonly record: Uint8Array | undefined;
}

export type AdmitResult = { readonly member: Member } | { readonly refused: ChainRefusal | "roster/full" };

export type RevocationResult =
  /** `revoked`: members that fell by it; `news`: false when the record was known. */
  | { readonly revoked: readonly Member[]; readonly news: boolean }
  | { readonly refused: RevocationRefusal | Exclude<AddResult, "added" | "known"> };

export const VERDICTS_MAX = 1024;

/**
 * Whether `next` takes the place of a certificate that still counts. Serials of two issuers say nothing about each other;
 * the root stands above every issuer.
 */
function replaces(next: Certificate, known: Certificate, proven: boolean): boolean {
  if (sameIssuer(next, known)) return next.serial > known.serial;
  return next.issuer === undefined || (known.issuer !== undefined && proven);
}

const sameIssuer = (a: Certificate, b: Certificate): boolean =>
  a.issuer && b.issuer ? equal(a.issuer, b.issuer) : a.issuer === b.issuer;

export class Roster implements Trust {
  readonly mesh: Mesh;
  readonly time: MeshTime;
  readonly #crypto: CryptoProvider;
  readonly #limit: number;
  readonly #revocations = new RevocationSet();
  readonly #inForce = new Set<string>(); // hashes of records
  readonly #byId = new Map<string, Member>();
  readonly #byHash = new Map<string, Member>();
  readonly #byAddress = new Map<string, Member>();
  readonly #endpoints = new Map<string, Endpoint>();
  /** By name; undefined while it would have to be made anew. */
  #sorted: readonly Member[] | undefined;
  #revision = 0;
  /** Whether the signatures of a chain hold, by its hash: that never changes. Oldest forgotten first. */
  readonly #signed = new Map<string, boolean>();

  /** `limit`: most members remembered; one beyond it is refused, never an older one forgotten. */
  constructor(crypto: CryptoProvider, mesh: Mesh, time = new MeshTime(0), limit = 4096) {
    this.#crypto = crypto;
    this.mesh = mesh;
    this.time = time;
    this.#limit = limit;
  }

  /** Throws `roster/genesis` when `genesis` is none. */
  static of(crypto: CryptoProvider, genesis: Uint8Array, floor: UnixSeconds = 0, limit = 4096): Roster {
    const mesh = openMesh(crypto, genesis);
    if (!mesh) throw new TrellisError("roster/genesis", "this is no genesis of a mesh");
    return new Roster(crypto, mesh, new MeshTime(floor), limit);
  }

  get meshId(): Uint8Array {
    return this.mesh.id;
  }

  /** Rises whenever a member comes or goes, or a revocation comes into force. */
  get revision(): number {
    return this.#revision;
  }

  get revocations(): Revocations {
    return this.#revocations;
  }

  /**
   * Verifies a chain and remembers its leaf. Of two certificates of one node the higher serial of one issuer stays. That of
   * another issuer takes its place only when the node itself has shown it (`proven`), or the old one no longer counts: an
   * issuer cannot rename or demote whom another admitted. The root's takes the place of any issuer's, and none takes its.
   */
  async admit(chain: Uint8Array, proven = false): Promise<Member | undefined> {
    const result = await this.accept(chain, proven);
    return "member" in result ? result.member : undefined;
  }

  /** As `admit`, with the reason. */
  async accept(chain: Uint8Array, proven = false): Promise<AdmitResult> {
    const opened = openChain(this.#crypto, this.mesh, chain);
    if ("refused" in opened) return opened;
    const certificates = [opened.leaf, ...opened.issuers];
    const refused = currentRefusal(certificates, this);
    if (refused) return { refused };
    if (!(await this.#areSigned(opened))) return { refused: "chain/signature" };
    // A revocation may have come while the signatures were looked at.
    const late = currentRefusal(certificates, this);
    if (late) return { refused: late };
    const known = this.#byId.get(toHex(opened.leaf.id));
    if (known && this.#isCurrent(known) && !replaces(opened.leaf, known.certificate, proven)) return { member: known };
    if (!known && this.#byId.size >= this.#limit) return { refused: "roster/full" };
    if (known) this.#forget(known);
    return { member: this.#remember(opened) };
  }

  /** Whose chain this is, member or not any more; undefined when it was never signed. Remembers nobody. */
  async identify(chain: Uint8Array): Promise<Identified | undefined> {
    const opened = openChain(this.#crypto, this.mesh, chain);
    if ("refused" in opened || !(await this.#areSigned(opened))) return undefined;
    const certificates = [opened.leaf, ...opened.issuers];
    const refusal = currentRefusal(certificates, this);
    const ended = refusal && (refusal === "chain/expired" ? "expired" : "revoked");
    const record = ended === "revoked" ? this.#revocations.against(certificates)?.encoded : undefined;
    return { id: opened.leaf.id, keys: opened.leaf.keys, ended, record };
  }

  async #areSigned(chain: VerifiedChain): Promise<boolean> {
    const key = toHex(this.#crypto.sha256(chain.encoded));
    const signed = this.#signed.get(key) ?? (await areSigned(this.#crypto, this.mesh, chain));
    this.#signed.set(key, signed);
    if (this.#signed.size > VERDICTS_MAX) this.#signed.delete(this.#signed.keys().next().value as string);
    return signed;
  }

  byId(id: Uint8Array): Member | undefined {
    return this.#current(this.#byId.get(toHex(id)));
  }

  byCertificateHash(hash: Uint8Array): Member | undefined {
    return this.#current(this.#byHash.get(toHex(hash)));
  }

  byAddress(address: string): Member | undefined {
    return this.#current(this.#byAddress.get(address));
  }

  /** Should two members carry one name, everybody finds the one with the lower serial, then the lower id. */
  byName(name: string): Member | undefined {
    return this.list()
      .filter((m) => m.name === name)
      .sort((a, b) => a.certificate.serial - b.certificate.serial || compare(a.id, b.id))[0];
  }

  /** Neither revoked nor expired, ordered by name. */
  list(): readonly Member[] {
    this.#sorted ??= [...this.#byId.values()].sort((a, b) => (a.name < b.name ? -1 : Number(a.name > b.name)));
    return this.#sorted.filter((m) => this.#isCurrent(m));
  }

  /** Takes a record into force. `refused` changes nothing. */
  async applyRevocation(record: Uint8Array): Promise<RevocationResult> {
    return this.#apply(record, this);
  }

  revocationRecords(): readonly Uint8Array[] {
    return this.revocationsKnown().map((r) => r.encoded);
  }

  /** What was accepted; one about a node that was not known then may be by who has no right to it. */
  revocationsKnown(): readonly VerifiedRevocation[] {
    return this.#revocations.list();
  }

  /** Where the member was last heard; a hint that survives a restart. */
  setEndpoint(id: Uint8Array, endpoint: Endpoint): void {
    if (this.#byId.has(toHex(id))) this.#endpoints.set(toHex(id), endpoint);
  }

  endpointOf(id: Uint8Array): Endpoint | undefined {
    return this.#endpoints.get(toHex(id));
  }

  snapshot(): readonly CachedMember[] {
    return this.list().map((m) => ({ chain: m.chain, endpoint: this.endpointOf(m.id) }));
  }

  /**
   * What was kept on disk, verified anew. Revocations come first and count even when their revoker has been revoked
   * since or its certificate has ended. Returns how many entries were dropped.
   */
  async restore(members: readonly CachedMember[], records: readonly Uint8Array[]): Promise<{ dropped: number }> {
    let dropped = 0;
    const lasting: Trust = { time: { now: 0 }, revocations: NOTHING_REVOKED };
    for (const record of records) if ("refused" in (await this.#apply(record, lasting))) dropped++;
    for (const { chain, endpoint } of members) {
      const member = await this.admit(chain);
      if (!member) dropped++;
      else if (endpoint) this.setEndpoint(member.id, endpoint);
    }
    return { dropped };
  }

  async #apply(record: Uint8Array, trust: Trust): Promise<RevocationResult> {
    const hash = toHex(this.#crypto.sha256(record));
    if (this.#inForce.has(hash)) return { revoked: [], news: false }; // its revoker may have fallen by it
    const verified = await verifyRevocation(this.#crypto, this.mesh, record, trust);
    if ("refused" in verified) return verified;
    const result = this.#revocations.add(verified, this.#chainOf(verified.target));
    if (result === "known") return { revoked: [], news: false };
    if (result !== "added") return { refused: result };
    this.#inForce.add(hash);
    this.#revision++;
    const revoked = [...this.#byId.values()].filter((m) => this.#revocations.verdict([m.certificate, ...m.issuers]));
    for (const member of revoked) {
      this.#forget(member);
      this.#endpoints.delete(toHex(member.id));
    }
    return { revoked, news: true };
  }

  /** The chain of a node that is a member or stands above one. */
  #chainOf(id: Uint8Array): readonly Certificate[] | undefined {
    const member = this.#byId.get(toHex(id));
    if (member) return [member.certificate, ...member.issuers];
    for (const { issuers } of this.#byId.values()) {
      const at = issuers.findIndex((issuer) => equal(issuer.id, id));
      if (at >= 0) return issuers.slice(at);
    }
    return undefined;
  }

  #remember({ leaf, issuers, encoded }: VerifiedChain): Member {
    const { id, name, keys, hash } = leaf;
    const address = overlayAddress(this.#crypto, this.mesh.id, id);
    const member: Member = {
      id,
      address,
      name,
      keys,
      certificateHash: hash,
      certificate: leaf,
      issuers,
      chain: encoded,
    };
    this.#revision++;
    this.#sorted = undefined;
    this.#byId.set(toHex(id), member);
    this.#byHash.set(toHex(hash), member);
    this.#byAddress.set(address, member);
    return member;
  }

  #forget(member: Member): void {
    this.#sorted = undefined;
    this.#byId.delete(toHex(member.id));
    this.#byHash.delete(toHex(member.certificateHash));
    this.#byAddress.delete(member.address);
  }

  /** Revoked members are forgotten at once; the others can only expire. */
  #isCurrent(member: Member): boolean {
    return !hasExpired([member.certificate, ...member.issuers], this);
  }

  #current(member: Member | undefined): Member | undefined {
    return member && this.#isCurrent(member) ? member : undefined;
  }
}
