/** What bun wrote of the tests that failed: its reasons stand between the line of the test before and its own. */
const END = /^\((pass|skip|todo|fail)\) /;
/** Of one failure; its message and where it was thrown come last. */
const LINES = 25;

export function failures(output: string): readonly string[] {
  const found: string[] = [];
  let lines: string[] = [];
  for (const line of output.split("\n")) {
    if (line === "") continue;
    if (/^\d+ tests? failed:$/.test(line)) break; // it names them once more
    lines.push(line);
    if (!END.test(line)) continue;
    if (line.startsWith("(fail)")) found.push(lines.slice(-LINES).join("\n"));
    lines = [];
  }
  return found;
}
