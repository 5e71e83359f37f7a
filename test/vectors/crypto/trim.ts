/**
 * Makes the copy in `test/vectors/crypto-published` from the whole set beside the repository: `bun test/vectors/crypto/trim.ts`.
 * Of each file it keeps the shortest tests of every kind (result and flags, or group); groups and tests stay as published.
 */
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { EXPECTED, PROMPT } from "./acvp.ts";
import { files, type Group, groups, IS_WHOLE, type Row, SOURCE } from "./published.ts";

const TARGET = join(import.meta.dir, "../crypto-published");
const FEW = 2;

/** How many tests of a kind are kept; the small files afford more. */
const KEPT: Readonly<Record<string, number>> = {
  "aes_gcm_test.json.gz": 3,
  "chacha20_poly1305_test.json.gz": 6,
  "ed25519_test.json.gz": 1000,
  "x25519_test.json.gz": 20,
  "hkdf_sha384_test.json.gz": 1,
  "hkdf_sha512_test.json.gz": 1,
  "mldsa_65_verify_test.json.gz": 1,
  "mldsa_65_sign_seed_test.json.gz": 1,
  "mldsa_65_sign_noseed_test.json.gz": 1,
};

/** ACVP: tests per group and expected verdict, by mode. Signatures are 3.3 kB each and do not compress. */
const ACVP_KEPT: Readonly<Record<string, number>> = { keyGen: 3, encapDecap: 2, sigGen: 1, sigVer: 1 };

function write(folder: string, file: string, content: object): void {
  mkdirSync(join(TARGET, folder), { recursive: true });
  writeFileSync(join(TARGET, folder, file), Bun.gzipSync(`${JSON.stringify(content)}\n`, { level: 9 }));
}

/** The shortest `limit` tests of each kind over the whole file, in their order; groups left empty go. */
function shortestOfEachKind(
  all: readonly Group[],
  limit: number,
  kind: (group: Group, test: Row) => string,
): readonly Group[] {
  const tests = all.flatMap((group) => group.tests.map((test) => ({ test, kind: kind(group, test) })));
  const byKind = Map.groupBy(tests, (t) => t.kind).values();
  const length = (test: Row) => JSON.stringify(test).length;
  const kept = new Set(
    [...byKind].flatMap((same) =>
      same
        .map((t) => t.test)
        .sort((a, b) => length(a) - length(b))
        .slice(0, limit),
    ),
  );
  return all
    .map((group) => ({ ...group, tests: group.tests.filter((test) => kept.has(test)) }))
    .filter((group) => group.tests.length > 0);
}

function trimWycheproof(file: string): void {
  const kind = (group: Group, test: Row) =>
    JSON.stringify([test.result, test.flags, group.type === "AeadTest" && group.keySize, Object.keys(test)]);
  write("wycheproof", file, { testGroups: shortestOfEachKind(groups("wycheproof", file), KEPT[file] ?? FEW, kind) });
}

function trimAcvp(prompt: string): void {
  const limit = Object.entries(ACVP_KEPT).find(([mode]) => prompt.includes(mode))?.[1] ?? FEW;
  const results = groups("acvp", prompt.replace(PROMPT, EXPECTED));
  const verdicts = new Map(results.flatMap((g) => g.tests.map((t) => [t.tcId, t.testPassed])));
  const kind = (group: Group, test: Row) => `${String(group.tgId)} ${String(verdicts.get(test.tcId))}`;
  const kept = shortestOfEachKind(groups("acvp", prompt), limit, kind);
  const ids = new Set(kept.flatMap((group) => group.tests.map((test) => test.tcId)));
  const answers = results.map((g) => ({ ...g, tests: g.tests.filter((t) => ids.has(t.tcId)) }));
  write("acvp", prompt, { testGroups: kept });
  write("acvp", prompt.replace(PROMPT, EXPECTED), { testGroups: answers });
}

if (!IS_WHOLE) throw new Error("the whole set of vectors is not beside the repository");
for (const folder of ["acvp", "wycheproof"]) rmSync(join(TARGET, folder), { recursive: true, force: true });
files("acvp", PROMPT).forEach(trimAcvp);
files("wycheproof", ".json.gz").forEach(trimWycheproof);
copyFileSync(join(SOURCE, "wycheproof/LICENSE.txt"), join(TARGET, "wycheproof/LICENSE.txt"));
