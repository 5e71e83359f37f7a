/** How the demo talks: a line per step with the time it took, a table at the end. */
const colour = process.stdout.isTTY && !process.env.NO_COLOR;
const paint = (code: number, text: string): string => (colour ? `\x1b[${code}m${text}\x1b[0m` : text);
export const bold = (text: string): string => paint(1, text);
export const dim = (text: string): string => paint(2, text);

export const say = (text = ""): void => console.log(text);
export const note = (text: string): void => console.log(dim(`    ${text}`));

/** Prints the step when it is done, with its time; gives back what the step gave. */
export async function step<T>(title: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const value = await work();
  const took = performance.now() - started;
  say(`${paint(32, "✓")} ${title} ${dim(took < 1000 ? `${took.toFixed(0)} ms` : `${(took / 1000).toFixed(1)} s`)}`);
  return value;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const width = head.map((h, i) => Math.max(h.length, ...rows.map((r) => (r[i] ?? "").length)));
  const line = (cells: readonly string[]): string =>
    `  ${cells.map((c, i) => c.padEnd(width[i] ?? 0)).join("   ")}`.trimEnd();
  say(bold(line(head)));
  for (const row of rows) say(line(row));
}
