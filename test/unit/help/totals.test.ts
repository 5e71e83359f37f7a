/** The totals of `just test` are only as true as these. */
import { describe, expect, test } from "bun:test";
import { addLcov, addUntouched, type Coverage, percent, shares } from "../../help/coverage.ts";
import { failures } from "../../help/failures.ts";
import { countJunit } from "../../help/junit.ts";

describe("totals", () => {
  test.each([
    ['<testsuites name="bun" tests="5" failures="1" skipped="2">', { passed: 2, failed: 1, skipped: 2 }],
    ['<testsuites tests="3" failures="0" errors="1" skipped="0">', { passed: 2, failed: 1, skipped: 0 }],
    ["", { passed: 0, failed: 0, skipped: 0 }],
  ])("%s is counted", (xml, counts) => {
    expect(countJunit(xml)).toEqual(counts);
  });

  test("a line counts as covered when any suite ran it", () => {
    const coverage: Coverage = new Map();
    addLcov(coverage, "SF:runtime/base/a.ts\nDA:1,1\nDA:2,0\nend_of_record");
    addLcov(coverage, "SF:runtime/base/a.ts\nDA:1,0\nDA:2,3\nDA:3,0\nend_of_record");
    expect(shares(coverage)).toEqual([{ file: "runtime/base/a.ts", lines: 3, hit: 2 }]);
    expect(percent(shares(coverage))).toBeCloseTo(66.67, 1);
  });

  test.each(["runtime/a/b.io.ts", "runtime/node.ts", "runtime/main.ts", "runtime/cli/x.ts", "test/a.ts"])(
    "%s is no pure core",
    (file) => {
      const coverage: Coverage = new Map();
      addLcov(coverage, `SF:${file}\nDA:1,1`);
      addUntouched(coverage, file, "export const a = 1;");
      expect(coverage.size).toBe(0);
    },
  );

  test("a file that no suite loads counts as not covered, unless it holds types only", () => {
    const coverage: Coverage = new Map();
    addUntouched(coverage, "runtime/base/a.ts", "export const a = 1;\nexport const b = 2;\n");
    addUntouched(coverage, "runtime/base/types.ts", "export interface A { a: number }\n");
    expect(percent(shares(coverage))).toBe(0);
    expect(shares(coverage).map((s) => s.file)).toEqual(["runtime/base/a.ts"]);
  });

  test("what failed is told with its reasons, and once", () => {
    const said = "a.test.ts:\n(pass) a > b\nerror: no\n  at c.ts:1\n\n(fail) a > c [1.00ms]\n(pass) a > d\n\n";
    const again = "1 tests failed:\n(fail) a > c [1.00ms]\n 2 pass\n";
    expect(failures(said + again)).toEqual(["error: no\n  at c.ts:1\n(fail) a > c [1.00ms]"]);
    expect(failures("(pass) a > b\n")).toEqual([]);
  });
});
