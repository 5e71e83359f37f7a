import { beforeAll, describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { type CertificateBody, signCertificate } from "../../../runtime/identity/certificate.ts";
import { decodeChain, encodeChain, type Mesh, SHOWN_MAX, verifyChain } from "../../../runtime/identity/chain.ts";
import { issueByMember, issueByRoot, type MemberIssuer } from "../../../runtime/identity/issue.ts";
import type { RootKey } from "../../../runtime/identity/root.ts";
import { NOTHING_REVOKED, TIMELESS } from "../../../runtime/identity/trust.ts";
import { createMesh, crypto, flipped, memberBy, memberByRoot, newKeys } from "./world.ts";

let mesh: Mesh;
let roots: RootKey[];
let a: MemberIssuer;
let b: MemberIssuer;
beforeAll(async () => {
  ({ mesh, roots } = await createMesh());
  a = await memberByRoot(mesh, roots);
  b = await memberBy(mesh, a, { roles: ["gateway"], subnets: ["10.1.0.0/16"] });
});
const verify = (chain: Uint8Array, now = 0, inMesh = mesh) =>
  verifyChain(crypto, inMesh, chain, { time: { now }, revocations: NOTHING_REVOKED });

/** What `a` signs when it does not ask whether it may. */
async function forcedBy(issuer: MemberIssuer, over: Partial<CertificateBody>): Promise<Uint8Array> {
  const body = { ...b.chain.leaf, ...over };
  const certificate = await signCertificate(crypto, body, [{ keyId: issuer.keys.id, secrets: issuer.keys.secrets }]);
  return encodeChain([certificate, issuer.chain.leaf.encoded, ...issuer.chain.issuers.map((c) => c.encoded)]);
}

describe("a chain", () => {
  test("gives the leaf and its issuers when it holds", async () => {
    const result = await verify(b.chain.encoded);
    if ("refused" in result) throw new Error(result.refused);
    expect(result.leaf.id).toEqual(b.keys.id);
    expect(result.leaf.keys).toEqual(b.keys.public);
    expect(result.leaf.roles).toEqual(["gateway"]);
    expect(result.issuers.map((c) => c.name)).toEqual(["a"]);
  });

  test("of three holds, and its end cannot issue a fourth", async () => {
    const site = await memberBy(mesh, a, {
      name: "gw.site1",
      serial: 3,
      roles: ["gateway"],
      capabilities: ["issue"],
      issuing: { firstSerial: 100, lastSerial: 199, nameSpace: "site1", depth: 0 },
    });
    const leaf = await memberBy(mesh, site, { name: "x.site1", serial: 100 });
    expect(leaf.chain.issuers.map((c) => c.name)).toEqual(["gw.site1", "a"]);
    const grant = { keys: (await newKeys()).public, name: "y", serial: 5 };
    await expect(issueByMember(crypto, mesh, leaf, grant)).rejects.toMatchObject({ code: "issue/too-deep" });
    await expect(issueByMember(crypto, mesh, site, { ...grant, serial: 101 })).rejects.toMatchObject({
      code: "issue/exceeds", // "y" lies outside of site1
    });
  });

  test("holds until mesh time reaches the end of any of its certificates", async () => {
    const c = await memberBy(mesh, a, { serial: 4, expires: 1000 });
    expect(await verify(c.chain.encoded, 999)).toHaveProperty("leaf");
    expect(await verify(c.chain.encoded, 1000)).toEqual({ refused: "chain/expired" });
  });

  test("of another mesh is refused", async () => {
    const other = await createMesh();
    expect(await verify(b.chain.encoded, 0, other.mesh)).toEqual({ refused: "chain/other-mesh" });
  });

  test("with a link left out, doubled or in the wrong order is refused", async () => {
    const [leaf, top] = [b.chain.leaf.encoded, a.chain.leaf.encoded];
    for (const list of [[leaf], [top, leaf], [leaf, top, top], [leaf, leaf, top]])
      expect(await verify(encodeChain(list))).toEqual({ refused: "chain/broken" });
  });

  test("whose leaf names the issuer but was signed by somebody else is refused", async () => {
    const certificate = await signCertificate(crypto, b.chain.leaf, [{ keyId: a.keys.id, secrets: b.keys.secrets }]);
    expect(await verify(encodeChain([certificate, a.chain.leaf.encoded]))).toEqual({ refused: "chain/signature" });
    const misnamed = await signCertificate(crypto, b.chain.leaf, [{ keyId: b.keys.id, secrets: a.keys.secrets }]);
    expect(await verify(encodeChain([misnamed, a.chain.leaf.encoded]))).toEqual({ refused: "chain/signature" });
  });

  test.each<[string, Partial<CertificateBody>]>([
    ["a name outside its space", { name: "x.site2" }],
    ["a role it lacks", { roles: ["camera"] }],
    ["a capability it lacks", { capabilities: ["sign-update"] }],
    ["a subnet it lacks", { subnets: ["192.168.0.0/16"] }],
    ["a wider subnet than its own", { subnets: ["10.0.0.0/7"] }],
    ["a life beyond its own", { expires: 5001 }],
    ["life without end", { expires: undefined }],
    ["a serial outside its range", { serial: 300 }],
    [
      "a serial range wider than its own",
      { capabilities: ["issue"], issuing: { firstSerial: 100, lastSerial: 200, nameSpace: "site1", depth: 0 } },
    ],
    [
      "a name space wider than its own",
      { capabilities: ["issue"], issuing: { firstSerial: 100, lastSerial: 150, nameSpace: "", depth: 0 } },
    ],
    [
      "the depth it has itself",
      { capabilities: ["issue"], issuing: { firstSerial: 100, lastSerial: 150, nameSpace: "site1", depth: 1 } },
    ],
  ])("in which an issuer gives %s is refused", async (_, over) => {
    const site = await memberByRoot(mesh, roots, {
      name: "gw",
      serial: 9,
      roles: ["gateway"],
      capabilities: ["issue"],
      subnets: ["10.0.0.0/8"],
      expires: 5000,
      issuing: { firstSerial: 100, lastSerial: 199, nameSpace: "site1", depth: 1 },
    });
    const fine = { name: "x.site1", serial: 120, expires: 5000, issuer: site.keys.id };
    expect(await verify(await forcedBy(site, fine))).toHaveProperty("leaf");
    expect(await verify(await forcedBy(site, { ...fine, ...over }))).toEqual({ refused: "chain/exceeds-issuer" });
  });

  test("under a member without the right to issue is refused", async () => {
    expect(await verify(await forcedBy(b, { keys: a.keys.public, issuer: b.keys.id }))).toEqual({
      refused: "chain/exceeds-issuer",
    });
  });
});

describe("a chain too large for a handshake", () => {
  test("is not issued, and refused when it comes from elsewhere", async () => {
    const world = await createMesh(5, 4);
    const signing = world.roots.slice(0, 4);
    const issuing = { firstSerial: 2, lastSerial: 9, nameSpace: "", depth: 1 };
    const first = await memberByRoot(world.mesh, signing, { capabilities: ["issue"], issuing });
    const second = await memberBy(world.mesh, first, { capabilities: ["issue"], issuing: { ...issuing, depth: 0 } });
    await expect(memberBy(world.mesh, second, { name: "c", serial: 3 })).rejects.toMatchObject({
      code: "issue/too-large",
    });
    const leaf = { ...second.chain.leaf, keys: (await newKeys()).public, issuer: second.keys.id, issuing: undefined };
    const signer = { keyId: second.keys.id, secrets: second.keys.secrets };
    const certificate = await signCertificate(crypto, { ...leaf, capabilities: [] }, [signer]);
    const chain = encodeChain([certificate, ...[second.chain.leaf, first.chain.leaf].map((c) => c.encoded)]);
    expect(chain.length + world.mesh.encoded.length).toBeGreaterThan(SHOWN_MAX);
    expect(await verify(chain, 0, world.mesh)).toEqual({ refused: "chain/too-large" });
  });

  test("does not come about where three of five root keys sign, three certificates deep", async () => {
    const world = await createMesh(5, 3);
    const issuing = { firstSerial: 2, lastSerial: 9, nameSpace: "", depth: 1 };
    const first = await memberByRoot(world.mesh, world.roots.slice(0, 3), { capabilities: ["issue"], issuing });
    const second = await memberBy(world.mesh, first, { capabilities: ["issue"], issuing: { ...issuing, depth: 0 } });
    expect((await memberBy(world.mesh, second, { name: "c", serial: 3 })).chain.issuers).toHaveLength(2);
  });
});

describe("the root", () => {
  test("of two of three needs two different keys", async () => {
    const world = await createMesh(3, 2);
    const [one, two, three] = world.roots as [RootKey, RootKey, RootKey];
    const grant = { keys: (await newKeys()).public, name: "a", serial: 1 };
    for (const keys of [
      [one, three],
      [two, one],
      [one, two, three],
    ])
      expect(await verify(await issueByRoot(crypto, world.mesh, keys, grant), 0, world.mesh)).toHaveProperty("leaf");
    for (const keys of [[one], [two, two]])
      await expect(issueByRoot(crypto, world.mesh, keys, grant)).rejects.toMatchObject({ code: "root/too-few-keys" });
    const foreign = (await createMesh()).roots;
    await expect(issueByRoot(crypto, world.mesh, foreign, grant)).rejects.toMatchObject({ code: "root/foreign-key" });
  });

  test("signature by too few, by a foreign key or with one wrong among good ones does not count", async () => {
    const world = await createMesh(2, 2);
    const [one, two] = world.roots as [RootKey, RootKey];
    const grant = { keys: (await newKeys()).public, name: "a", serial: 1 };
    const good = decodeChain(crypto, await issueByRoot(crypto, world.mesh, [one, two], grant))?.[0];
    if (!good) throw new Error("malformed");
    const byte = (n: number): Uint8Array => Uint8Array.of(n);
    for (const signers of [
      [{ keyId: byte(0), secrets: one.secrets }],
      [
        { keyId: byte(0), secrets: one.secrets },
        { keyId: byte(1), secrets: one.secrets },
      ],
      [
        { keyId: byte(0), secrets: one.secrets },
        { keyId: byte(7), secrets: two.secrets },
      ],
    ]) {
      const chain = encodeChain([await signCertificate(crypto, good, signers)]);
      expect(await verify(chain, 0, world.mesh)).toEqual({ refused: "chain/signature" });
    }
  });
});

describe("a changed chain", () => {
  test("is refused whichever byte changed, and nothing throws", async () => {
    const { encoded } = b.chain;
    await fc.assert(
      fc.asyncProperty(fc.nat(encoded.length - 1), fc.integer({ min: 1, max: 255 }), async (at, mask) => {
        expect(await verify(flipped(encoded, at, mask))).toHaveProperty("refused");
      }),
      { numRuns: 400 },
    );
  });

  test("is refused when cut off or continued", async () => {
    const { encoded } = b.chain;
    for (let n = 0; n < encoded.length; n += 97) expect(decodeChain(crypto, encoded.subarray(0, n))).toBeUndefined();
    expect(decodeChain(crypto, Uint8Array.of(...encoded, 0))).toBeUndefined();
  });

  test("of random bytes is refused", async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), async (bytes) => {
        expect(await verifyChain(crypto, mesh, bytes, TIMELESS)).toEqual({ refused: "chain/malformed" });
      }),
    );
  });
});
