/**
 * What gateways know of each other in a simulation that is too large for each to hold it alone: members that everybody knows from the start
 * were verified once, by the shipped roster, and are shared. Who joins later each verifies and holds alone. Stand-in: such members can
 * neither be revoked nor expire.
 */
import { toHex } from "../../../runtime/base/bytes.ts";
import type { Endpoint } from "../../../runtime/base/endpoint.ts";
import { native } from "../../../runtime/crypto/native.ts";
import type { Member, Roster } from "../../../runtime/identity/roster.ts";
import type { Identified } from "../../../runtime/mesh/handshake/ports.ts";
import type { MeshDirectory } from "../../../runtime/mesh/ports.ts";

/** Verified once for all. */
export class Known {
  readonly roster: Roster;
  readonly #byChain = new Map<string, Member>();
  #list: readonly Member[] | undefined;

  /** An empty roster of the mesh. */
  constructor(roster: Roster) {
    this.roster = roster;
  }

  get list(): readonly Member[] {
    this.#list ??= this.roster.list();
    return this.#list;
  }

  async add(chain: Uint8Array): Promise<void> {
    const member = await this.roster.admit(chain);
    if (!member) throw new Error("a chain of the mesh does not hold");
    this.#byChain.set(hashOf(chain), member);
    this.#list = undefined;
  }

  byChain(chain: Uint8Array): Member | undefined {
    return this.#byChain.get(hashOf(chain));
  }
}

const hashOf = (chain: Uint8Array): string => toHex(native.sha256(chain));

/** One gateway's; it outlives the gateway's daemon, as a disk does. */
export class SharedDirectory implements MeshDirectory {
  readonly #known: Known;
  readonly #own: Roster;
  readonly #endpoints = new Map<string, Endpoint>();
  #list: readonly Member[] | undefined;
  #listed = -1;

  /** `own`: empty; holds whoever joins later. */
  constructor(known: Known, own: Roster) {
    this.#known = known;
    this.#own = own;
  }

  get revision(): number {
    return this.#known.roster.revision + this.#own.revision;
  }

  list(): readonly Member[] {
    if (this.#listed === this.revision && this.#list) return this.#list;
    const known = new Set(this.#known.list.map((m) => m.address));
    const others = this.#own.list().filter((m) => !known.has(m.address));
    this.#listed = this.revision;
    this.#list = others.length === 0 ? this.#known.list : [...this.#known.list, ...others].sort(byName);
    return this.#list;
  }

  byId(id: Uint8Array): Member | undefined {
    return this.#known.roster.byId(id) ?? this.#own.byId(id);
  }

  byCertificateHash(hash: Uint8Array): Member | undefined {
    return this.#known.roster.byCertificateHash(hash) ?? this.#own.byCertificateHash(hash);
  }

  byAddress(address: string): Member | undefined {
    return this.#known.roster.byAddress(address) ?? this.#own.byAddress(address);
  }

  async admit(chain: Uint8Array, proven = false): Promise<Member | undefined> {
    return this.#known.byChain(chain) ?? (await this.#own.admit(chain, proven));
  }

  async identify(chain: Uint8Array): Promise<Identified | undefined> {
    return await this.#own.identify(chain);
  }

  async applyRevocation(): Promise<{ readonly refused: string }> {
    return { refused: "sim/shared" };
  }

  revocationRecords(): readonly Uint8Array[] {
    return [];
  }

  setEndpoint(id: Uint8Array, endpoint: Endpoint): void {
    this.#endpoints.set(toHex(id), endpoint);
  }

  endpointOf(id: Uint8Array): Endpoint | undefined {
    return this.#endpoints.get(toHex(id));
  }
}

const byName = (a: Member, b: Member): number => (a.name < b.name ? -1 : Number(a.name > b.name));
