import { describe, expect, test } from "bun:test";
import { linkTerms, linkTermsOf, wordsOf } from "../../../runtime/config/link-terms.ts";
import { RUN, SETTINGS } from "../../../runtime/config/settings.ts";
import { fromCommandLine, fromFile, settle } from "../../../runtime/config/settle.ts";

describe("terms of interfaces", () => {
  test("are gathered by interface, and the last word counts", () => {
    expect(linkTermsOf(["eth0.100.cost=5", "wwan0.metered", "wwan0.cap=2000000000", "eth0.100.cost=7"])).toEqual([
      { interface: "eth0.100", cost: 7, metered: false, cap: undefined },
      { interface: "wwan0", cost: 0, metered: true, cap: 2_000_000_000 },
    ]);
  });

  test.each([
    "eth1",
    "eth1.cost",
    "eth1.cost=x",
    "eth1.cost=-1",
    "eth1.cost=1000001",
    "eth1.metered=maybe",
    "eth1.cap",
    "a b.cost=1",
    ".cost=1",
    "eth1.color=2",
  ])("%p is none", (word) => expect(linkTerms.parse(word)).toBeUndefined());

  test("come as words from the command line and as tables from a file", () => {
    const tables = { eth1: { cost: 20 }, "eth0.100": { metered: true, cap: 5 } };
    const words = ["eth1.cost=20", "eth0.100.metered=true", "eth0.100.cap=5"];
    expect(settle(RUN, [fromFile("/f", { links: tables }, SETTINGS)]).values.links).toEqual(words);
    expect(settle(RUN, [fromCommandLine({ links: words.join() })]).values.links).toEqual(words);
    expect(linkTerms.parse("none")).toEqual({ value: [] });
  });

  test.each<[string, unknown]>([
    ["a table of another kind", { eth1: { colour: "red" } }],
    ["no table", { eth1: 5 }],
    ["a list", ["eth1"]],
  ])("in a file, %s is refused", (_, links) => {
    expect(() => fromFile("/f", { links }, SETTINGS)).toThrow("links in /f");
    expect(wordsOf("text")).toBe("text");
  });
});
