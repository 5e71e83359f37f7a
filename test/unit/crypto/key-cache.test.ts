import { expect, test } from "bun:test";
import { keyCache } from "../../../runtime/crypto/key-cache.ts";
import { PROVIDERS, pattern } from "./both-providers.ts";

test("the same array is imported once, an equal one in another array again", () => {
  let made = 0;
  const cached = keyCache(() => ++made);
  const key = pattern(32);
  expect([cached(key), cached(key), cached(pattern(32))]).toEqual([1, 1, 2]);
});

test("an array whose content changed is imported again", () => {
  const cached = keyCache((bytes) => bytes[0]);
  const key = pattern(32);
  cached(key);
  key.fill(9);
  expect(cached(key)).toBe(9);
});

test("a failed import is tried again", async () => {
  let made = 0;
  const cached = keyCache(async () => {
    made++;
    throw new Error("no");
  });
  const key = pattern(32);
  for (let i = 0; i < 2; i++) await cached(key).catch(() => undefined);
  expect(made).toBe(2);
});

test.each(PROVIDERS)("%s: a secret wiped and refilled behaves as the new one", async (_, crypto) => {
  const secret = pattern(64, 1);
  const old = await crypto.mlKem768.publicKey(secret);
  const sealed = await crypto.mlKem768.encapsulate(old, pattern(32));
  await crypto.mlKem768.decapsulate(secret, sealed?.ciphertext as Uint8Array);
  secret.set(pattern(64, 2));
  expect(await crypto.mlKem768.publicKey(secret)).toEqual(await crypto.mlKem768.publicKey(pattern(64, 2)));
  expect(await crypto.mlKem768.decapsulate(secret, sealed?.ciphertext as Uint8Array)).not.toEqual(
    sealed?.secret as Uint8Array,
  );
});
