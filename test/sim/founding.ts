/** The mesh of a simulated world: its root, the founder, and the members that the founder admitted. */
import type { RandomBytes } from "../../runtime/base/random.ts";
import type { CryptoProvider } from "../../runtime/crypto/provider.ts";
import { type Mesh, openMesh, type VerifiedChain, verifyChain } from "../../runtime/identity/chain.ts";
import { encodeGenesis } from "../../runtime/identity/genesis.ts";
import { type Grant, issueByMember, issueByRoot, type MemberIssuer } from "../../runtime/identity/issue.ts";
import type { NodeKeys } from "../../runtime/identity/keys.ts";
import { createGenesis, generateRoot, type RootKey } from "../../runtime/identity/root.ts";
import { TIMELESS } from "../../runtime/identity/trust.ts";

/** The founder's serials: its invites take the lower ones, members made here those from `direct` on. */
const SERIALS = { first: 2, direct: 50_001, last: 100_000 } as const;

export class Founding {
  readonly #crypto: CryptoProvider;
  readonly mesh: Mesh;
  readonly #root: RootKey;
  #founder: MemberIssuer | undefined;
  #serial: number = SERIALS.direct;

  private constructor(crypto: CryptoProvider, mesh: Mesh, root: RootKey) {
    this.#crypto = crypto;
    this.mesh = mesh;
    this.#root = root;
  }

  static async create(crypto: CryptoProvider, random: RandomBytes): Promise<Founding> {
    const root = await generateRoot(crypto, random);
    const mesh = openMesh(crypto, encodeGenesis(createGenesis("home", [root.public], 1, "trellis")));
    if (!mesh) throw new Error("the genesis just made does not open");
    return new Founding(crypto, mesh, root);
  }

  /** The first may issue and revoke; all others are ordinary members that it admitted. */
  async member(name: string, keys: NodeKeys): Promise<VerifiedChain> {
    if (!this.#founder) {
      const chain = await this.#byRoot(name, keys);
      this.#founder = { keys, chain };
      return chain;
    }
    const grant = { name, serial: this.#serial++, keys: keys.public };
    return await this.#verified(await issueByMember(this.#crypto, this.mesh, this.#founder, grant));
  }

  async #byRoot(name: string, keys: NodeKeys): Promise<VerifiedChain> {
    const grant: Grant = {
      name,
      serial: 1,
      keys: keys.public,
      roles: ["gateway", "relay"],
      capabilities: ["issue", "admin"],
      issuing: { firstSerial: SERIALS.first, lastSerial: SERIALS.last, nameSpace: "", depth: 1 },
    };
    return await this.#verified(await issueByRoot(this.#crypto, this.mesh, [this.#root], grant));
  }

  async #verified(chain: Uint8Array): Promise<VerifiedChain> {
    const result = await verifyChain(this.#crypto, this.mesh, chain, TIMELESS);
    if ("refused" in result) throw new Error(`the chain just made does not hold: ${result.refused}`);
    return result;
  }
}
