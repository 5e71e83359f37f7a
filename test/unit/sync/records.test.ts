import { describe, expect, test } from "bun:test";
import { toHex, utf8 } from "../../../runtime/base/bytes.ts";
import { native } from "../../../runtime/crypto/native.ts";
import type { Signer } from "../../../runtime/identity/cose.ts";
import { generateKeys } from "../../../runtime/identity/keys.ts";
import {
  createEpoch,
  decodeEpoch,
  EPOCHS_PER_CREATOR,
  type Epoch,
  EpochBook,
  encodeEpoch,
  isEpochSigned,
  revocationName,
} from "../../../runtime/sync/epochs.ts";
import { KINDS } from "../../../runtime/sync/kinds.ts";
import { checkProof, proofOf } from "../../../runtime/sync/merkle.ts";
import {
  decodeBatch,
  decodeRecord,
  decodeStored,
  encodeLeaf,
  encodeStored,
  isSigned,
  type Leaf,
  signBatch,
} from "../../../runtime/sync/record.ts";
import { type Head, openValue, sealValue } from "../../../runtime/sync/seal.ts";
import { seededRandom } from "../../help/seeded.ts";

const random = seededRandom("records");
const MESH = native.sha256(utf8("mesh"));
const alice = await generateKeys(native, random);
const bob = await generateKeys(native, random);
const signer: Signer = { keyId: alice.id, secrets: alice.secrets };
const clear = (key: string, body: string | undefined): Leaf => ({
  kind: KINDS.revocation.number,
  key: utf8(key),
  version: 1,
  epoch: undefined,
  salt: undefined,
  body: body === undefined ? undefined : utf8(body),
  chunks: undefined,
});

describe("a batch", () => {
  test("is one signature over records that are proven one by one", async () => {
    const leaves = Array.from({ length: 5 }, (_, i) => encodeLeaf(clear(`${i}`, "x")));
    const { batch, proven } = await signBatch(native, MESH, signer, leaves);
    const again = decodeBatch(native, MESH, batch.encoded);
    expect(again).toEqual(batch);
    expect(await isSigned(native, batch, alice.public)).toBe(true);
    expect(await isSigned(native, batch, bob.public)).toBe(false);
    for (const [i, encoded] of leaves.entries()) {
      const record = decodeRecord(native, alice.id, encoded);
      if (!record) throw new Error("no record");
      expect(record.hash).toEqual(proven[i]?.leaf as Uint8Array);
      const shown = [{ index: i, leaf: record.hash }];
      const proof = proofOf(5, [proven[i] as (typeof proven)[number]]);
      expect(checkProof(native, 5, shown, proof)?.root).toEqual(batch.root);
      // The same bytes by another author are another record.
      expect(decodeRecord(native, bob.id, encoded)?.hash).not.toEqual(record.hash);
    }
  });

  test("of another mesh, with a bit changed or longer than any is none", async () => {
    const { batch } = await signBatch(native, MESH, signer, [encodeLeaf(clear("k", "x"))]);
    expect(decodeBatch(native, native.sha256(utf8("other")), batch.encoded)).toBeUndefined();
    expect(decodeBatch(native, MESH, new Uint8Array(5000))).toBeUndefined();
    for (const at of [3, 20, 60, 150, 800, batch.encoded.length - 1]) {
      const changed = batch.encoded.slice();
      changed[at] = (changed[at] as number) ^ 1;
      const decoded = decodeBatch(native, MESH, changed);
      expect(decoded !== undefined && (await isSigned(native, decoded, alice.public))).toBe(false);
    }
  });

  test("one record costs 3.7 kB beside itself, a hundred together cost 37 bytes each", async () => {
    const { batch } = await signBatch(native, MESH, signer, [encodeLeaf(clear("k", "x"))]);
    expect(batch.encoded.length).toBeLessThan(3_760);
  });
});

describe("a record", () => {
  const id = alice.id;
  const sealedLeaf: Leaf = {
    ...clear("k", "x"),
    kind: KINDS.health.number,
    epoch: new Uint8Array(32),
    salt: new Uint8Array(24),
  };
  test.each([
    ["a kind nobody knows", { ...clear("k", "x"), kind: 200 }],
    ["a value and chunks", { ...clear("k", "x"), chunks: [MESH, MESH] }],
    ["chunks where the kind has no large values", { ...sealedLeaf, body: undefined, chunks: [MESH, MESH] }],
    ["one chunk, which would fit in place", { ...clear("k", undefined), chunks: [MESH] }],
    ["a seal where the kind has none", { ...sealedLeaf, kind: KINDS.revocation.number }],
    ["no seal where the kind has one", { ...clear("k", "x"), kind: KINDS.health.number }],
    ["an epoch without a salt", { ...sealedLeaf, salt: undefined }],
    ["a seal without a value", { ...sealedLeaf, body: undefined }],
    ["more bytes than its kind has", { ...sealedLeaf, body: new Uint8Array(KINDS.health.valueMax + 17) }],
  ] as const)("with %s is none", (_, leaf) => {
    expect(decodeRecord(native, id, encodeLeaf(leaf))).toBeUndefined();
  });

  test("may be sealed, in chunks, or deleted", () => {
    const policy = { ...sealedLeaf, kind: KINDS.policy.number, body: undefined, chunks: [MESH, MESH] };
    const deleted = { ...clear("k", undefined), kind: KINDS.health.number };
    for (const leaf of [sealedLeaf, policy, deleted, clear("k", "")])
      expect(decodeRecord(native, id, encodeLeaf(leaf))?.leaf).toEqual(leaf);
  });

  test("is stored with what proves it", () => {
    const stored = { batch: MESH, index: 255, path: [MESH, MESH], encoded: encodeLeaf(clear("k", "x")) };
    expect(decodeStored(encodeStored(stored))).toEqual(stored);
  });
});

