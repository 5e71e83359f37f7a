import { afterAll, describe, expect, test } from "bun:test";
import { acvpCases, PROMPT } from "./acvp.ts";
import type { Case } from "./case.ts";
import { files, IS_WHOLE } from "./published.ts";
import type { Subject } from "./subject.ts";
import { addonSubjects } from "./subject-addon.ts";
import { nativeSubject } from "./subject-native.ts";
import { nobleSubject } from "./subject-noble.ts";
import { run, type Tally, table } from "./tally.ts";
import { wycheproofCases } from "./wycheproof.ts";

const SLOWEST_FILE_MS = 60_000; // 240 portable ML-DSA signatures on a small machine

const FILES: readonly (readonly [string, () => readonly Case[]])[] = [
  ...files("acvp", PROMPT).map((f) => [`acvp/${f.replace(PROMPT, "")}`, () => acvpCases(f)] as const),
  ...files("wycheproof", ".json.gz").map((f) => [`wycheproof/${f.slice(0, -8)}`, () => wycheproofCases(f)] as const),
];

/** Files of which a provider can run no case whole: the table says why. Every other file must run some. */
const NATIVE_WITHOUT: readonly string[] = [
  "acvp/ML-DSA-sigGen-FIPS204", // expanded keys
  "wycheproof/mldsa_65_sign_noseed_test", // expanded keys
  "wycheproof/mlkem_768_semi_expanded_decaps_test", // expanded keys
  "wycheproof/xchacha20_poly1305_test",
];
const ADDON_FILES = FILES.filter(([file]) => /\/(aes_gcm|chacha20_poly1305)_test$/.test(file));

const tallies: Tally[] = [];
afterAll(() => console.log(table(IS_WHOLE ? "all published vectors" : "trimmed copy of the vectors", tallies)));

async function agrees(subject: Subject, file: string, cases: readonly Case[]): Promise<Tally> {
  const tally = await run(file, cases, subject);
  tallies.push(tally);
  expect(tally.failures).toEqual([]);
  return tally;
}

describe.each([
  [nativeSubject, NATIVE_WITHOUT],
  [nobleSubject, []],
] as const)("$name", (subject, without: readonly string[]) => {
  test.each(FILES)(
    "agrees with %s",
    async (file, cases) => {
      const tally = await agrees(subject, file, cases());
      expect(tally.passed > 0).toBe(!without.includes(file));
    },
    SLOWEST_FILE_MS,
  );
});

const { subjects, lacks } = addonSubjects();
if (lacks !== "") console.log(`SKIP AEAD vectors through a library of the addon: ${lacks}`);
describe.each(subjects.length > 0 ? subjects : [undefined])("the addon by $name", (subject) => {
  test.skipIf(!subject).each(ADDON_FILES)("agrees with %s", async (file, cases) => {
    const tally = await agrees(subject as Subject, file, cases());
    expect(tally.passed).toBeGreaterThan(0);
  });
});

test("a subject that answers wrongly is found by every kind of file", async () => {
  const one = new Uint8Array(1);
  const wrong: Subject = {
    name: "wrong",
    seal: () => one,
    open: () => one,
    hkdf: () => one,
    x25519: () => one,
    ed25519Verify: () => true,
    kemKeys: () => ({ publicKey: one, expanded: one }),
    encapsulate: () => ({ ciphertext: one, secret: one, repeatable: true }),
    decapsulate: () => one,
    dsaKeys: () => ({ publicKey: one, expanded: one }),
    sign: () => ({ signature: one, repeatable: true }),
    verify: () => true,
  };
  for (const [file, cases] of FILES) {
    const { failures } = await run(file, cases(), wrong);
    expect([file, failures.length > 0]).toEqual([file, true]);
  }
});
