import { describe, expect, test } from "bun:test";
import { type Subnets, storyOf, subnetTable } from "../../../runtime/cli/subnet-view.ts";

const gateway = (name: string, cost: number | null) => ({ name, self: name === "a", reached: cost !== null, cost });
const ALL: Subnets = {
  masquerade: false,
  withdrawn: [{ prefix: "10.8.0.0/24", reason: "eth1 has no carrier" }],
  subnets: [
    {
      ...{ prefix: "10.1.0.0/24", own: true, device: null, source: null, problem: null },
      gateways: [gateway("a", 0)],
    },
    {
      ...{ prefix: "10.2.0.0/16", own: false, device: "mesh0", source: "10.1.0.1", problem: null },
      gateways: [gateway("b", 4), gateway("c", 4), gateway("d", null)],
    },
    {
      ...{ prefix: "10.2.7.0/24", own: false, device: "mesh0", source: null, problem: "another route" },
      gateways: [gateway("b", 4)],
    },
  ],
  refused: [{ prefix: "10.2.8.0/24", gateway: "e", reason: "the certificate of e does not allow it" }],
};
const wayTo = (name: string): string => `way to ${name}`;
const told = (word: string): string | undefined => storyOf(ALL, word, wayTo)?.lines.join("\n");

describe("subnets as people read them", () => {
  test("are a line each, with who takes over; what is refused or not announced stands below, with the reason", () => {
    expect(subnetTable(ALL, wayTo).map((line) => line.replaceAll(/ {2,}/g, " | ").trimEnd())).toEqual([
      "",
      "subnet | gateway | way | takes over",
      "10.1.0.0/24 | this one | here | -",
      "10.2.0.0/16 | b | way to b | c, d (not reached)",
      "10.2.7.0/24 | b | none | -",
      "",
      "refused:",
      " | 10.2.8.0/24 of e: the certificate of e does not allow it",
      "",
      "not announced:",
      " | 10.8.0.0/24: eth1 has no carrier",
    ]);
  });

  test("are explained by an address in them: the longest, its gateway and why, and who takes over", () => {
    const story = told("10.2.0.9");
    expect(story).toContain("10.2.0.0/16, behind b and c and d");
    expect(story).toContain("b, the nearest, or as near and in use (cost 4)");
    expect(story).toContain("c takes over at once");
    expect(story).toContain("route into mesh0, our own packets from 10.1.0.1");
    expect(told("10.2.7.1")).toContain("another route");
    expect(told("10.1.0.7")).toContain("behind this gateway");
  });

  test("that were refused are explained too, and what nobody announces is not", () => {
    expect(told("10.2.8.0/24")).toContain("10.2.8.0/24 of e: the certificate of e does not allow it");
    expect(told("10.3.0.1")).toBeUndefined();
    expect(told("b")).toBeUndefined();
  });
});
