/** What every command shares: the global options, the state directory, the way to print. */
import { join } from "node:path";
import type { Argv } from "yargs";
import { TrellisError } from "../base/errors.ts";
import { createLog, LEVELS, type Level, type Log, type LogLine } from "../base/log.ts";
import { chooseProvider } from "../crypto/choose.ts";
import { Home } from "../provisioning/home.io.ts";

export interface Globals {
  readonly json: boolean;
  readonly stateDir: string;
  readonly logLevel: Level;
}

/** One command. `run` throws TrellisError for what the user can mend. */
export interface Command<T = Record<string, unknown>> {
  readonly command: string;
  readonly describe: string;
  /** Adds its options to the parser it is given. */
  readonly options: (yargs: Argv<Globals>) => unknown;
  readonly run: (args: T & Globals) => Promise<void>;
}

export const command = <T>(c: Command<T>): Command<T> => c;

export const globals = (yargs: Argv): Argv<Globals> =>
  yargs
    .option("json", { type: "boolean", default: false, describe: "print JSON", global: true })
    .option("state-dir", {
      type: "string",
      default: defaultStateDir(),
      describe: "where keys and state lie",
      coerce: (given: string | string[]) => [given].flat().at(-1), // given twice, the last one counts
      global: true,
    })
    .option("log-level", { choices: LEVELS, default: "info" as Level, describe: "how much to log", global: true })
    .config("config", "a JSON file with options by their long names") as unknown as Argv<Globals>;

function defaultStateDir(): string {
  const { TRELLIS_STATE_DIR, STATE_DIRECTORY, XDG_STATE_HOME, HOME } = process.env;
  const given = TRELLIS_STATE_DIR ?? STATE_DIRECTORY;
  if (given) return given;
  return process.getuid?.() === 0
    ? "/var/lib/trellis"
    : join(XDG_STATE_HOME ?? join(HOME ?? ".", ".local/state"), "trellis");
}

export async function openHome(g: Globals): Promise<Home> {
  return await Home.open(g.stateDir, (await chooseProvider()).provider);
}

export const socketOf = (g: Globals): string => join(g.stateDir, "control.sock");

/** `value` as JSON, or the lines for people. */
export function print(g: Globals, value: unknown, lines: () => readonly string[]): void {
  if (g.json) console.log(JSON.stringify(value));
  else for (const line of lines()) console.log(line);
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const width = head.map((h, i) => Math.max(h.length, ...rows.map((r) => (r[i] ?? "").length)));
  return [head, ...rows].map((r) =>
    r
      .map((c, i) => c.padEnd(width[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

export function consoleLog(g: Globals): Log {
  const sink = (line: LogLine): void => {
    if (g.json)
      console.log(JSON.stringify({ time: new Date().toISOString(), ...line, ...line.fields, fields: undefined }));
    else {
      const fields = Object.entries(line.fields).map(([k, v]) => `${k}=${String(v)}`);
      console.log([line.level, `${line.part}:`, line.message, ...fields].join(" "));
    }
  };
  return createLog(sink, g.logLevel);
}

/** 24h, 30m, 7d, 90s as seconds. */
export function duration(text: string): number {
  const match = /^(\d+)([smhd])$/.exec(text);
  const unit = { s: 1, m: 60, h: 3600, d: 86_400 }[match?.[2] ?? ""];
  if (match && unit) return Number(match[1]) * unit;
  throw new TrellisError("usage/duration", `"${text}" is no duration`, { hint: "write 90s, 30m, 24h or 7d" });
}

export function age(ms: number | null): string {
  if (ms === null) return "-";
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  return ms < 120_000 ? `${(ms / 1000).toFixed(0)} s` : `${(ms / 60_000).toFixed(0)} min`;
}
