import { describe, expect, test } from "bun:test";
import { createHash, createHmac } from "node:crypto";
import { concat, utf8 } from "../../../runtime/base/bytes.ts";
import { KdfChain } from "../../../runtime/crypto/kdf-chain.ts";
import { noble } from "../../../runtime/crypto/noble.ts";
import { PROVIDERS, pattern } from "./both-providers.ts";

const NAME = utf8("trellis/1 test");
const LABEL = utf8("a label");

describe.each(PROVIDERS)("KdfChain on %s", (_, crypto) => {
  test("gives what the four formulas of its documentation give", () => {
    const chain = KdfChain.start(crypto, NAME);
    chain.mixHash(utf8("hello"));
    chain.mixKey(LABEL, pattern(32, 1), pattern(32, 2));
    const sha = (...x: Uint8Array[]): Uint8Array =>
      createHash("sha256")
        .update(concat(...x))
        .digest();
    const mac = (key: Uint8Array, ...x: Uint8Array[]): Uint8Array =>
      createHmac("sha256", key)
        .update(concat(...x))
        .digest();
    const field = (x: Uint8Array): Uint8Array => concat(Uint8Array.of(0, 0, 0, x.length), x);
    const h = sha(sha(NAME), field(utf8("hello")));
    const ck = mac(sha(NAME), field(LABEL), field(pattern(32, 1)), field(pattern(32, 2)));
    expect(chain.transcript).toEqual(new Uint8Array(h));
    expect(chain.deriveKey(LABEL, 32)).toEqual(new Uint8Array(mac(ck, field(LABEL), h, Uint8Array.of(1))));
  });

  test("mixKey() wipes the secrets it consumed", () => {
    const secrets = [pattern(32, 1), pattern(32, 2)] as const;
    KdfChain.start(crypto, NAME).mixKey(LABEL, ...secrets);
    expect(secrets).toEqual([new Uint8Array(32), new Uint8Array(32)]);
  });

  test("mixKey() keeps the chaining key it was forked from alive in the fork", () => {
    const chain = KdfChain.start(crypto, NAME);
    const fork = chain.fork();
    const before = fork.deriveKey(LABEL, 32);
    chain.mixKey(LABEL, pattern(32));
    expect(fork.deriveKey(LABEL, 32)).toEqual(before);
  });

  test("resume() continues exactly where save() was taken", () => {
    const chain = KdfChain.start(crypto, NAME);
    chain.mixKey(LABEL, pattern(32));
    chain.mixHash(pattern(100));
    const copy = KdfChain.resume(crypto, chain.save());
    expect(copy.save()).toEqual(chain.save());
    copy.mixHash(pattern(1));
    chain.mixHash(pattern(1));
    expect(copy.deriveKey(LABEL, 64)).toEqual(chain.deriveKey(LABEL, 64));
  });

  test("resume() refuses a state that is not 64 bytes", () => {
    expect(() => KdfChain.resume(crypto, pattern(63))).toThrow(expect.objectContaining({ code: "crypto/chain-state" }));
  });

  test("wipe() leaves no secret in the chain", () => {
    const chain = KdfChain.start(crypto, NAME);
    chain.mixKey(LABEL, pattern(32));
    chain.wipe();
    expect(chain.save()).toEqual(new Uint8Array(64));
  });
});

type Step = (chain: KdfChain) => void;
const hash =
  (data: Uint8Array): Step =>
  (chain) =>
    chain.mixHash(data);
const key =
  (label: Uint8Array, ...secrets: Uint8Array[]): Step =>
  (chain) =>
    chain.mixKey(label, ...secrets.map((s) => s.slice()));
const keyAfter = (steps: readonly Step[], label = LABEL): Uint8Array => {
  const chain = KdfChain.start(noble, NAME);
  for (const step of steps) step(chain);
  return chain.deriveKey(label, 32);
};
const [A, B] = [pattern(32, 1), pattern(32, 2)];

test.each<[string, Step[], Step[]]>([
  ["the order of messages", [hash(A), hash(B)], [hash(B), hash(A)]],
  ["where one message ends", [hash(utf8("ab")), hash(utf8("c"))], [hash(utf8("a")), hash(utf8("bc"))]],
  ["whether an empty message was there", [], [hash(new Uint8Array(0))]],
  ["where one secret ends", [key(LABEL, A, B)], [key(LABEL, concat(A, B))]],
  ["the label a secret was mixed under", [key(LABEL, A)], [key(utf8("b label"), A)]],
  ["the order of secrets", [key(LABEL, A, B)], [key(LABEL, B, A)]],
])("a derived key depends on %s", (_, one, other) => {
  expect(keyAfter(one)).toEqual(keyAfter(one));
  expect(keyAfter(one)).not.toEqual(keyAfter(other));
});

test("a derived key depends on the label it is derived under", () => {
  expect(keyAfter([], utf8("x"))).not.toEqual(keyAfter([], utf8("y")));
});
