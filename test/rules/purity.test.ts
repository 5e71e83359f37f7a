import { describe, expect, test } from "bun:test";
import { SOURCES, textOf } from "./sources.ts";

const IMPURE =
  /from "(node:|bun")|\bBun\.|\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|getRandomValues|\bset(Timeout|Interval)\(|\bfetch\(/;

/** Files that touch the world under another name, each with its reason. */
const ALLOWED: Record<string, string> = {
  "runtime/main.ts": "argv and exit code",
  "runtime/node.ts": "composition root",
  "runtime/crypto/native.ts": "is the provider over the runtime's BoringSSL; reads no clock, keeps no state but keys",
};

const isPure = (file: string): boolean =>
  file.startsWith("runtime/") && !file.startsWith("runtime/cli/") && !file.endsWith(".io.ts") && !(file in ALLOWED);

describe("purity", () => {
  test.each(SOURCES.filter(isPure))(
    "%s touches no clock, no socket, no file and no system randomness",
    async (file) => {
      expect((await textOf(file)).match(IMPURE)?.[0]).toBeUndefined();
    },
  );

  test.each(['import fs from "node:fs"', "Bun.file(x)", "Date.now()", "setTimeout(f, 1)", "Math.random()"])(
    "the rule sees %s",
    (text) => {
      expect(text).toMatch(IMPURE);
    },
  );
});
