import { describe, expect, test } from "bun:test";
import { SOURCES, TRACKED, textOf } from "./sources.ts";

const MARKS = /\b(TODO|FIXME|XXX|HACK)\b/;
/** Machine paths, registry hosts and download addresses do not belong into a repository. */
const PLACES = /\/(?:work|farm)\/(?:main|steering)|\/root\/\.|registry\.npmjs|deb\.debian|https?:\/\/\d+\.\d+/;
const TEXT = /\.(ts|cc|h|c|md|json|toml|service|sh)$|^Justfile$|^\.ci\//;
const RULES = /^test\/rules\//; // they spell out what they forbid

const own = TRACKED.filter((f) => TEXT.test(f) && !RULES.test(f));

describe("style", () => {
  test.each(own)("%s carries no unfinished mark, machine path or download address", async (file) => {
    const text = await textOf(file);
    expect(text.match(MARKS)?.[0]).toBeUndefined();
    expect(text.match(PLACES)?.[0]).toBeUndefined();
  });

  test.each(SOURCES)("%s has named exports only and is no barrel", async (file) => {
    expect(await textOf(file)).not.toMatch(/^export default|^export \* from/m);
    expect(file).not.toEndWith("/index.ts");
  });

  const tests = SOURCES.filter((f) => f.endsWith(".test.ts"));
  test.each(tests)("%s asserts something and runs whole", async (file) => {
    const text = await textOf(file);
    expect(text).toMatch(/\bexpect\(/);
    if (!RULES.test(file)) expect(text).not.toMatch(/\b(?:test|it|describe)\.(?:only|todo)\(/);
  });

  test("the lock file names no registry host", async () => {
    expect(await textOf("package-lock.json")).not.toContain('"resolved"');
  });

  test("the rule sees a mark and a machine path", () => {
    expect("// TODO later").toMatch(MARKS);
    expect("see /work/main/x").toMatch(PLACES);
  });
});
