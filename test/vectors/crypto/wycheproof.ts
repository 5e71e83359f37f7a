/** The Wycheproof files as cases. One function per schema; the file's name picks it. */
import { concat } from "../../../runtime/base/bytes.ts";
import { type Case, refused, same } from "./case.ts";
import { bytesOf, type Group, groups, has, type Row } from "./published.ts";
import { checkSigning } from "./signing.ts";
import {
  NotOffered,
  orRefused,
  type PrivateKey,
  type Signed,
  type Subject,
  type VectorAead,
  type VectorHash,
} from "./subject.ts";

type Check = (subject: Subject, test: Row, group: Group) => Promise<string | undefined>;

const isValid = (test: Row): boolean => test.result === "valid";

const aead =
  (name: VectorAead): Check =>
  async (subject, test) => {
    const [key, nonce, aad, plaintext] = ["key", "iv", "aad", "msg"].map((f) => bytesOf(test, f)) as [
      Uint8Array,
      Uint8Array,
      Uint8Array,
      Uint8Array,
    ];
    const sealed = concat(bytesOf(test, "ct"), bytesOf(test, "tag"));
    const opened = await orRefused(() => subject.open(name, key, nonce, aad, sealed));
    if (!isValid(test)) return refused("open", opened);
    const made = await orRefused(() => subject.seal(name, key, nonce, aad, plaintext));
    return same("open", opened, plaintext) ?? same("seal", made, sealed);
  };

const hkdf =
  (hash: VectorHash): Check =>
  async (subject, test) => {
    const [ikm, salt, info] = [bytesOf(test, "ikm"), bytesOf(test, "salt"), bytesOf(test, "info")];
    const got = await orRefused(() => subject.hkdf(hash, ikm, salt, info, Number(test.size)));
    return isValid(test) ? same("okm", got, bytesOf(test, "okm")) : refused("hkdf", got);
  };

/** "acceptable" covers low order and non-canonical keys. The port's rule decides: refuse exactly the all-zero result. */
const x25519: Check = async (subject, test) => {
  const shared = bytesOf(test, "shared");
  const got = await orRefused(() => subject.x25519(bytesOf(test, "private"), bytesOf(test, "public")));
  return shared.every((b) => b === 0) ? refused("an all-zero secret", got) : same("shared", got, shared);
};

const ed25519: Check = async (subject, test, group) => {
  const key = bytesOf(group.publicKey as Row, "pk");
  const holds = await orRefused(() => subject.ed25519Verify(key, bytesOf(test, "msg"), bytesOf(test, "sig")));
  return holds === isValid(test) ? undefined : `verify gives ${holds}`;
};

const kemKeyGen: Check = async (subject, test) => {
  const keys = await orRefused(() => subject.kemKeys(bytesOf(test, "seed")));
  if (!isValid(test)) return refused("key generation", keys);
  const wrong = same("ek", keys?.publicKey, bytesOf(test, "ek"));
  return wrong ?? (keys?.expanded && same("dk", keys.expanded, bytesOf(test, "dk")));
};

const kemEncapsulate: Check = async (subject, test) => {
  const made = await orRefused(() => subject.encapsulate(bytesOf(test, "ek"), bytesOf(test, "m")));
  if (!isValid(test)) return refused("encapsulation to a malformed key", made);
  if (made && !made.repeatable) throw new NotOffered("draws its own randomness (the key was accepted)");
  return same("c", made?.ciphertext, bytesOf(test, "c")) ?? same("K", made?.secret, bytesOf(test, "K"));
};

const kemDecapsulate: Check = async (subject, test) => {
  const seed = bytesOf(test, "seed");
  const secret = await orRefused(() => subject.decapsulate({ seed }, bytesOf(test, "c")));
  if (!isValid(test)) return refused("decapsulation", secret);
  const keys = await orRefused(() => subject.kemKeys(seed));
  return same("ek", keys?.publicKey, bytesOf(test, "ek")) ?? same("K", secret, bytesOf(test, "K"));
};

const kemDecapsulateExpanded: Check = async (subject, test) => {
  const key = { expanded: bytesOf(test, "dk") };
  const secret = await orRefused(() => subject.decapsulate(key, bytesOf(test, "c")));
  return isValid(test) ? same("K", secret, bytesOf(test, "K")) : refused("decapsulation", secret);
};

function signedOf(test: Row): Signed {
  if (!has(test, "msg")) return { kind: "mu", mu: bytesOf(test, "mu") };
  return { kind: "pure", message: bytesOf(test, "msg"), context: bytesOf(test, "ctx") };
}

const dsaSign: Check = async (subject, test, group) => {
  const key: PrivateKey = has(group, "privateSeed")
    ? { seed: bytesOf(group, "privateSeed") }
    : { expanded: bytesOf(group, "privateKey") };
  const random = bytesOf(test, "rnd");
  if (isValid(test)) return checkSigning(subject, key, signedOf(test), random, bytesOf(test, "sig"));
  return refused("signing", await orRefused(() => subject.sign(key, signedOf(test), random)));
};

const dsaVerify: Check = async (subject, test, group) => {
  const [key, signature] = [bytesOf(group, "publicKey"), bytesOf(test, "sig")];
  const holds = (await orRefused(() => subject.verify(key, signedOf(test), signature))) ?? false;
  return holds === isValid(test) ? undefined : `verify gives ${holds}`;
};

const CHECKS: Readonly<Record<string, Check>> = {
  aes_gcm: aead("aes-gcm"),
  chacha20_poly1305: aead("chacha20-poly1305"),
  xchacha20_poly1305: aead("xchacha20-poly1305"),
  hkdf_sha256: hkdf("sha256"),
  hkdf_sha384: hkdf("sha384"),
  hkdf_sha512: hkdf("sha512"),
  x25519,
  ed25519,
  mlkem_768_keygen_seed: kemKeyGen,
  mlkem_768_encaps: kemEncapsulate,
  mlkem_768: kemDecapsulate,
  mlkem_768_semi_expanded_decaps: kemDecapsulateExpanded,
  mldsa_65_sign_seed: dsaSign,
  mldsa_65_sign_noseed: dsaSign,
  mldsa_65_verify: dsaVerify,
};

export function wycheproofCases(file: string): readonly Case[] {
  const check = CHECKS[file.replace("_test.json.gz", "")];
  if (!check) throw new Error(`no check for ${file}: a new vector file needs a row`);
  return groups("wycheproof", file).flatMap((group) =>
    group.tests.map((test) => ({
      id: `${String(test.tcId)} ${String(test.comment ?? "")}`,
      check: (subject: Subject) => check(subject, test, group),
    })),
  );
}
