/** The ACVP files as cases: prompt and expected result paired by group and test number. */
import { concat } from "../../../runtime/base/bytes.ts";
import { type Case, refused, same } from "./case.ts";
import { bytesOf, type Group, groups, has, type Row } from "./published.ts";
import { checkSigning } from "./signing.ts";
import { NotOffered, orRefused, type PrivateKey, type Signed, type Subject } from "./subject.ts";

type Check = (subject: Subject, test: Row, wanted: Row, group: Group) => Promise<string | undefined>;

const kemKeyGen: Check = async (subject, test, wanted) => {
  const keys = await subject.kemKeys(concat(bytesOf(test, "d"), bytesOf(test, "z")));
  const wrong = same("ek", keys?.publicKey, bytesOf(wanted, "ek"));
  return wrong ?? (keys?.expanded && same("dk", keys.expanded, bytesOf(wanted, "dk")));
};

const encapsulation: Check = async (subject, test, wanted) => {
  const made = await orRefused(() => subject.encapsulate(bytesOf(test, "ek"), bytesOf(test, "m")));
  if (made && !made.repeatable) throw new NotOffered("draws its own randomness (the key was accepted)");
  return same("c", made?.ciphertext, bytesOf(wanted, "c")) ?? same("k", made?.secret, bytesOf(wanted, "k"));
};

const kemPrivate = (test: Row): PrivateKey =>
  has(test, "dk") ? { expanded: bytesOf(test, "dk") } : { seed: concat(bytesOf(test, "d"), bytesOf(test, "z")) };

const decapsulation: Check = async (subject, test, wanted) => {
  const secret = await orRefused(() => subject.decapsulate(kemPrivate(test), bytesOf(test, "c")));
  return same("k", secret, bytesOf(wanted, "k"));
};

/** FIPS 203 §7.3: the check is part of decapsulating, so a bad key must refuse any ciphertext. */
const decapsulationKeyCheck: Check = async (subject, test, wanted) => {
  const secret = await orRefused(() => subject.decapsulate(kemPrivate(test), new Uint8Array(1088)));
  return (secret !== undefined) === wanted.testPassed ? undefined : `key check gives ${secret !== undefined}`;
};

/** FIPS 203 §7.2 likewise. */
const encapsulationKeyCheck: Check = async (subject, test, wanted) => {
  const made = await orRefused(() => subject.encapsulate(bytesOf(test, "ek"), new Uint8Array(32)));
  if (wanted.testPassed === false) return refused("a malformed key", made);
  return made ? undefined : "a good key: refused";
};

const KEM_FUNCTIONS: Readonly<Record<string, Check>> = {
  encapsulation,
  decapsulation,
  decapsulationKeyCheck,
  encapsulationKeyCheck,
};

const kemFunction: Check = (subject, test, wanted, group) => {
  const check = KEM_FUNCTIONS[String(group.function)];
  if (!check) throw new Error(`unknown function ${String(group.function)}`);
  return check(subject, test, wanted, group);
};

const dsaKeyGen: Check = async (subject, test, wanted) => {
  const keys = await subject.dsaKeys(bytesOf(test, "seed"));
  const wrong = same("pk", keys?.publicKey, bytesOf(wanted, "pk"));
  return wrong ?? (keys?.expanded && same("sk", keys.expanded, bytesOf(wanted, "sk")));
};

function signedOf(test: Row, group: Group): Signed {
  if (group.externalMu === true) return { kind: "mu", mu: bytesOf(test, "mu") };
  const message = bytesOf(test, "message");
  if (group.signatureInterface === "internal") return { kind: "internal", message };
  const context = bytesOf(test, "context");
  if (group.preHash === "pure") return { kind: "pure", message, context };
  return { kind: "preHash", message, context, hash: String(test.hashAlg) };
}

const dsaSign: Check = (subject, test, wanted, group) => {
  const key = has(test, "sk") ? { expanded: bytesOf(test, "sk") } : { seed: bytesOf(test, "seed") };
  return checkSigning(subject, key, signedOf(test, group), bytesOf(test, "rnd"), bytesOf(wanted, "signature"));
};

const dsaVerify: Check = async (subject, test, wanted, group) => {
  const [key, signature] = [bytesOf(test, "pk"), bytesOf(test, "signature")];
  const holds = (await orRefused(() => subject.verify(key, signedOf(test, group), signature))) ?? false;
  return holds === wanted.testPassed ? undefined : `verify gives ${holds}`;
};

const CHECKS: Readonly<Record<string, Check>> = {
  "ML-KEM-keyGen-FIPS203": kemKeyGen,
  "ML-KEM-encapDecap-FIPS203": kemFunction,
  "ML-KEM-encapDecap-FIPS203-tr1": kemFunction,
  "ML-DSA-keyGen-FIPS204": dsaKeyGen,
  "ML-DSA-sigGen-FIPS204": dsaSign,
  "ML-DSA-sigGen-FIPS204-tr1": dsaSign,
  "ML-DSA-sigVer-FIPS204": dsaVerify,
};

export const PROMPT = ".prompt.json.gz";
export const EXPECTED = ".expectedResults.json.gz";

export function acvpCases(file: string): readonly Case[] {
  const mode = file.replace(PROMPT, "");
  const check = CHECKS[mode];
  if (!check) throw new Error(`no check for ${file}: a new vector file needs a row`);
  const answers = new Map(
    groups("acvp", `${mode}${EXPECTED}`).flatMap((g) => g.tests.map((t) => [`${g.tgId}/${t.tcId}`, t])),
  );
  return groups("acvp", file).flatMap((group) =>
    group.tests.map((test) => {
      const id = `${String(group.tgId)}/${String(test.tcId)}`;
      const wanted = answers.get(id);
      if (!wanted) throw new Error(`${mode} ${id} has no expected result`);
      return { id, check: (subject: Subject) => check(subject, test, wanted, group) };
    }),
  );
}
