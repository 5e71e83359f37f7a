/** What a shell may offer at the end of an unfinished line: from the same tables as the parser. */
import { GLOBAL } from "../config/settings.ts";
import type { Command, Completes, Option } from "./command.ts";

export interface Candidate {
  readonly word: string;
  readonly doc: string;
}

export interface Completion {
  /** Options that stand on the line already, by key: they say which daemon knows the peers. */
  readonly given: Readonly<Record<string, string>>;
  /** The unfinished word or value, maybe empty. */
  readonly current: string;
  /** `--config=` where the shell left that in the word: what it is offered must begin so. */
  readonly prefix: string;
  /** `Completes`: the caller knows those words. */
  readonly offer: readonly Candidate[] | Completes;
}

/** `words`: the line without the program's name; the last one is unfinished. */
export function completionOf(words: readonly string[], commands: readonly Command[]): Completion {
  const all = withoutEquals(words);
  const current = all.at(-1) ?? "";
  const seen: Seen = { command: undefined, positionals: [], given: {}, waiting: undefined };
  for (const word of all.slice(0, -1)) take(word, seen, commands);
  const last = words.at(-1) ?? "";
  const prefix = last.startsWith("--") ? last.slice(0, last.indexOf("=") + 1) : "";
  return { given: seen.given, current, prefix, offer: matching(offerOf(seen, current, commands), current) };
}

interface Seen {
  command: Command | undefined;
  readonly positionals: string[];
  readonly given: Record<string, string>;
  /** An option whose value comes next. */
  waiting: Option<unknown> | undefined;
}

const CONFIG: Option<unknown> = {
  key: "config",
  fallback: "",
  unit: "",
  doc: "a file with settings",
  parse: GLOBAL.stateDir.parse,
  completes: "file",
};
const HELP: readonly Candidate[] = [
  { word: "--help", doc: "what it does, with examples" },
  { word: "--version", doc: "release, wire version and suite" },
];

const optionsOf = (command: Command | undefined): readonly Option<unknown>[] => [
  ...Object.values(command?.options ?? {}),
  ...Object.values<Option<unknown>>(GLOBAL),
  CONFIG,
];

/** Shells cut `--port=4500` at the sign, or leave it whole. */
const withoutEquals = (words: readonly string[]): readonly string[] => {
  const cut = words.flatMap((word) => {
    const at = word.startsWith("--") ? word.indexOf("=") : -1;
    return at < 0 ? [word] : [word.slice(0, at), word.slice(at + 1)];
  });
  return cut.flatMap((word, i) => (word !== "=" ? [word] : i === cut.length - 1 ? [""] : []));
};

function take(word: string, seen: Seen, commands: readonly Command[]): void {
  if (seen.waiting) {
    seen.given[seen.waiting.key] = word;
    seen.waiting = undefined;
  } else if (word.startsWith("-")) {
    const row = optionsOf(seen.command).find((o) => word === `--${o.key}` || (o.short && word === `-${o.short}`));
    if (row && row.parse.sign !== "") seen.waiting = row;
    else if (row) seen.given[row.key] = "true";
  } else if (seen.command) seen.positionals.push(word);
  else seen.command = commands.find((c) => c.name === word);
}

function offerOf(seen: Seen, current: string, commands: readonly Command[]): readonly Candidate[] | Completes {
  if (seen.waiting) return valuesOf(seen.waiting);
  if (current.startsWith("-")) return flagsOf(seen);
  if (!seen.command) return commands.map((c) => ({ word: c.name, doc: c.doc }));
  const [first = ""] = seen.positionals;
  const next = Object.values(seen.command.positionals)[seen.positionals.length];
  if (!next) return flagsOf(seen);
  const { completes, choices = [], doc } = next;
  const kind = typeof completes === "object" ? (completes[first] ?? []) : completes;
  return kind ?? choices.map((word) => ({ word, doc }));
}

function flagsOf({ command, given }: Seen): readonly Candidate[] {
  const left = optionsOf(command).filter((o) => o.many || given[o.key] === undefined);
  return [...left.map((o) => ({ word: `--${o.key}`, doc: o.doc })), ...HELP];
}

function valuesOf({ completes, parse, doc }: Option<unknown>): readonly Candidate[] | Completes {
  if (completes) return completes;
  if (parse.sign === "PATH") return "file";
  return (parse.words ?? []).map((word) => ({ word, doc }));
}

export const matching = <T extends readonly Candidate[] | Completes>(offer: T, current: string): T | Candidate[] =>
  typeof offer === "string" ? offer : offer.filter(({ word }) => word.startsWith(current));
