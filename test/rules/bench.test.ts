import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { CLAIMS, type Claim } from "../../bench/claims.ts";
import { README, RESULTS } from "../../bench/report.ts";
import { broken, type Results, savedWith, tableOf, withTable } from "../../bench/table.ts";

const results = JSON.parse(readFileSync(RESULTS, "utf8")) as Results[];
const figures = results.flatMap((of) => of.rows);
const claim = (limits: Partial<Claim>): Claim => ({
  id: "a",
  says: "A",
  file: "bench/a.bench.ts",
  unit: "us",
  ...limits,
});

describe("claims", () => {
  test.each(CLAIMS.map((c) => [c.id, c.file]))("%s names a bench that exists", (_, file) => {
    expect(existsSync(file)).toBe(true);
  });

  test("no figure is claimed twice", () => {
    expect(new Set(CLAIMS.map((c) => c.id)).size).toBe(CLAIMS.length);
  });

  test("every claim holds for the committed figures", () => {
    expect(broken(CLAIMS, figures)).toEqual([]);
  });

  test("the README shows the committed figures and no others", () => {
    const readme = readFileSync(README, "utf8");
    expect(withTable(readme, tableOf(CLAIMS, results))).toBe(readme);
  });

  test.each([
    ["K", "known-peer"],
    ["F", "first-contact"],
  ])("SPEC.md's table shows the committed figures of pattern %s", (pattern, name) => {
    const spec = readFileSync("runtime/mesh/handshake/SPEC.md", "utf8");
    const line = (loss: number): number[] => {
      const cells = spec.match(new RegExp(`^\\| ${pattern} \\| ${loss} % \\|(.*)\\|$`, "m"))?.[1]?.split("|") ?? [];
      return cells.map((cell) => Number.parseFloat(cell.replace(",", "")));
    };
    const figure = (id: string): number | undefined => figures.find((r) => r.id === id)?.value;
    expect(line(0)[1]).toBe(figure(`handshake/${name}/bytes`) as number);
    expect(line(40).at(-1)).toBe(figure(`handshake/${name}/loss-40/p99`) as number);
  });

  const rows = [
    { id: "a", value: 10, unit: "us" },
    { id: "b", value: 40, unit: "us" },
  ];
  test.each([
    ["a value below its floor", { atLeast: 11 }, 1],
    ["a value on its floor", { atLeast: 10 }, 0],
    ["a value above its ceiling", { atMost: 9 }, 1],
    ["a ratio above its ceiling", { ratioTo: "b", atMost: 0.2 }, 1],
    ["a ratio below its ceiling", { ratioTo: "b", atMost: 0.3 }, 0],
    ["a ratio to what was not measured", { ratioTo: "c", atMost: 1 }, 1],
  ])("the rule judges %s", (_, limits, complaints) => {
    expect(broken([claim(limits)], rows)).toHaveLength(complaints);
  });

  test("saving keeps what other benches measured, machine by machine, and nothing of a bench that ran again", () => {
    const claims = [claim({ id: "a" }), claim({ id: "b" }), claim({ id: "c", file: "bench/c.bench.ts" })];
    const of = (machine: string, ...ids: string[]): Results => ({
      machine,
      rows: ids.map((id) => ({ id, value: 1, unit: "us" })),
    });
    const before = [of("m", "a", "b", "c", "gone")];
    expect(savedWith(claims, of("m", "a", "unclaimed"), before)).toEqual([of("m", "c", "a")]);
    expect(savedWith(claims, of("other", "a"), before)).toEqual([of("m", "c"), of("other", "a")]);
    expect(savedWith(claims, of("m", "a"), [of("other", "b")])).toEqual([of("m", "a")]);
  });

  test("the table names the machine of each bench", () => {
    const claims = [claim({ id: "a" }), claim({ id: "b", file: "bench/b.bench.ts" }), claim({ id: "c" })];
    const saved = [
      { machine: "one", rows: [{ id: "b", value: 1, unit: "us" }] },
      {
        machine: "two",
        rows: [
          { id: "a", value: 1, unit: "us" },
          { id: "c", value: 2, unit: "us" },
        ],
      },
    ];
    expect(tableOf(claims, saved)).toEndWith("\n\nMeasured on: two.\nOn one: `bench/b.bench.ts`.");
  });

  test("the rule sees a figure in the README that nobody measured", () => {
    const table = tableOf([claim({})], [{ machine: "m", rows }]);
    const stale = withTable("<!-- bench:begin -->\n<!-- bench:end -->\n", table.replace("10", "11"));
    expect(withTable(stale ?? "", table)).not.toBe(stale);
    expect(withTable("no markers", table)).toBeUndefined();
  });
});
