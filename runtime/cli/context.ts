/** What commands share: the state directory, the way to print, the log. */
import { join } from "node:path";
import { createLog, type Log, type LogLine } from "../base/log.ts";
import { chooseProvider } from "../crypto/choose.ts";
import { Home, OwnHome } from "../provisioning/home.io.ts";
import type { Globals } from "./command.ts";

/** To look at; a daemon may run. */
export async function viewHome(g: Globals): Promise<Home> {
  return new Home(g.stateDir, (await chooseProvider()).provider);
}

/** To write; no daemon may run. */
export async function ownHome(g: Globals): Promise<OwnHome> {
  return await OwnHome.open(g.stateDir, (await chooseProvider()).provider);
}

export const socketOf = (g: Globals): string => join(g.stateDir, "control.sock");

/** `value` as JSON, or the lines for people. */
export function print(g: Globals, value: unknown, lines: () => readonly string[]): void {
  if (g.json) console.log(JSON.stringify(value));
  else for (const line of lines()) console.log(line);
}

/** For somebody who waits: beside the result, and not in the way of a script. */
export function note(g: Globals, line: string): void {
  if (!g.json) console.error(line);
}

export function consoleLog(g: Globals): Log {
  const sink = (line: LogLine): void => {
    if (g.json)
      console.log(JSON.stringify({ time: new Date().toISOString(), ...line, ...line.fields, fields: undefined }));
    else {
      const fields = Object.entries(line.fields).map(
        ([k, v]) => `${k}=${typeof v === "number" ? Number(v.toFixed(3)) : v}`,
      );
      console.log([line.level, `${line.part}:`, line.message, ...fields].join(" "));
    }
  };
  return createLog(sink, g.logLevel);
}

/** Columns for text: those of the terminal, at most what reads well. */
export const width = (): number => Math.min(100, process.stdout.columns ?? 80);