describe("a sealed value", () => {
  const key = random(32);
  const head: Head = {
    meshId: MESH,
    author: alice.id,
    kind: "health",
    key: utf8("k"),
    version: 7,
    epoch: new Uint8Array(32),
  };

  test("opens under its head, its key and its salt, and under no other", () => {
    const { salt, sealed } = sealValue(native, random, key, head, utf8("value"));
    expect(openValue(native, key, head, salt, sealed)).toEqual(utf8("value"));
    const others: Head[] = [
      { ...head, meshId: bob.id },
      { ...head, author: bob.id },
      { ...head, kind: "round" },
      { ...head, key: utf8("l") },
      { ...head, version: 8 },
      { ...head, epoch: MESH },
    ];
    for (const other of others) expect(openValue(native, key, other, salt, sealed)).toBeUndefined();
    expect(openValue(native, MESH, head, salt, sealed)).toBeUndefined();
    expect(openValue(native, key, head, salt.with(0, (salt[0] as number) ^ 1), sealed)).toBeUndefined();
  });

  test("never shares a key with another value, even where randomness repeats itself", () => {
    const stuck = (length: number): Uint8Array => new Uint8Array(length);
    const salts = [
      sealValue(native, stuck, key, head, utf8("value")),
      sealValue(native, stuck, key, head, utf8("other")),
      sealValue(native, stuck, key, { ...head, version: 8 }, utf8("value")),
      sealValue(native, stuck, key, { ...head, author: bob.id }, utf8("value")),
    ].map((s) => toHex(s.salt));
    expect(new Set(salts).size).toBe(4);
  });
});

describe("an epoch", () => {
  const names = (...texts: string[]): Set<string> => new Set(texts.map((t) => revocationName(native, utf8(t))));
  const anyone = (): boolean => true;
  const make = (revocations: Set<string>, by = signer): Promise<Epoch> =>
    createEpoch(native, random, MESH, by, revocations);

  test("is carried with its key, and refused when the key is another", async () => {
    const epoch = await make(names("a", "b"));
    const carried = encodeEpoch(epoch);
    expect(decodeEpoch(native, MESH, carried)).toEqual(epoch);
    expect(await isEpochSigned(native, epoch, alice.public)).toBe(true);
    expect(await isEpochSigned(native, epoch, bob.public)).toBe(false);
    expect(decodeEpoch(native, bob.id, carried)).toBeUndefined();
    expect(decodeEpoch(native, MESH, encodeEpoch({ ...epoch, key: random(32) }))).toBeUndefined();
  });

  test("is written under by who knows exactly its revocations; of several all take the same", async () => {
    const [none, one, other, late] = [
      await make(names()),
      await make(names("a")),
      await make(names("a")),
      await make(names("a", "b")),
    ];
    const books = [
      [none, one, other, late],
      [late, other, one, none],
    ].map((epochs) => {
      const book = new EpochBook();
      for (const epoch of epochs) book.add(epoch);
      return book;
    });
    const lower = toHex(one.id) < toHex(other.id) ? one : other;
    for (const book of books) {
      expect(book.current(names("a"), anyone)).toBe(lower);
      expect(book.current(names(), anyone)).toBe(none);
      expect(book.current(names("b"), anyone)).toBeUndefined();
    }
  });

  test("of a creator who is no member any more is not written under", async () => {
    const book = new EpochBook();
    const [mine, theirs] = [await make(names("a")), await make(names("a"), { keyId: bob.id, secrets: bob.secrets })];
    book.add(mine);
    book.add(theirs);
    expect(book.current(names("a"), (e) => toHex(e.creator) === toHex(bob.id))).toBe(theirs);
    expect(book.current(names("a"), () => false)).toBeUndefined();
    expect(book.get(mine.id)).toBe(mine); // what was written under it can still be read
  });

  test("is handed on only by who knows all revocations it was made under", async () => {
    const book = new EpochBook();
    const [none, one, two] = [await make(names()), await make(names("a")), await make(names("a", "b"))];
    for (const epoch of [none, one, two]) book.add(epoch);
    expect([...book.shareable(names())]).toEqual([none]);
    expect([...book.shareable(names("a"))]).toEqual([none, one]);
    expect([...book.shareable(names("b"))]).toEqual([none]);
    expect([...book.shareable(names("a", "b", "c"))]).toEqual([none, one, two]);
  });

  test("a creator's epochs are bounded", async () => {
    const book = new EpochBook();
    const first = await make(names());
    for (let i = 0; i < EPOCHS_PER_CREATOR; i++) expect(book.add({ ...first, id: random(32) })).toBe(true);
    expect(book.add({ ...first, id: random(32) })).toBe(false);
    expect(book.add({ ...first, id: random(32), creator: bob.id })).toBe(true);
    expect(book.size).toBe(EPOCHS_PER_CREATOR + 1);
  });
});
