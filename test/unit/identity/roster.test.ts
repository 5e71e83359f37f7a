import { beforeAll, beforeEach, describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import type { Mesh } from "../../../runtime/identity/chain.ts";
import type { MemberIssuer } from "../../../runtime/identity/issue.ts";
import { issueByMember, issueByRoot } from "../../../runtime/identity/issue.ts";
import {
  type RevocationClaim,
  revokeByMember,
  revokeByRoot,
  type VerifiedRevocation,
} from "../../../runtime/identity/revocation.ts";
import { RECORDS_PER_REVOKER, RevocationSet } from "../../../runtime/identity/revocation-set.ts";
import type { RootKey } from "../../../runtime/identity/root.ts";
import { Roster } from "../../../runtime/identity/roster.ts";
import type { Directory } from "../../../runtime/mesh/handshake/ports.ts";
import { createMesh, crypto, FIRST, flipped, memberBy, memberByRoot } from "./world.ts";

let mesh: Mesh;
let roots: RootKey[];
let a: MemberIssuer; // root-signed, issue and admin
let b: MemberIssuer; // leaf under a
let site: MemberIssuer; // issuer under a
let leaf: MemberIssuer; // under site
let other: MemberIssuer; // a second root-signed admin
let roster: Roster;
beforeAll(async () => {
  ({ mesh, roots } = await createMesh());
  a = await memberByRoot(mesh, roots);
  b = await memberBy(mesh, a, { serial: 5 });
  const issuing = { firstSerial: 100, lastSerial: 199, nameSpace: "s", depth: 0 };
  site = await memberBy(mesh, a, { name: "gw", serial: 6, capabilities: ["issue"], issuing });
  leaf = await memberBy(mesh, site, { name: "x.s", serial: 110 });
  other = await memberByRoot(mesh, roots, { ...FIRST, name: "o", serial: 2 });
});
beforeEach(async () => {
  roster = new Roster(crypto, mesh);
  for (const m of [a, b, site, leaf, other]) expect(await roster.admit(m.chain.encoded)).toBeDefined();
});

const claim = (target: MemberIssuer, over: Partial<RevocationClaim> = {}): RevocationClaim => ({
  target: target.keys.id,
  scope: "node",
  lastSerial: undefined,
  reason: "lost",
  ...over,
});
const names = (): string[] => roster.list().map((m) => m.name);

describe("a roster", () => {
  test("is the handshake's directory and finds a member by id, hash, address and name", () => {
    const directory: Directory = roster;
    const member = directory.byCertificateHash(b.chain.leaf.hash);
    expect(member?.id).toEqual(b.keys.id);
    expect(roster.byId(b.keys.id)).toBe(member as never);
    expect(roster.byAddress(member?.address ?? "")).toBe(member as never);
    expect(roster.byName("b")).toBe(member as never);
    expect(names()).toEqual(["a", "b", "gw", "o", "x.s"]);
  });

  test("keeps the certificate with the higher serial, whichever comes first", async () => {
    const grant = { keys: b.keys.public, name: "b", serial: 50 };
    const renewed = await issueByMember(crypto, mesh, a, grant);
    const member = await roster.admit(renewed);
    expect(member?.certificate.serial).toBe(50);
    expect(roster.byCertificateHash(b.chain.leaf.hash)).toBeUndefined();
    expect((await roster.admit(b.chain.encoded))?.certificate.serial).toBe(50);
  });

  test("lets no issuer rename or demote whom another admitted; the member itself may change over", async () => {
    const grant = { keys: b.keys.public, name: "evil.s", serial: 150 };
    const foreign = await issueByMember(crypto, mesh, site, grant);
    expect((await roster.admit(foreign))?.name).toBe("b");
    expect(roster.byCertificateHash(b.chain.leaf.hash)?.name).toBe("b");
    expect((await roster.admit(foreign, true))?.name).toBe("evil.s");
    expect((await roster.admit(b.chain.encoded))?.name).toBe("evil.s");
    expect((await roster.admit(b.chain.encoded, true))?.name).toBe("b");
  });

  test("takes the root's certificate in place of an issuer's, by whatever way it comes, and then no issuer's", async () => {
    const renewed = { ...FIRST, keys: b.keys.public, name: "by-root", serial: 1 };
    expect((await roster.admit(await issueByRoot(crypto, mesh, roots, renewed)))?.name).toBe("by-root");
    expect((await roster.admit(b.chain.encoded, true))?.name).toBe("by-root");
  });

  test("goes by serials among certificates of one issuer, the root included, whoever shows them", async () => {
    const older = { ...FIRST, keys: other.keys.public, name: "older", serial: 1 };
    const newer = { ...FIRST, keys: other.keys.public, name: "newer", serial: 9 };
    expect((await roster.admit(await issueByRoot(crypto, mesh, roots, older), true))?.name).toBe("o");
    expect((await roster.admit(await issueByRoot(crypto, mesh, roots, newer)))?.name).toBe("newer");
    const delegated = await issueByMember(crypto, mesh, a, { keys: other.keys.public, name: "d", serial: 99 });
    expect((await roster.admit(delegated))?.name).toBe("newer");
  });

  test("takes the certificate of another issuer when the old one no longer counts", async () => {
    const grant = { keys: leaf.keys.public, name: "again", serial: 60 };
    const anew = await issueByMember(crypto, mesh, a, grant);
    expect((await roster.admit(anew))?.name).toBe("x.s");
    await roster.applyRevocation(await revokeByMember(crypto, mesh, a, claim(site)));
    expect((await roster.admit(anew))?.name).toBe("again");
  });

  test("says whose chain it is when it was signed, though it counts no more, and remembers nobody", async () => {
    const empty = new Roster(crypto, mesh);
    const whose = (chain: Uint8Array) => empty.identify(chain);
    const who = { id: b.keys.id, keys: b.keys.public };
    expect(await whose(b.chain.encoded)).toEqual({ ...who, ended: undefined, record: undefined });
    const short = await memberBy(mesh, a, { name: "c", serial: 7, expires: 1000 });
    empty.time.raise(1000);
    expect((await whose(short.chain.encoded))?.ended).toBe("expired");
    const ofB = await revokeByRoot(crypto, mesh, roots, claim(b));
    await empty.applyRevocation(ofB);
    expect(await whose(b.chain.encoded)).toEqual({ ...who, ended: "revoked", record: ofB });
    const ofSite = await revokeByRoot(crypto, mesh, roots, claim(site));
    await empty.applyRevocation(ofSite);
    expect(await whose(leaf.chain.encoded)).toMatchObject({ ended: "revoked", record: ofSite });
    expect(empty.list()).toEqual([]);
    for (const at of [40, 3000, b.chain.encoded.length - 1])
      expect(await whose(flipped(b.chain.encoded, at))).toBeUndefined();
  });

  test("verifies the signatures of a chain once, good or bad, for the last 1024 chains", async () => {
    let verified = 0;
    const verify: typeof crypto.ed25519.verify = (...x) => {
      verified++;
      return crypto.ed25519.verify(...x);
    };
    const counting = new Roster({ ...crypto, ed25519: { ...crypto.ed25519, verify } }, mesh);
    const [good, bad] = [b.chain.encoded, flipped(b.chain.encoded, b.chain.leaf.encoded.length - 3000)];
    const work = async (chain: Uint8Array): Promise<number> => {
      const before = verified;
      await counting.admit(chain);
      return verified - before;
    };
    expect(await counting.accept(bad)).toEqual({ refused: "chain/signature" });
    expect([await work(bad), await work(good), await work(good)]).toEqual([0, 2, 0]);
    expect(await counting.identify(good)).toBeDefined();
    expect(await counting.identify(bad)).toBeUndefined();
    for (let i = 0; i < 1023; i++) {
      const at = b.chain.leaf.encoded.length - 3000 + (i % 1000);
      await counting.identify(flipped(b.chain.encoded, at, 2 + Math.floor(i / 1000)));
    }
    expect(await work(good)).toBe(0);
    expect(await work(bad)).toBeGreaterThan(0);
  }, 20_000);

  test("no longer returns who has expired", async () => {
    const c = await memberBy(mesh, a, { name: "c", serial: 7, expires: 1000 });
    await roster.admit(c.chain.encoded);
    roster.time.raise(999);
    expect(roster.byId(c.keys.id)).toBeDefined();
    roster.time.raise(1000);
    roster.time.raise(1); // the floor only rises
    expect(roster.byId(c.keys.id)).toBeUndefined();
    expect(roster.byName("c")).toBeUndefined();
    expect(await roster.accept(c.chain.encoded)).toEqual({ refused: "chain/expired" });
  });

  test("opens from a genesis, and says so when it is none", () => {
    expect(Roster.of(crypto, mesh.encoded, 5).meshId).toEqual(mesh.id);
    expect(() => Roster.of(crypto, new Uint8Array(3))).toThrow("no genesis");
  });

  test("refuses one more than its limit", async () => {
    const small = new Roster(crypto, mesh, undefined, 1);
    await small.admit(a.chain.encoded);
    expect(await small.accept(b.chain.encoded)).toEqual({ refused: "roster/full" });
    expect(await small.accept(a.chain.encoded)).toHaveProperty("member");
  });

  test("comes back from what it kept, without whom was revoked", async () => {
    roster.setEndpoint(b.keys.id, { address: "192.0.2.1", port: 7 });
    await roster.applyRevocation(await revokeByMember(crypto, mesh, a, claim(site)));
    const again = new Roster(crypto, mesh);
    const chains = [...roster.snapshot(), { chain: leaf.chain.encoded, endpoint: undefined }];
    expect(await again.restore(chains, roster.revocationRecords())).toEqual({ dropped: 1 });
    expect(again.list().map((m) => m.name)).toEqual(["a", "b", "o"]);
    expect(again.endpointOf(b.keys.id)).toEqual({ address: "192.0.2.1", port: 7 });
  });

  test("remembers a revocation over a restart though its revoker was revoked afterwards", async () => {
    await roster.applyRevocation(await revokeByMember(crypto, mesh, other, claim(b)));
    await roster.applyRevocation(await revokeByRoot(crypto, mesh, roots, claim(other)));
    const again = new Roster(crypto, mesh);
    const records = roster.revocationRecords().toReversed();
    expect(await again.restore([{ chain: b.chain.encoded, endpoint: undefined }], records)).toEqual({ dropped: 1 });
    expect(again.byId(b.keys.id)).toBeUndefined();
  });
});

describe("a revocation", () => {
  test.each<[string, () => [MemberIssuer | undefined, MemberIssuer], string[]]>([
    ["the root revokes an admin and with it all it admitted", () => [undefined, a], ["a", "b", "gw", "x.s"]],
    ["an issuer revokes whom it admitted", () => [a, b], ["b"]],
    ["an issuer revokes whom its delegate admitted", () => [a, leaf], ["x.s"]],
    ["an issuer that falls takes its own along", () => [a, site], ["gw", "x.s"]],
    ["an admin revokes a member of another issuer", () => [other, b], ["b"]],
    ["a member revokes itself", () => [b, b], ["b"]],
  ])("%s", async (_, who, fallen) => {
    const [revoker, target] = who();
    const record = revoker
      ? await revokeByMember(crypto, mesh, revoker, claim(target))
      : await revokeByRoot(crypto, mesh, roots, claim(target));
    const before = names();
    const result = await roster.applyRevocation(record);
    if ("refused" in result) throw new Error(result.refused);
    expect(result.revoked.map((m) => m.name).sort()).toEqual(fallen);
    expect(names()).toEqual(before.filter((n) => !fallen.includes(n)));
    expect(roster.byId(target.keys.id)).toBeUndefined();
    expect(await roster.accept(target.chain.encoded)).toEqual({ refused: "chain/revoked" });
    expect(await roster.applyRevocation(record)).toEqual({ revoked: [], news: false });
  });

  test.each<[string, () => [MemberIssuer, MemberIssuer]]>([
    ["a plain member revokes another", () => [b, leaf]],
    ["a member revokes its issuer", () => [leaf, site]],
    ["an issuer revokes whom another admitted", () => [site, b]],
    ["an admin revokes an admin", () => [other, a]],
  ])("is refused when %s", async (_, who) => {
    const [revoker, target] = who();
    const record = await revokeByMember(crypto, mesh, revoker, claim(target));
    expect(await roster.applyRevocation(record)).toEqual({ refused: "revocation/not-allowed" });
    expect(names()).toHaveLength(5);
  });

  test("of an issuer honours what it signed up to the last serial named", async () => {
    const late = await memberBy(mesh, site, { name: "late.s", serial: 111 });
    await roster.admit(late.chain.encoded);
    const record = await revokeByMember(crypto, mesh, a, claim(site, { scope: "issuer", lastSerial: 110 }));
    const result = await roster.applyRevocation(record);
    expect("revoked" in result && result.revoked.map((m) => m.name)).toEqual(["late.s"]);
    expect(names()).toContain("gw");
    expect(names()).toContain("x.s");
    expect(await roster.accept(late.chain.encoded)).toEqual({ refused: "chain/issuer-revoked" });
  });

  test("of a node that is not known yet counts when it shows its certificate, if the revoker had the right", async () => {
    const early = new Roster(crypto, mesh);
    const right = await revokeByMember(crypto, mesh, a, claim(b));
    const wrong = await revokeByMember(crypto, mesh, site, claim(other));
    for (const record of [right, wrong]) expect(await early.applyRevocation(record)).toHaveProperty("news", true);
    expect(await early.accept(b.chain.encoded)).toEqual({ refused: "chain/revoked" });
    expect(await early.accept(other.chain.encoded)).toHaveProperty("member");
    expect(await early.applyRevocation(await revokeByMember(crypto, mesh, leaf, claim(b)))).toEqual({
      refused: "revocation/not-allowed",
    });
  });

  test("by somebody revoked before is refused", async () => {
    const record = await revokeByMember(crypto, mesh, site, claim(leaf));
    await roster.applyRevocation(await revokeByMember(crypto, mesh, a, claim(site)));
    expect(await roster.applyRevocation(record)).toEqual({ refused: "revocation/revoker" });
  });

  test("signed anew with the same words is no news", async () => {
    for (const news of [true, false])
      expect(await roster.applyRevocation(await revokeByMember(crypto, mesh, a, claim(b)))).toHaveProperty(
        "news",
        news,
      );
    for (const news of [true, false])
      expect(await roster.applyRevocation(await revokeByRoot(crypto, mesh, roots, claim(b)))).toHaveProperty(
        "news",
        news,
      );
    expect(roster.revocationRecords()).toHaveLength(2);
  });

  test("takes no more room than its revoker's share; the root has no bound", () => {
    const set = new RevocationSet();
    const record = (revoker: MemberIssuer | undefined, n: number): VerifiedRevocation => ({
      ...claim(b, { target: crypto.sha256(Uint8Array.of(n >> 8, n & 255)) }),
      revoker: revoker?.chain,
      encoded: new Uint8Array(1),
    });
    for (let n = 0; n < RECORDS_PER_REVOKER; n++) expect(set.add(record(a, n))).toBe("added");
    expect(set.add(record(a, RECORDS_PER_REVOKER))).toBe("revocation/too-many");
    expect(set.add(record(other, 0))).toBe("added");
    for (let n = 0; n <= RECORDS_PER_REVOKER; n++) expect(set.add(record(undefined, n))).toBe("added");
  });

  test("of another mesh is refused", async () => {
    const world = await createMesh();
    const record = await revokeByRoot(crypto, world.mesh, world.roots, claim(b));
    expect(await roster.applyRevocation(record)).toEqual({ refused: "revocation/other-mesh" });
  });

  test("with any byte changed is refused, and nothing throws", async () => {
    const record = await revokeByMember(crypto, mesh, a, claim(b));
    await fc.assert(
      fc.asyncProperty(fc.nat(record.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        expect(await roster.applyRevocation(flipped(record, at, mask))).toHaveProperty("refused");
      }),
      { numRuns: 300 },
    );
  });
});
