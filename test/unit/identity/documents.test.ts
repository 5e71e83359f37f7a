import { beforeAll, describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { decodeCbor } from "../../../runtime/base/cbor.ts";
import {
  bytesOf,
  decodeAs,
  encodeAs,
  field,
  flag,
  listOf,
  oneOf,
  optional,
  record,
  uint,
} from "../../../runtime/base/cbor-shape.ts";
import { LABEL } from "../../../runtime/crypto/labels.ts";
import { decodeCertificate, signCertificate } from "../../../runtime/identity/certificate.ts";
import { type Mesh, openMesh } from "../../../runtime/identity/chain.ts";
import { decodeCose, signCose, verifySignature } from "../../../runtime/identity/cose.ts";
import { decodeGenesis, encodeGenesis, meshIdOf } from "../../../runtime/identity/genesis.ts";
import { issueByMember, issueByRoot, type MemberIssuer } from "../../../runtime/identity/issue.ts";
import { type NodeSecrets, wipeKeys } from "../../../runtime/identity/keys.ts";
import { isName, isNameIn, isSpaceIn } from "../../../runtime/identity/names.ts";
import { createGenesis, type RootKey } from "../../../runtime/identity/root.ts";
import { openRoot, sealRoot } from "../../../runtime/identity/seal-root.ts";
import { parseSpiffeId, spiffeId } from "../../../runtime/identity/spiffe.ts";
import {
  decodeState,
  encodeState,
  KEYS_FILE,
  MEMBER_FILE,
  REVOCATIONS_FILE,
  ROOT_FILE,
  ROSTER_FILE,
  SEALED_ROOT_FILE,
  TIME_FILE,
} from "../../../runtime/identity/state.ts";
import { createMesh, crypto, flipped, memberBy, memberByRoot, newKeys, random } from "./world.ts";

let mesh: Mesh;
let roots: RootKey[];
let a: MemberIssuer;
beforeAll(async () => {
  ({ mesh, roots } = await createMesh(2, 1));
  a = await memberByRoot(mesh, roots);
});
const byte = fc.integer({ min: 1, max: 255 });

describe("a shape", () => {
  interface Thing {
    readonly id: Uint8Array;
    readonly n: number | undefined;
    readonly on: boolean;
    readonly kind: readonly ("x" | "y")[];
  }
  const SHAPE = record<Thing>({
    id: field(1, bytesOf(2)),
    n: optional(2, uint(10, 1)),
    on: field(3, flag),
    kind: field(4, listOf(oneOf("x", "y"), 2)),
  });
  const THING: Thing = { id: Uint8Array.of(1, 2), n: 3, on: true, kind: ["x", "y"] };
  test("gives back what it took, with or without what is optional", () => {
    for (const thing of [THING, { ...THING, n: undefined }])
      expect(decodeAs(SHAPE, encodeAs(SHAPE, thing))).toEqual(thing);
  });
  test.each<[string, Partial<Record<keyof Thing, unknown>>]>([
    ["bytes of another length", { id: new Uint8Array(3) }],
    ["a number above its range", { n: 11 }],
    ["a number below its range", { n: 0 }],
    ["a fraction", { n: 1.5 }],
    ["a list too long", { kind: ["x", "y", "x"] }],
    ["a word it does not know", { kind: ["z"] }],
    ["another type", { on: 1 }],
    ["nothing where something must be", { on: undefined }],
  ])("refuses %s", (_, over) => {
    expect(() => encodeAs(SHAPE, { ...THING, ...over } as Thing)).toThrow(RangeError);
  });
  test("refuses a key it does not name, and what is no map", () => {
    expect(SHAPE.decode(new Map([[9, 1]]))).toBeUndefined();
    expect(SHAPE.decode([1])).toBeUndefined();
    expect(listOf(flag, 2).decode(true)).toBeUndefined();
    const wider = record<Thing & { readonly more: boolean }>({
      id: field(1, bytesOf(2)),
      n: optional(2, uint(10)),
      on: field(3, flag),
      kind: field(4, listOf(oneOf("x", "y"), 2)),
      more: field(5, flag),
    });
    expect(decodeAs(SHAPE, encodeAs(wider, { ...THING, more: true }))).toBeUndefined();
  });
});

describe("a COSE_Sign document", () => {
  test("has the structure and algorithm ids of RFC 9052, RFC 9864 and RFC 9964", async () => {
    const { keys } = a;
    const payload = Uint8Array.of(1, 2, 3);
    const encoded = await signCose(crypto, payload, LABEL.certificate, [{ keyId: keys.id, secrets: keys.secrets }]);
    const [header, unprotected, content, signatures] = decodeCbor(encoded) as [
      Uint8Array,
      Map<number, number>,
      Uint8Array,
      [Uint8Array, unknown, Uint8Array][],
    ];
    expect([header.length, unprotected.size]).toEqual([0, 0]);
    expect(content).toEqual(payload);
    const headers = signatures.map(([h]) => decodeCbor(h));
    expect(headers).toEqual([
      new Map<number, number | Uint8Array>([
        [1, -19],
        [4, keys.id],
      ]),
      new Map<number, number | Uint8Array>([
        [1, -49],
        [4, keys.id],
      ]),
    ]);
    expect(signatures.map(([, , s]) => s.length)).toEqual([64, 3309]);
  });
  test("verifies under its own label, payload, key id and keys only", async () => {
    const { keys } = a;
    const payload = Uint8Array.of(1, 2, 3);
    const encoded = await signCose(crypto, payload, LABEL.certificate, [{ keyId: keys.id, secrets: keys.secrets }]);
    const signature = decodeCose(encoded, 1)?.signatures[0];
    if (!signature) throw new Error("malformed");
    const other = (await newKeys()).public;
    const holds = (p: Uint8Array, label: Uint8Array, by = keys.public, s = signature) =>
      verifySignature(crypto, p, label, by, s);
    expect(await holds(payload, LABEL.certificate)).toBe(true);
    expect(await holds(payload, LABEL.revocation)).toBe(false);
    expect(await holds(Uint8Array.of(1, 2), LABEL.certificate)).toBe(false);
    expect(await holds(payload, LABEL.certificate, keys.public, { ...signature, keyId: other.x25519 })).toBe(false);
    // Each half alone is not enough.
    expect(await holds(payload, LABEL.certificate, { ...keys.public, ed25519: other.ed25519 })).toBe(false);
    expect(await holds(payload, LABEL.certificate, { ...keys.public, mlDsa65: other.mlDsa65 })).toBe(false);
  });
  test("with more signers than wanted, or the same signer twice, is malformed", async () => {
    const one = { keyId: Uint8Array.of(0), secrets: a.keys.secrets };
    const two = { keyId: Uint8Array.of(1), secrets: a.keys.secrets };
    const payload = new Uint8Array(1);
    expect(decodeCose(await signCose(crypto, payload, LABEL.genesis, [two, one]), 2)?.signatures).toHaveLength(2);
    expect(decodeCose(await signCose(crypto, payload, LABEL.genesis, [one, two]), 1)).toBeUndefined();
    expect(decodeCose(await signCose(crypto, payload, LABEL.genesis, [one, one]), 2)).toBeUndefined();
    expect(decodeCose(await signCose(crypto, payload, LABEL.genesis, []), 2)).toBeUndefined();
  });
});

describe("a genesis", () => {
  test("comes back as it went, and its hash names the mesh", () => {
    expect(decodeGenesis(mesh.encoded)).toEqual(mesh.genesis);
    expect(openMesh(crypto, mesh.encoded)?.id).toEqual(meshIdOf(crypto, mesh.encoded));
  });
  test("changed in any byte is malformed or another mesh", async () => {
    await fc.assert(
      fc.property(fc.nat(mesh.encoded.length - 1), byte, (at, mask) => {
        expect(openMesh(crypto, flipped(mesh.encoded, at, mask))?.id).not.toEqual(mesh.id);
      }),
    );
    for (let n = 0; n < mesh.encoded.length; n += 31)
      expect(decodeGenesis(mesh.encoded.subarray(0, n))).toBeUndefined();
  });
  type Root = RootKey["public"];
  test.each<[string, (one: Root, two: Root) => [name: string, keys: Root[], threshold: number]]>([
    ["no keys", () => ["home", [], 1]],
    ["a threshold above its keys", (one, two) => ["home", [one, two], 3]],
    ["a threshold of none", (one, two) => ["home", [one, two], 0]],
    ["a key that stands twice", (one) => ["home", [one, one], 1]],
    ["a half that stands twice", (one, two) => ["home", [one, { ...two, ed25519: one.ed25519 }], 1]],
    ["a name that is none", (one) => ["My Home", [one], 1]],
  ])("with %s is not made", (_, over) => {
    const [one, two] = roots.map((r) => r.public) as [Root, Root];
    const [name, keys, threshold] = over(one, two);
    expect(() => encodeGenesis(createGenesis(name, keys, threshold, "test"))).toThrow(RangeError);
  });
});

describe("a certificate", () => {
  test.each<[string, object]>([
    ["two equal roles", { roles: ["x", "x"] }],
    ["roles out of order", { roles: ["y", "x"] }],
    ["nine roles", { roles: [..."abcdefghi"] }],
    ["a subnet with host bits", { subnets: ["10.0.0.1/8"] }],
    ["a subnet in other than canonical text", { subnets: ["FD00::/8"] }],
    ["seventeen subnets", { subnets: Array.from({ length: 17 }, (_, i) => `10.${i}.0.0/16`).sort() }],
    ["a label of 64 characters", { name: "a".repeat(64) }],
    ["a name of 255 characters", { name: Array(4).fill("a".repeat(63)).join(".") }],
    ["serial 0", { serial: 0 }],
    ["an empty serial range", { issuing: { firstSerial: 3, lastSerial: 2, nameSpace: "", depth: 0 } }],
    ["a depth that makes chains of four", { issuing: { firstSerial: 3, lastSerial: 9, nameSpace: "", depth: 2 } }],
    ["`issue` without a range", { issuing: undefined }],
    ["a range without `issue`", { capabilities: ["admin"] }],
    ["an unknown capability", { capabilities: ["issue", "root"] }],
    ["a short key", { keys: { ed25519: new Uint8Array(31) } }],
    ["a version to come", { version: 2 }],
  ])("with %s is not signed", async (_, over) => {
    const signing = async () =>
      signCertificate(crypto, { ...a.chain.leaf, ...over } as never, [
        { keyId: Uint8Array.of(0), secrets: a.keys.secrets },
      ]);
    await expect(signing()).rejects.toThrow(RangeError);
  });
  test("that vouches for itself is malformed", async () => {
    const encoded = await signCertificate(crypto, { ...a.chain.leaf, issuer: a.keys.id }, [
      { keyId: a.keys.id, secrets: a.keys.secrets },
    ]);
    expect(decodeCertificate(crypto, encoded)).toBeUndefined();
    expect(decodeCertificate(crypto, new Uint8Array(30_000))).toBeUndefined();
  });
  test("orders its lists and takes its issuer's end when it has none", async () => {
    const issuer = await memberByRoot(mesh, roots, {
      roles: ["x", "y"],
      capabilities: ["issue"],
      expires: 77,
      issuing: { firstSerial: 1, lastSerial: 9, nameSpace: "", depth: 0 },
    });
    const { leaf } = (await memberBy(mesh, issuer, { roles: ["y", "x", "y"] })).chain;
    expect([leaf.roles, leaf.expires]).toEqual([["x", "y"], 77]);
  });
  test("for a name that is none, or for the issuer itself, is not issued", async () => {
    const keys = (await newKeys()).public;
    await expect(issueByRoot(crypto, mesh, roots, { keys, name: "A!", serial: 1 })).rejects.toMatchObject({
      code: "issue/name-invalid",
    });
    await expect(issueByMember(crypto, mesh, a, { keys: a.keys.public, name: "z", serial: 5 })).rejects.toMatchObject({
      code: "issue/itself",
    });
  });
});

describe("names", () => {
  test.each([
    ["b", "", true, "the whole mesh"],
    ["x.site1", "site1", true, "below"],
    ["x.y.site1", "site1", true, "far below"],
    ["site1", "site1", false, "the space itself"],
    ["xsite1", "site1", false, "ends alike"],
    ["x.site2", "site1", false, "elsewhere"],
    ["-x", "", false, "no name"],
  ])("%p lies in %p: %p (%s)", (name, space, want) => {
    expect(isNameIn(name, space)).toBe(want);
  });
  test("a space lies in itself and in those above", () => {
    expect([isSpaceIn("s", "s"), isSpaceIn("t.s", "s"), isSpaceIn("", "")]).toEqual([true, true, true]);
    expect([isSpaceIn("", "s"), isSpaceIn("s", "t.s"), isSpaceIn("S", "")]).toEqual([false, false, false]);
  });
  test("are SPIFFE ids and come back", async () => {
    expect(spiffeId({ mesh: "home", name: "x.site1" })).toBe("spiffe://home/gateway/x.site1");
    await fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(..."ab.-A/") }), (name) => {
        const id = spiffeId({ mesh: "home", name });
        expect(parseSpiffeId(id)).toEqual(isName(name) ? { mesh: "home", name } : undefined);
      }),
    );
    expect(parseSpiffeId("spiffe://home/workload/x")).toBeUndefined();
  });
});

