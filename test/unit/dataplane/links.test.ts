import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { abandoned, aliasOf, aliasPrefixOf, ownerOf } from "../../../runtime/dataplane/links.ts";

describe("the alias of a link", () => {
  test.each([
    ["names the process that made it", "trellis:fd00::1:4711", 4711],
    ["of a link that somebody else made names nobody", "uplink to the office", undefined],
    ["without an address names nobody", "trellis::", undefined],
    ["whose pid is none names nobody", "trellis:fd00::1:x", undefined],
    ["that goes on after the pid names nobody", "trellis:fd00::1:17 ", undefined],
  ])("%s", (_, alias, want) => {
    expect(ownerOf(alias)).toBe(want);
  });

  test("that we write is one that we read, for any process", () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 4_194_304 }), fc.ipV6(), (pid, address) => {
        const alias = aliasOf(address, pid);
        expect(ownerOf(alias)).toBe(pid);
        expect(alias.startsWith(aliasPrefixOf(address))).toBe(true);
      }),
    );
  });
});

test("abandoned() picks the links whose maker is gone and leaves those that are not ours", () => {
  const links = ["trellis:fd00::1:10", "trellis:fd00::1:11", "other"].map((alias) => ({ alias }));
  expect(abandoned(links, (pid) => pid === 11)).toEqual([{ alias: "trellis:fd00::1:10" }]);
});
