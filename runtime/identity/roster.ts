/** The members a node knows: verified, indexed, and gone the moment they are revoked. */
import { equal, toHex } from "../base/bytes.ts";
import type { UnixSeconds } from "../base/time.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { overlayAddress } from "./address.ts";
import type { Certificate } from "./certificate.ts";
import { type ChainVerdict, type Trust, type VerifiedMember, verifyChain } from "./chain.ts";
import { decodeGenesis, type Genesis, meshIdOf } from "./genesis.ts";
import type { PublicKeys } from "./keys.ts";
import { mayRevoke, verifyRevocation } from "./revocation.ts";

export interface RosterMember extends VerifiedMember {
  readonly address: string;
  readonly name: string;
  readonly keys: PublicKeys;
  readonly chain: Uint8Array;
}

export interface RevokedNode {
  readonly id: Uint8Array;
  /** The record as it arrived, for handing on. */
  readonly record: Uint8Array;
}

export class Roster implements Trust {
  readonly meshId: Uint8Array;
  readonly genesis: Genesis;
  readonly #crypto: CryptoProvider;
  readonly #limit: number;
  readonly #byId = new Map<string, RosterMember>();
  readonly #byHash = new Map<string, RosterMember>();
  readonly #byAddress = new Map<string, RosterMember>();
  readonly #revoked = new Map<string, RevokedNode>();
  #floor: UnixSeconds;

  /** `limit`: most members remembered; a chain beyond it is refused, never an older member forgotten. */
  private constructor(crypto: CryptoProvider, meshId: Uint8Array, genesis: Genesis, floor: UnixSeconds, limit: number) {
    this.#crypto = crypto;
    this.meshId = meshId;
    this.genesis = genesis;
    this.#floor = floor;
    this.#limit = limit;
  }

  /** Undefined when `genesis` is malformed. */
  static of(crypto: CryptoProvider, genesis: Uint8Array, floor: UnixSeconds = 0, limit = 4096): Roster | undefined {
    const decoded = decodeGenesis(genesis);
    return decoded && new Roster(crypto, meshIdOf(crypto, genesis), decoded, floor, limit);
  }

  get floor(): UnixSeconds {
    return this.#floor;
  }

  /** Mesh time only rises. */
  raiseFloor(to: UnixSeconds): void {
    if (to > this.#floor) this.#floor = to;
  }

  isRevoked(id: Uint8Array, _certificate?: Certificate): boolean {
    return this.#revoked.has(toHex(id));
  }

  /** Verifies a chain and remembers its leaf; of two certificates of one node the higher serial stays. */
  async admit(chain: Uint8Array): Promise<RosterMember | undefined> {
    const verdict = await this.verify(chain);
    if (!("member" in verdict)) return undefined;
    const { member } = verdict;
    const known = this.#byId.get(toHex(member.id));
    if (known && known.certificate.serial >= member.certificate.serial) return known;
    if (!known && this.#byId.size >= this.#limit) return undefined;
    if (known) this.#forget(known);
    const { keys, name } = member.certificate;
    const address = overlayAddress(this.#crypto, this.meshId, member.id);
    const entry: RosterMember = { ...member, keys, name, address, chain };
    this.#byId.set(toHex(member.id), entry);
    this.#byHash.set(toHex(member.certificateHash), entry);
    this.#byAddress.set(address, entry);
    return entry;
  }

  verify(chain: Uint8Array): Promise<ChainVerdict> {
    return verifyChain(this.#crypto, this, chain);
  }

  byId(id: Uint8Array): RosterMember | undefined {
    return this.#current(this.#byId.get(toHex(id)));
  }

  byCertificateHash(hash: Uint8Array): RosterMember | undefined {
    return this.#current(this.#byHash.get(toHex(hash)));
  }

  byAddress(address: string): RosterMember | undefined {
    return this.#current(this.#byAddress.get(address));
  }

  byName(name: string): RosterMember | undefined {
    return this.members().find((m) => m.name === name);
  }

  members(): RosterMember[] {
    return [...this.#byId.values()].filter((m) => this.#current(m) !== undefined);
  }

  revocations(): RevokedNode[] {
    return [...this.#revoked.values()];
  }

  /** The nodes that fall with it, or undefined when the record is wrong, not allowed, or already known. */
  async revoke(record: Uint8Array): Promise<{ node: Uint8Array; fallen: RosterMember[] } | undefined> {
    const verified = await verifyRevocation(this.#crypto, this, record);
    if (!verified) return undefined;
    const { revocation, revoker } = verified;
    const key = toHex(revocation.node);
    if (this.#revoked.has(key) || !mayRevoke(revoker, revocation.node, this.#byId.get(key))) return undefined;
    this.#revoked.set(key, { id: revocation.node, record });
    const fallen = [...this.#byId.values()].filter((m) => isUnder(m, revocation.node));
    for (const member of fallen) this.#forget(member);
    return { node: revocation.node, fallen };
  }

  #current(member: RosterMember | undefined): RosterMember | undefined {
    const expires = member?.certificate.expires;
    return expires !== undefined && expires <= this.#floor ? undefined : member;
  }

  #forget(member: RosterMember): void {
    this.#byId.delete(toHex(member.id));
    this.#byHash.delete(toHex(member.certificateHash));
    this.#byAddress.delete(member.address);
  }
}

/** The node itself and whom it admitted: an issuer that is out takes its descendants along. */
const isUnder = (m: RosterMember, node: Uint8Array): boolean =>
  equal(m.id, node) || m.issuers.some((id) => equal(id, node));
