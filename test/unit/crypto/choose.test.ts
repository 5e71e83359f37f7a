import { expect, test } from "bun:test";
import { chooseProvider } from "../../../runtime/crypto/choose.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { noble } from "../../../runtime/crypto/noble.ts";
import type { CryptoProvider } from "../../../runtime/crypto/provider.ts";
import { selfTest } from "../../../runtime/crypto/self-test.ts";
import { PROVIDERS } from "./both-providers.ts";

const of = (first: CryptoProvider, second: CryptoProvider) => ({
  native: async () => first,
  noble: async () => second,
});

const missing = (): never => {
  throw new Error("ML-KEM-768 is not supported");
};
const withoutKem = { ...native, mlKem768: { publicKey: missing, encapsulate: missing, decapsulate: missing } };
const wrongHash = { ...noble, sha256: () => new Uint8Array(32) };

test.each(PROVIDERS)("%s passes its self-test and is chosen without remark when asked for", async (name, provider) => {
  expect(await selfTest(provider)).toEqual([]);
  expect(await chooseProvider(name)).toEqual({ provider, asked: name, reason: undefined });
});

test("native is what a gateway runs when nothing is said", async () => {
  expect((await chooseProvider()).provider).toBe(native);
});

test("a native without ML-KEM gives way to noble, and the choice says which primitive was missing and why", async () => {
  const choice = await chooseProvider("native", of(withoutKem, noble));
  expect(choice.provider).toBe(noble);
  expect(choice.asked).toBe("native");
  expect(choice.reason).toBe("native: ML-KEM-768: ML-KEM-768 is not supported");
});

test("a provider that answers wrongly is never chosen", async () => {
  await expect(chooseProvider("noble", of(native, wrongHash))).rejects.toMatchObject({
    code: "crypto/self-test",
  });
  await expect(chooseProvider("native", of(withoutKem, wrongHash))).rejects.toMatchObject({
    code: "crypto/self-test",
  });
});

test("the self-test notices an AEAD that accepts forgeries, a KEM without input check and a signature without context", async () => {
  const gullible = { ...noble.aead["aes-256-gcm"], open: () => new TextEncoder().encode("trellis") };
  const unchecked = {
    ...noble.mlKem768,
    encapsulate: async () => ({ ciphertext: new Uint8Array(1088), secret: new Uint8Array(32) }),
  };
  const contextFree = { ...noble.mlDsa65, verify: async () => true };
  const bad = { ...noble, aead: { ...noble.aead, "aes-256-gcm": gullible }, mlKem768: unchecked, mlDsa65: contextFree };
  expect((await selfTest(bad)).map((f) => f.primitive)).toEqual(["AES-256-GCM", "ML-KEM-768", "ML-DSA-65"]);
});
