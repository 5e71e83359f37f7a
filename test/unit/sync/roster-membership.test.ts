/** Who counts for records, by the roster: members, who was one, who is not known; and what revocations are called. */
import { beforeAll, beforeEach, describe, expect, test } from "bun:test";
import type { Mesh } from "../../../runtime/identity/chain.ts";
import { issueByMember, type MemberIssuer } from "../../../runtime/identity/issue.ts";
import { type RevocationClaim, revokeByMember, revokeByRoot } from "../../../runtime/identity/revocation.ts";
import type { RootKey } from "../../../runtime/identity/root.ts";
import { Roster } from "../../../runtime/identity/roster.ts";
import { MeshTime } from "../../../runtime/identity/trust.ts";
import { RosterMembership } from "../../../runtime/sync/roster-membership.ts";
import { createMesh, crypto, memberBy, memberByRoot, newKeys, verified } from "../identity/world.ts";

let mesh: Mesh;
let roots: RootKey[];
let a: MemberIssuer;
let b: MemberIssuer;
let stranger: MemberIssuer;
let roster: Roster;
let view: RosterMembership;
beforeAll(async () => {
  ({ mesh, roots } = await createMesh());
  a = await memberByRoot(mesh, roots);
  b = await memberBy(mesh, a, { serial: 5 });
  stranger = await memberBy(mesh, a, { name: "stranger", serial: 6 });
});
beforeEach(async () => {
  roster = new Roster(crypto, mesh, new MeshTime(0));
  for (const m of [a, b]) await roster.admit(m.chain.encoded);
  view = new RosterMembership(crypto, roster, a.keys);
});

const claim = (target: MemberIssuer, over: Partial<RevocationClaim> = {}): RevocationClaim => ({
  target: target.keys.id,
  scope: "node",
  lastSerial: undefined,
  reason: "lost",
  ...over,
});

describe("an author", () => {
  test("is a member with its capabilities, or not known", () => {
    expect(view.author(a.keys.id)).toMatchObject({ capabilities: ["admin", "issue"] });
    expect(view.author(b.keys.id)).toMatchObject({ capabilities: [] });
    expect(view.author(stranger.keys.id)).toBe("unknown");
  });

  test("that joins is there at once, and changes the revision", async () => {
    const before = view.revision;
    await roster.admit(stranger.chain.encoded);
    view.look();
    expect(view.author(stranger.keys.id)).toMatchObject({ capabilities: [] });
    expect(view.revision).toBeGreaterThan(before);
  });

  test("that was revoked is gone, after a restart as well", async () => {
    await roster.applyRevocation(await revokeByMember(crypto, mesh, a, claim(b)));
    expect(view.author(b.keys.id)).toBe("gone");
    expect(new RosterMembership(crypto, roster, a.keys).author(b.keys.id)).toBe("gone");
  });

  test("whose certificate ended is gone, though nothing came in", async () => {
    const keys = await newKeys();
    const grant = { keys: keys.public, name: "brief", serial: 9, expires: 1_000 };
    const brief = { keys, chain: await verified(mesh, await issueByMember(crypto, mesh, a, grant)) };
    await roster.admit(brief.chain.encoded);
    view.look();
    const before = view.revision;
    roster.time.raise(2_000);
    view.look();
    expect(view.author(keys.id)).toBe("gone");
    expect(view.revision).toBeGreaterThan(before);
  });

  test("that fell with its issuer is gone", async () => {
    const record = await revokeByRoot(crypto, mesh, roots, claim(a, { scope: "issuer" }));
    await roster.applyRevocation(record);
    view.look();
    expect(view.author(b.keys.id)).toBe("gone");
  });
});

describe("names of revocations", () => {
  const namesAfter = async (record: Uint8Array): Promise<string[]> => {
    const other = new Roster(crypto, mesh, new MeshTime(0));
    for (const m of [a, b]) await other.admit(m.chain.encoded);
    await other.applyRevocation(record);
    return [...new RosterMembership(crypto, other, a.keys).revocations()];
  };

  test("are the same whatever the reason and the signature", async () => {
    const first = await namesAfter(await revokeByMember(crypto, mesh, a, claim(b)));
    const second = await namesAfter(await revokeByMember(crypto, mesh, a, claim(b, { reason: "stolen" })));
    expect(first).toHaveLength(1);
    expect(second).toEqual(first);
  });

  test("are others for another revoker, scope or target", async () => {
    const records = await Promise.all([
      revokeByMember(crypto, mesh, a, claim(b)),
      revokeByRoot(crypto, mesh, roots, claim(b)),
      revokeByRoot(crypto, mesh, roots, claim(b, { scope: "issuer" })),
      revokeByRoot(crypto, mesh, roots, claim(b, { scope: "issuer", lastSerial: 3 })),
      revokeByRoot(crypto, mesh, roots, claim(stranger)),
    ]);
    const names = await Promise.all(records.map(namesAfter));
    expect(new Set(names.flat()).size).toBe(5);
  });

  test("leave out one that had no right to its target", async () => {
    // Accepted while its target was not known, by somebody who might have admitted it.
    const other = await memberByRoot(mesh, roots, { name: "o", serial: 2, capabilities: ["admin"] });
    const admin = await memberByRoot(mesh, roots, { name: "p", serial: 3, capabilities: ["admin"] });
    await roster.admit(other.chain.encoded);
    await roster.applyRevocation(await revokeByMember(crypto, mesh, other, claim(admin)));
    view.look();
    expect(view.revocations().size).toBe(1);
    await roster.admit(admin.chain.encoded);
    view.look();
    expect(view.author(admin.keys.id)).toMatchObject({ capabilities: ["admin"] });
    expect(view.revocations().size).toBe(0);
  });
});
