/** Runs a file's cases against a subject, and prints what was run, failed and not offered. */
import { messageOf } from "../../../runtime/base/errors.ts";
import type { Case } from "./case.ts";
import { NotOffered, type Subject } from "./subject.ts";

export interface Tally {
  readonly file: string;
  readonly subject: string;
  readonly passed: number;
  readonly failures: readonly string[];
  /** How many cases for each reason. */
  readonly notOffered: ReadonlyMap<string, number>;
}

export async function run(file: string, cases: readonly Case[], subject: Subject): Promise<Tally> {
  const failures: string[] = [];
  const notOffered = new Map<string, number>();
  let passed = 0;
  for (const { id, check } of cases) {
    try {
      const wrong = await check(subject);
      if (wrong === undefined) passed++;
      else failures.push(`${id}: ${wrong}`);
    } catch (thrown) {
      if (thrown instanceof NotOffered) notOffered.set(thrown.message, (notOffered.get(thrown.message) ?? 0) + 1);
      else failures.push(`${id}: ${messageOf(thrown)}`);
    }
  }
  return { file, subject: subject.name, passed, failures, notOffered };
}

const sum = (numbers: Iterable<number>): number => [...numbers].reduce((a, b) => a + b, 0);

/** Width of the column of subjects. */
const SUBJECT = 11;

/** One row per file and subject: `run / not offered (reason)`. */
export function table(source: string, tallies: readonly Tally[]): string {
  const width = Math.max(...tallies.map((t) => t.file.length));
  const rows = tallies.map((t) => {
    const reasons = [...t.notOffered].map(([reason, n]) => `${n}: ${reason}`).join("; ");
    const counts = [t.passed, t.failures.length, sum(t.notOffered.values())]
      .map((n) => String(n).padStart(6))
      .join(" ");
    return `${t.file.padEnd(width)} ${t.subject.padEnd(SUBJECT)}${counts}${reasons && `  (${reasons})`}`;
  });
  const total = (pick: (t: Tally) => number): string => String(sum(tallies.map(pick))).padStart(6);
  const head = `${source.padEnd(width)} ${"subject".padEnd(SUBJECT)} ${"passed failed not offered"}`;
  const foot = `${"total".padEnd(width + 1 + SUBJECT)}${total((t) => t.passed)} ${total((t) => t.failures.length)} ${total((t) => sum(t.notOffered.values()))}`;
  return ["", head, ...rows, foot, ""].join("\n");
}
