/** This gateway's membership: loaded from its home and verified before anything runs on it. */
import { TrellisError } from "./base/errors.ts";
import type { CryptoProvider } from "./crypto/provider.ts";
import { type VerifiedChain, verifyChain } from "./identity/chain.ts";
import type { NodeKeys } from "./identity/keys.ts";
import type { Roster } from "./identity/roster.ts";
import type { Membership } from "./mesh/handshake/ports.ts";
import type { Issuer } from "./provisioning/admission.ts";
import type { Home, OwnHome } from "./provisioning/home.io.ts";
import type { InviteBook } from "./provisioning/invite-book.ts";

/** What a membership is when it is loaded and verified. */
export interface Loaded {
  readonly keys: NodeKeys;
  readonly membership: Membership;
  readonly chain: VerifiedChain;
  readonly roster: Roster;
  readonly book: InviteBook;
  /** As `MeshDeps.epoch`. */
  readonly epoch: number;
}

export async function loadMembership(home: Home, provider: CryptoProvider): Promise<Loaded> {
  const keys = await home.keys();
  const member = await home.member();
  if (!keys || !member) {
    const hint = "found a mesh with `trellis init --name NAME`, or join one with `trellis join TOKEN --name NAME`";
    throw new TrellisError("node/no-mesh", `${home.path} holds no membership of a mesh`, { hint });
  }
  const roster = await home.roster(member.genesis);
  const chain = await verifyChain(provider, roster.mesh, member.chain, roster);
  if ("refused" in chain) {
    throw new TrellisError("node/not-a-member", `this gateway's own certificate does not hold: ${chain.refused}`, {
      hint: chain.refused === "chain/revoked" ? "it was revoked; join again with new keys" : "join again",
    });
  }
  await roster.admit(member.chain);
  const membership = { meshId: roster.meshId, ...member, certificateHash: provider.sha256(chain.leaf.encoded) };
  return { keys, membership, chain, roster, book: await home.invites(), epoch: await home.epoch() };
}

/** This gateway as one that admits others. */
export const issuerOf = (
  home: OwnHome,
  crypto: CryptoProvider,
  { keys, chain, roster, book }: Loaded,
  unix: () => number,
): Issuer => ({
  crypto,
  member: { keys, chain },
  roster,
  book,
  now: () => Math.max(unix(), roster.time.now),
  persist: async () => {
    await home.saveInvites(book);
    await home.saveRoster(roster);
  },
});
