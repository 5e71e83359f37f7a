/** Results against claims: the table that the README shows, and what does not hold. */
import type { Claim } from "./claims.ts";

/** One figure of a bench. */
export interface Row {
  readonly id: string;
  readonly value: number;
  readonly unit: string;
}

/** Figures of one machine. */
export interface Results {
  readonly machine: string;
  readonly rows: readonly Row[];
}

const BEGIN = "<!-- bench:begin -->";
const END = "<!-- bench:end -->";

const shown = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3));

const figureOf = (rows: readonly Row[], id: string): number | undefined => rows.find((r) => r.id === id)?.value;

function limitOf(claim: Claim): string {
  const of = claim.ratioTo ? ` x ${claim.ratioTo}` : ` ${claim.unit}`;
  if (claim.atLeast !== undefined) return `at least ${claim.atLeast}${of}`;
  return claim.atMost !== undefined ? `at most ${claim.atMost}${of}` : "";
}

/** Markdown: one line per claim that was measured, in the order of the claims; then which machine that was. */
export function tableOf(claims: readonly Claim[], saved: readonly Results[]): string {
  const rows = saved.flatMap((results) => results.rows);
  const lines = claims.flatMap((claim) => {
    const value = figureOf(rows, claim.id);
    if (value === undefined) return [];
    return [`| ${claim.says} | ${shown(value)} ${claim.unit} | ${limitOf(claim)} | \`${claim.file}\` |`];
  });
  const head = ["| what | measured | claimed | measured by |", "|---|---|---|---|"];
  return [...head, ...lines, "", ...machines(claims, saved)].join("\n");
}

/** The one with the most figures, and what the others measured. */
function machines(claims: readonly Claim[], saved: readonly Results[]): string[] {
  const [most, ...others] = [...saved].sort((a, b) => b.rows.length - a.rows.length);
  const filesOf = ({ rows }: Results): string[] => {
    const ids = new Set(rows.map((row) => row.id));
    return [...new Set(claims.filter((claim) => ids.has(claim.id)).map((claim) => `\`${claim.file}\``))];
  };
  return [
    `Measured on: ${most?.machine}.`,
    ...others.map((results) => `On ${results.machine}: ${filesOf(results).join(", ")}.`),
  ];
}

/** One sentence for each measured claim that does not hold. What was not measured is no failure. */
export function broken(claims: readonly Claim[], rows: readonly Row[]): string[] {
  return claims.flatMap((claim) => {
    const value = figureOf(rows, claim.id);
    if (value === undefined) return [];
    const base = claim.ratioTo === undefined ? 1 : figureOf(rows, claim.ratioTo);
    if (base === undefined) return [`${claim.id}: ${claim.ratioTo} was not measured in this run`];
    const figure = value / base;
    const holds = figure >= (claim.atLeast ?? Number.NEGATIVE_INFINITY) && figure <= (claim.atMost ?? Infinity);
    return holds ? [] : [`${claim.id}: ${shown(figure)}, claimed ${limitOf(claim)}`];
  });
}

/**
 * What is kept: figures of this run that are claimed or compared with, and earlier ones from benches of which this run has no figure.
 * A claim's figures are those of one run; limits are ratios within it or hold on any machine, so others may be of another.
 */
export function savedWith(claims: readonly Claim[], now: Results, before: readonly Results[]): Results[] {
  const files = new Map(claims.map((claim) => [claim.id, claim.file]));
  const measured = new Set(now.rows.map((row) => files.get(row.id)));
  const kept = before.map(({ machine, rows }) => ({
    machine,
    rows: rows.filter((row) => files.has(row.id) && !measured.has(files.get(row.id))),
  }));
  const here = kept.find(({ machine }) => machine === now.machine)?.rows ?? [];
  const rows = [...here, ...now.rows].filter((row) => files.has(row.id));
  const others = kept.filter(({ machine }) => machine !== now.machine);
  return [...others, { machine: now.machine, rows }].filter((results) => results.rows.length > 0);
}

/** The text with `table` between its markers; undefined where it has none. */
export function withTable(text: string, table: string): string | undefined {
  const from = text.indexOf(BEGIN);
  const to = text.indexOf(END);
  if (from < 0 || to < from) return undefined;
  return `${text.slice(0, from)}${BEGIN}\n${table}\n${text.slice(to)}`;
}
