import { beforeAll, describe, expect, test } from "bun:test";
import { concat, utf8 } from "../../../runtime/base/bytes.ts";
import {
  type HybridSignature,
  signHybrid,
  type VerifyingKeys,
  verifyHybrid,
} from "../../../runtime/crypto/hybrid-signature.ts";
import { LABEL } from "../../../runtime/crypto/labels.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { noble } from "../../../runtime/crypto/noble.ts";
import { PROVIDERS, pattern } from "./both-providers.ts";

const SECRETS = { ed25519: pattern(32, 1), mlDsa65: pattern(32, 2) };
const MESSAGE = utf8("a member certificate");
const flipped = (bytes: Uint8Array, at: number): Uint8Array => bytes.with(at, (bytes[at] as number) ^ 1);

describe.each(PROVIDERS)("a hybrid signature on %s", (_, crypto) => {
  let keys: VerifyingKeys;
  let signature: HybridSignature;
  beforeAll(async () => {
    keys = {
      ed25519: crypto.ed25519.publicKey(SECRETS.ed25519),
      mlDsa65: await crypto.mlDsa65.publicKey(SECRETS.mlDsa65),
    };
    signature = await signHybrid(crypto, SECRETS, MESSAGE, LABEL.certificate);
  });
  const holds = (
    over: Partial<HybridSignature>,
    message = MESSAGE,
    label: Uint8Array = LABEL.certificate,
  ): Promise<boolean> => verifyHybrid(crypto, keys, message, label, { ...signature, ...over });

  test("holds when both halves do", async () => {
    expect(await holds({})).toBe(true);
  });
  test("fails when only the ML-DSA half holds", async () => {
    expect(await holds({ ed25519: flipped(signature.ed25519, 3) })).toBe(false);
  });
  test("fails when only the Ed25519 half holds", async () => {
    expect(await holds({ mlDsa65: flipped(signature.mlDsa65, 3) })).toBe(false);
  });
  test("fails for another message, another label and halves of wrong length", async () => {
    expect(await holds({}, utf8("another"))).toBe(false);
    expect(await holds({}, MESSAGE, LABEL.revocation)).toBe(false);
    expect(await holds({ ed25519: new Uint8Array(0) })).toBe(false);
    expect(await holds({ mlDsa65: signature.mlDsa65.subarray(1) })).toBe(false);
  });
  test("neither half is a plain signature of the message, nor of label and message run together", async () => {
    for (const m of [MESSAGE, concat(LABEL.certificate, MESSAGE)])
      expect(crypto.ed25519.verify(keys.ed25519, m, signature.ed25519)).toBe(false);
    expect(await crypto.mlDsa65.verify(keys.mlDsa65, MESSAGE, new Uint8Array(0), signature.mlDsa65)).toBe(false);
  });
  test("keys of wrong length verify nothing and do not throw", async () => {
    for (const ed25519 of [new Uint8Array(0), pattern(33)])
      expect(await verifyHybrid(crypto, { ...keys, ed25519 }, MESSAGE, LABEL.certificate, signature)).toBe(false);
    for (const mlDsa65 of [new Uint8Array(0), pattern(1953)])
      expect(await verifyHybrid(crypto, { ...keys, mlDsa65 }, MESSAGE, LABEL.certificate, signature)).toBe(false);
  });
  test("an empty label and one over 255 bytes are refused", async () => {
    for (const label of [new Uint8Array(0), pattern(256)])
      await expect(signHybrid(crypto, SECRETS, MESSAGE, label)).rejects.toMatchObject({ code: "crypto/label" });
  });
});

test.each([
  [native, noble],
  [noble, native],
])("a hybrid signature of one provider verifies with the other", async (signer, verifier) => {
  const keys = {
    ed25519: verifier.ed25519.publicKey(SECRETS.ed25519),
    mlDsa65: await verifier.mlDsa65.publicKey(SECRETS.mlDsa65),
  };
  const signature = await signHybrid(signer, SECRETS, MESSAGE, LABEL.genesis);
  expect(await verifyHybrid(verifier, keys, MESSAGE, LABEL.genesis, signature)).toBe(true);
});
