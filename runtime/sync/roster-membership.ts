/** The roster as records need to know it. */
import { toHex } from "../base/bytes.ts";
import { bytesOf, encodeAs, field, oneOf, optional, record, uint } from "../base/cbor-shape.ts";
import type { CryptoProvider } from "../crypto/provider.ts";
import { SERIAL_MAX } from "../identity/certificate.ts";
import type { Signer } from "../identity/cose.ts";
import type { NodeKeys } from "../identity/keys.ts";
import type { VerifiedRevocation } from "../identity/revocation.ts";
import type { Roster } from "../identity/roster.ts";
import { revocationName } from "./epochs.ts";
import type { Author, Membership } from "./membership.ts";

/** What a revocation says, without its reason and its signatures: of two that say the same a roster keeps one, each its own. */
interface Claim {
  readonly target: Uint8Array;
  readonly scope: "node" | "issuer";
  readonly lastSerial: number | undefined;
  readonly revoker: Uint8Array | undefined;
}
const CLAIM = record<Claim>({
  target: field(1, bytesOf(32)),
  scope: field(2, oneOf("node", "issuer")),
  lastSerial: optional(3, uint(SERIAL_MAX)),
  revoker: optional(4, bytesOf(32)),
});

export class RosterMembership implements Membership {
  readonly self: Signer;
  readonly #crypto: CryptoProvider;
  readonly #roster: Roster;
  /** Members of this run, hex: who is none any more is gone, not unknown. */
  readonly #met = new Set<string>();
  #seen = "";
  #revision = 0;
  #revoked: ReadonlySet<string> = new Set();
  #names: ReadonlySet<string> = new Set();

  constructor(crypto: CryptoProvider, roster: Roster, keys: NodeKeys) {
    this.#crypto = crypto;
    this.#roster = roster;
    this.self = { keyId: keys.id, secrets: keys.secrets };
    this.look();
  }

  get meshId(): Uint8Array {
    return this.#roster.meshId;
  }

  get revision(): number {
    return this.#revision;
  }

  /** To be called about once a second: members end by revocations, and by time alone. */
  look(): void {
    const members = this.#roster.list();
    const state = `${this.#roster.revision} ${members.length}`;
    if (state === this.#seen) return;
    this.#seen = state;
    for (const { id } of members) this.#met.add(toHex(id));
    // One about who is a member here is by somebody who had no right to it.
    const inForce = this.#roster.revocationsKnown().filter((r) => r.scope === "issuer" || !this.#roster.byId(r.target));
    this.#revoked = new Set(inForce.filter((r) => r.scope === "node").map((r) => toHex(r.target)));
    this.#names = new Set(inForce.map((r) => revocationName(this.#crypto, encodeAs(CLAIM, claimOf(r)))));
    this.#revision++;
  }

  author(id: Uint8Array): Author | "gone" | "unknown" {
    const member = this.#roster.byId(id);
    if (member) return { keys: member.keys, capabilities: member.certificate.capabilities };
    const hex = toHex(id);
    return this.#revoked.has(hex) || this.#met.has(hex) ? "gone" : "unknown";
  }

  revocations(): ReadonlySet<string> {
    return this.#names;
  }
}

const claimOf = ({ target, scope, lastSerial, revoker }: VerifiedRevocation): Claim => ({
  target,
  scope,
  lastSerial,
  revoker: revoker?.leaf.id,
});
