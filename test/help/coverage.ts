/** Line coverage of the pure cores, merged over suites from lcov files. */
const PURE = /^runtime\/(?!cli\/|main\.ts|node\.ts).*(?<!\.io)\.ts$/;

/** Per file: line number to hits. */
export type Coverage = Map<string, Map<number, number>>;

export function addLcov(into: Coverage, lcov: string): void {
  let lines: Map<number, number> | undefined;
  for (const row of lcov.split("\n")) {
    if (row.startsWith("SF:")) {
      const file = row.slice(3);
      lines = PURE.test(file) ? (into.get(file) ?? new Map()) : undefined;
      if (lines) into.set(file, lines);
    } else if (row.startsWith("DA:") && lines) {
      const [line, hits] = row.slice(3).split(",").map(Number) as [number, number];
      lines.set(line, (lines.get(line) ?? 0) + hits);
    }
  }
}

/**
 * Counts a file that no suite loads as not covered, so that leaving out its tests cannot raise the share. A file of types only
 * has no code to cover. `text` is the file's TypeScript.
 */
export function addUntouched(into: Coverage, file: string, text: string): void {
  if (!PURE.test(file) || into.has(file)) return;
  const code = new Bun.Transpiler({ loader: "ts" }).transformSync(text).split("\n");
  const lines = code.filter((line) => line.trim() !== "" && !line.startsWith("import "));
  if (lines.length > 0) into.set(file, new Map(lines.map((_, i) => [i + 1, 0])));
}

export interface Share {
  readonly file: string;
  readonly lines: number;
  readonly hit: number;
}

export const shares = (coverage: Coverage): Share[] =>
  [...coverage].map(([file, lines]) => ({
    file,
    lines: lines.size,
    hit: [...lines.values()].filter((h) => h > 0).length,
  }));

/** Percent of lines, 100 for nothing. */
export const percent = (of: readonly { lines: number; hit: number }[]): number => {
  const lines = of.reduce((sum, s) => sum + s.lines, 0);
  return lines === 0 ? 100 : (100 * of.reduce((sum, s) => sum + s.hit, 0)) / lines;
};
