import { beforeAll, beforeEach, describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import type { Mesh } from "../../../runtime/identity/chain.ts";
import type { MemberIssuer } from "../../../runtime/identity/issue.ts";
import type { NodeKeys } from "../../../runtime/identity/keys.ts";
import { revokeByMember } from "../../../runtime/identity/revocation.ts";
import type { RootKey } from "../../../runtime/identity/root.ts";
import { Roster } from "../../../runtime/identity/roster.ts";
import type { JoinAnswer } from "../../../runtime/mesh/handshake/ports.ts";
import { createAdmission, type Issuer } from "../../../runtime/provisioning/admission.ts";
import { createInvite } from "../../../runtime/provisioning/create-invite.ts";
import { ENDED_MAX, InviteBook, OPEN_MAX, stateOf } from "../../../runtime/provisioning/invite-book.ts";
import { parseToken } from "../../../runtime/provisioning/token.ts";
import { createMesh, crypto, flipped, memberBy, memberByRoot, newKeys, random, verified } from "../identity/world.ts";

const NOW = 1_000_000_020;
const ENDPOINTS = [{ address: "192.0.2.1", port: 51820 }];
const SOURCE = { address: "192.0.2.9", port: 9 };
let mesh: Mesh;
let roots: RootKey[];
let a: MemberIssuer;
let joiner: NodeKeys;
let second: NodeKeys;
let now: number;
let stored: number;
let disk: "fine" | "full";
let issuer: Issuer;
beforeAll(async () => {
  ({ mesh, roots } = await createMesh());
  a = await memberByRoot(mesh, roots);
  joiner = await newKeys();
  second = await newKeys();
});
beforeEach(async () => {
  [now, stored, disk] = [NOW, 0, "fine"];
  issuer = issuerOf(a);
  await issuer.roster.admit(a.chain.encoded);
});
const issuerOf = (member: MemberIssuer): Issuer => ({
  crypto,
  member,
  roster: new Roster(crypto, mesh),
  book: new InviteBook(),
  now: () => now,
  persist: async () => {
    await Promise.resolve();
    if (disk === "full") throw new Error("ENOSPC");
    stored++;
  },
});
const invite = async (terms = {}): Promise<Uint8Array> =>
  (await createInvite(issuer, random, ENDPOINTS, terms)).invite.id;
const admission = () => createAdmission(issuer);
const join = (inviteId: Uint8Array, name = "b", keys = joiner, by = admission()): Promise<JoinAnswer> =>
  by.admit({ inviteId, keys: keys.public, name, source: SOURCE });
const chainOf = (answer: JoinAnswer): Uint8Array => {
  if (!answer.accepted) throw new Error(`${answer.code}: ${answer.message}`);
  return answer.chain;
};

describe("an invite", () => {
  test("shows a token with all a joiner needs, and its secret only to the handshake", async () => {
    const { invite: made, token } = await createInvite(issuer, random, ENDPOINTS);
    expect(parseToken(crypto, token)).toEqual({
      meshId: mesh.id,
      issuerId: a.keys.id,
      inviteId: made.id,
      secret: made.secret,
      uses: 1,
      expires: made.expires,
      endpoints: ENDPOINTS,
    });
    expect(made.expires).toBeGreaterThanOrEqual(NOW + 24 * 3600);
    expect(admission().secretOf(made.id)).toEqual(made.secret);
    expect(admission().secretOf(new Uint8Array(8))).toBeUndefined();
    expect(stored).toBe(1);
  });
  test.each([
    ["a role the issuer lacks", { roles: ["camera"] }, "invite/exceeds-issuer"],
    ["a subnet the issuer lacks", { subnets: ["192.168.0.0/24"] }, "invite/exceeds-issuer"],
    ["more of a subnet than the issuer has", { subnets: ["10.0.0.0/7"] }, "invite/exceeds-issuer"],
    ["no use", { uses: 0 }, "invite/terms"],
    ["too many uses", { uses: 65_536 }, "invite/terms"],
    ["no life", { lifetime: 0 }, "invite/terms"],
    ["a name that is none", { name: "B b" }, "invite/name-outside-space"],
  ])("with %s is not made", async (_, terms, code) => {
    await expect(invite(terms)).rejects.toMatchObject({ code });
  });
  test("that cannot be shown or stored leaves nothing in the book", async () => {
    await expect(createInvite(issuer, random, [])).rejects.toMatchObject({ code: "invite/endpoints" });
    disk = "full";
    await expect(createInvite(issuer, random, ENDPOINTS)).rejects.toThrow("ENOSPC");
    expect(issuer.book.list()).toEqual([]);
  });
  test("of a member that may not issue, or was revoked, is not made", async () => {
    const plain = issuerOf(await memberBy(mesh, a));
    await expect(createInvite(plain, random, ENDPOINTS)).rejects.toMatchObject({ code: "invite/not-issuer" });
    const id = await invite();
    const target = { target: a.keys.id, scope: "node", lastSerial: undefined, reason: "" } as const;
    await issuer.roster.applyRevocation(await revokeByMember(crypto, mesh, a, target));
    expect(await join(id)).toMatchObject({ accepted: false, code: "invite/not-issuer" });
  });
});

describe("admission", () => {
  test("gives a chain that holds, with the invite's roles and subnets, and makes it durable first", async () => {
    const id = await invite({ roles: ["relay"], subnets: ["10.7.0.0/24", "10.3.0.0/16"] });
    const { leaf, issuers } = await verified(mesh, chainOf(await join(id)));
    expect(leaf.id).toEqual(joiner.id);
    expect([leaf.name, leaf.roles, leaf.capabilities]).toEqual(["b", ["relay"], []]);
    expect(leaf.subnets).toEqual(["10.3.0.0/16", "10.7.0.0/24"]);
    expect(issuers[0]?.id).toEqual(a.keys.id);
    expect(issuer.roster.byName("b")?.id).toEqual(joiner.id);
    expect(stored).toBe(2);
    expect(issuer.book.get(id)?.admitted).toEqual([{ node: joiner.id, name: "b", serial: 2 }]);
  });
  test.each<[string, string, () => Promise<Uint8Array>]>([
    ["unknown", "invite/unknown", async () => new Uint8Array(8)],
    [
      "used",
      "invite/used",
      async () => {
        const id = await invite();
        chainOf(await join(id, "c", second));
        return id;
      },
    ],
    [
      "expired",
      "invite/expired",
      async () => {
        const id = await invite({ lifetime: 60 });
        now += 120;
        return id;
      },
    ],
    [
      "revoked",
      "invite/revoked",
      async () => {
        const id = await invite();
        issuer.book.revoke(id);
        return id;
      },
    ],
  ])("by an invite that is %s says so", async (_, code, make) => {
    expect(await join(await make())).toMatchObject({ accepted: false, code });
  });
  test.each([
    ["no DNS name", "B_1", {}, "invite/name-invalid"],
    ["the issuer's", "a", {}, "invite/name-taken"],
    ["not the one the invite is for", "c", { name: "b" }, "invite/name-fixed"],
  ])("refuses a name that is %s, and the invite stays good", async (_, name, terms, code) => {
    const id = await invite(terms);
    expect(await join(id, name)).toMatchObject({ accepted: false, code });
    chainOf(await join(id, "b"));
  });
  test("refuses a name outside of the issuer's space", async () => {
    const issuing = { firstSerial: 100, lastSerial: 100, nameSpace: "site1", depth: 0 };
    issuer = issuerOf(await memberBy(mesh, a, { name: "gw", serial: 9, capabilities: ["issue"], issuing }));
    const id = await invite({ uses: 2 });
    expect(await join(id, "x.site2")).toMatchObject({ code: "invite/name-outside-space" });
    chainOf(await join(id, "x.site1"));
    expect(await join(id, "y.site1", second)).toMatchObject({ code: "invite/serials-used-up" });
  });
  test("gives the same keys the same chain again, though used up and expired since, but not once revoked", async () => {
    const id = await invite({ lifetime: 60 });
    const chain = chainOf(await join(id));
    now += 3600;
    expect(chainOf(await join(id))).toEqual(chain);
    const lost = { ...issuer, roster: new Roster(crypto, mesh) };
    const again = await verified(mesh, chainOf(await join(id, "other", joiner, createAdmission(lost))));
    expect([again.leaf.name, again.leaf.serial]).toEqual(["b", 2]);
    issuer.book.revoke(id);
    expect(await join(id)).toMatchObject({ code: "invite/revoked" });
  });
  test("spends a single use once when two ask at the same time", async () => {
    const [id, by] = [await invite(), admission()];
    const answers = await Promise.all([
      join(id, "b", joiner, by),
      join(id, "c", second, by),
      join(id, "b", joiner, by),
    ]);
    expect(answers.map((x) => (x.accepted ? "in" : x.code))).toEqual(["in", "invite/used", "in"]);
    expect(chainOf(answers[2] as JoinAnswer)).toEqual(chainOf(answers[0] as JoinAnswer));
  });
  test("gives one name once when two ask at the same time", async () => {
    const [id, by] = [await invite({ uses: 2 }), admission()];
    const answers = await Promise.all([join(id, "b", joiner, by), join(id, "b", second, by)]);
    expect(answers.map((x) => (x.accepted ? "in" : x.code))).toEqual(["in", "invite/name-taken"]);
  });
  test("admits nobody when the disk is full, and the use is not lost", async () => {
    const id = await invite();
    disk = "full";
    expect(await join(id)).toMatchObject({ accepted: false, code: "invite/not-stored" });
    disk = "fine";
    chainOf(await join(id));
  });
  test("refuses a node that was revoked, and the use is not lost", async () => {
    const first = await invite();
    chainOf(await join(first));
    const target = { target: joiner.id, scope: "node", lastSerial: undefined, reason: "lost" } as const;
    await issuer.roster.applyRevocation(await revokeByMember(crypto, mesh, a, target));
    const id = await invite();
    expect(await join(id)).toMatchObject({ code: "invite/node-revoked" });
    expect(await join(first)).toMatchObject({ code: "invite/node-revoked" });
    chainOf(await join(id, "b", second));
  });
});

describe("the book of invites", () => {
  test("comes back whole, with the next serial", async () => {
    const id = await invite({ uses: 3, name: "b", roles: ["gateway"] });
    chainOf(await join(id));
    const again = InviteBook.decode(issuer.book.encode());
    expect(again.list()).toEqual(issuer.book.list());
    const issuing = { firstSerial: 2, lastSerial: 9, nameSpace: "", depth: 0 };
    expect(again.spend(id, second.id, "c", issuing, now).serial).toBe(3);
  });
  test("decodes no changed byte into what breaks its rules, and throws nothing but its own error", async () => {
    const book = new InviteBook();
    book.create(random, NOW, { uses: 2, name: "b" });
    const encoded = book.encode();
    await fc.assert(
      fc.property(fc.nat(encoded.length - 1), fc.integer({ min: 1, max: 255 }), (at, mask) => {
        try {
          const changed = InviteBook.decode(flipped(encoded, at, mask));
          expect(changed.encode()).toEqual(flipped(encoded, at, mask));
        } catch (thrown) {
          expect(thrown).toMatchObject({ code: "state/corrupt" });
        }
      }),
    );
  });
  test("keeps a bounded number of open and of ended invites", () => {
    const book = new InviteBook();
    for (let i = 0; i < OPEN_MAX; i++) book.create(random, NOW);
    expect(() => book.create(random, NOW)).toThrow("open");
    for (const { id } of book.list()) book.revoke(id);
    for (let i = 0; i < 500; i++) book.revoke(book.create(random, NOW).id);
    book.create(random, NOW);
    const ended = book.list().filter((i) => stateOf(i, NOW) !== "open");
    expect(ended.length).toBe(ENDED_MAX);
    expect(InviteBook.decode(book.encode()).list()).toHaveLength(ENDED_MAX + 1);
  });
});