describe("state files", () => {
  const endpoint = { address: "fe80::1%eth0", port: 1 };
  const files = () =>
    [
      [KEYS_FILE, a.keys.secrets],
      [MEMBER_FILE, { genesis: mesh.encoded, chain: a.chain.encoded }],
      [ROOT_FILE, roots.map((r) => r.secrets)],
      [
        ROSTER_FILE,
        [
          { chain: a.chain.encoded, endpoint },
          { chain: a.chain.encoded, endpoint: undefined },
        ],
      ],
      [REVOCATIONS_FILE, [Uint8Array.of(1)]],
      [TIME_FILE, { floor: 1_700_000_000 }],
      [SEALED_ROOT_FILE, { cost: 10, salt: random(16), nonce: random(12), sealed: random(40) }],
    ] as const;
  test("come back as they went, and damage anywhere is named with the kind of file", async () => {
    for (const [file, value] of files()) {
      const encoded = encodeState(crypto, file as typeof KEYS_FILE, value as NodeSecrets);
      expect(decodeState(crypto, file as typeof KEYS_FILE, encoded)).toEqual(value as NodeSecrets);
      await fc.assert(
        fc.property(fc.nat(encoded.length - 1), byte, (at, mask) => {
          expect(() => decodeState(crypto, file as typeof KEYS_FILE, flipped(encoded, at, mask))).toThrow(
            `the ${file.kind} file is damaged`,
          );
        }),
        { numRuns: 40 },
      );
      expect(() => decodeState(crypto, file as typeof KEYS_FILE, encoded.subarray(1))).toThrow(file.kind);
    }
  });
  test("of another kind or version are refused", () => {
    const encoded = encodeState(crypto, TIME_FILE, { floor: 1 });
    expect(() => decodeState(crypto, KEYS_FILE, encoded)).toThrow("node keys");
    expect(() => decodeState(crypto, { ...TIME_FILE, version: 2 }, encoded)).toThrow("has version 1");
  });
});

describe("a sealed root", () => {
  test("opens with its passphrase only, in whatever Unicode form it is typed", async () => {
    const keys = roots.map((r) => r.secrets);
    const file = await sealRoot(crypto, random, "caf\u00e9 au lait", keys, 10);
    expect(await openRoot(crypto, "cafe\u0301 au lait", file)).toEqual(keys);
    await expect(openRoot(crypto, "cafe au lait", file)).rejects.toMatchObject({ code: "root/passphrase" });
    const changed = { ...file, sealed: flipped(file.sealed, 9) };
    await expect(openRoot(crypto, "caf\u00e9 au lait", changed)).rejects.toMatchObject({ code: "root/passphrase" });
  });
  test("leaves neither its key nor a copy of what was in it, sealed or opened", async () => {
    const aes = crypto.aead["aes-256-gcm"];
    const seen: Uint8Array[] = [];
    const watch = (...list: (Uint8Array | undefined)[]): void => {
      for (const bytes of list) if (bytes) seen.push(bytes);
    };
    const watched: typeof aes = {
      seal: (key, nonce, aad, plain) => {
        watch(key, plain);
        return aes.seal(key, nonce, aad, plain);
      },
      open: (key, nonce, aad, sealed) => {
        const plain = aes.open(key, nonce, aad, sealed);
        watch(key, plain);
        return plain;
      },
    };
    const provider = { ...crypto, aead: { ...crypto.aead, "aes-256-gcm": watched } };
    const file = await sealRoot(provider, random, "x", [roots[0]?.secrets as RootKey["secrets"]], 10);
    expect(await openRoot(provider, "x", file)).toHaveLength(1);
    await expect(openRoot(provider, "y", file)).rejects.toThrow();
    expect(seen).toHaveLength(5);
    expect(seen.every((bytes) => bytes.every((b) => b === 0))).toBe(true);
  });
  test("costs 2^17 unless told otherwise", async () => {
    const file = await sealRoot(crypto, random, "x", [roots[0]?.secrets as RootKey["secrets"]]);
    expect(file.cost).toBe(17);
    expect(await openRoot(crypto, "x", file)).toHaveLength(1);
  });
});

test("wiped keys are zero", async () => {
  const keys = await newKeys();
  wipeKeys(keys);
  expect(Object.values(keys.secrets).every((s: Uint8Array) => s.every((b) => b === 0))).toBe(true);
});
