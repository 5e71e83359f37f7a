/** Reads the command line by the table of commands. yargs cuts it into words and options; what they mean is ours. */
import yargs, { type Argv, type Options as YargsOptions } from "yargs";
import { TrellisError } from "../base/errors.ts";
import { nearest } from "../base/nearest.ts";
import { GLOBAL } from "../config/settings.ts";
import { type Command, commandIn, type Option, usageOf } from "./command.ts";

/** What the line said, for the command that it names. */
export interface Parsed {
  readonly command: Command;
  readonly line: Readonly<Record<string, unknown>>;
}

/** Throws `usage/*`, with what may have been meant. */
export async function parseLine(commands: readonly Command[], argv: readonly string[]): Promise<Parsed> {
  let parsed: Parsed | undefined;
  const parser = yargs([...argv])
    .options(optionsOf(Object.values<Option<unknown>>(GLOBAL)))
    .option("config", { type: "string", requiresArg: true, hidden: true })
    .strict()
    .help(false)
    .version(false)
    .exitProcess(false)
    .fail((message, error) => {
      throw usageError(message || error.message, argv, commands);
    });
  for (const c of commands) {
    const build = (y: Argv): void => {
      for (const word of Object.keys(c.positionals)) y.positional(word, { type: "string" });
      y.options(optionsOf(Object.values(c.options)));
    };
    parser.command(yargsUsage(c), HIDDEN, build, (line) => {
      parsed = { command: c, line: single(line, c) };
    });
  }
  await parser.parseAsync();
  if (!parsed) throw new TrellisError("usage/command", "a command is missing", { hint: "trellis --help lists them" });
  checkChoices(parsed);
  return parsed;
}

/** Of a command. yargs lays out a page of help whenever a command runs, which nobody sees: ours is made elsewhere. */
const HIDDEN = false;

const yargsUsage = ({ name, positionals }: Command): string =>
  [name, ...Object.entries(positionals).map(([word, p]) => (p.optional ? `[${word}]` : `<${word}>`))].join(" ");

/** Values stay text: the rows' own parsers say what is wrong with them. */
const optionsOf = (rows: readonly Option<unknown>[]): Record<string, YargsOptions> =>
  Object.fromEntries(
    rows.map((row) => [
      row.key,
      {
        hidden: true,
        ...(row.parse.sign === "" ? { type: "boolean" } : { type: "string", requiresArg: true }),
        ...(row.required ? { demandOption: true } : {}),
        ...(row.short ? { alias: row.short } : {}),
      } satisfies YargsOptions,
    ]),
  );

/** An option given twice counts as it was given last, unless it may be given more than once. */
function single(line: Readonly<Record<string, unknown>>, { options }: Command): Record<string, unknown> {
  const many = Object.values(options).flatMap((row) => (row.many ? [row.key] : []));
  const one = (key: string, values: readonly unknown[]): unknown =>
    many.includes(key) ? values.join(",") : values.at(-1);
  return Object.fromEntries(Object.entries(line).map(([k, v]) => [k, Array.isArray(v) ? one(k, v) : v]));
}

function checkChoices({ command, line }: Parsed): void {
  for (const [word, { choices }] of Object.entries(command.positionals)) {
    const given = line[word];
    if (!choices || typeof given !== "string" || choices.includes(given)) continue;
    const meant = nearest(given, choices);
    throw new TrellisError("usage/word", `trellis ${command.name} takes ${choices.join(", ")}, not ${given}`, {
      hint: meant ? `did you mean ${meant}?` : `see trellis ${command.name} --help`,
    });
  }
}

/** In our words. yargs tells what is wrong as text only. */
function usageError(message: string, argv: readonly string[], commands: readonly Command[]): TrellisError {
  const command = commandIn(argv, commands);
  const see = command ? `trellis ${command.name} --help` : "trellis --help";
  const about = (pattern: RegExp): string | undefined => pattern.exec(message)?.[1];
  const required = about(/^Missing required arguments?: (.+)/);
  if (required !== undefined)
    return usage(`trellis ${command?.name ?? ""} needs ${optionsText(required)}`, command?.examples[0]?.[0], see);
  const empty = about(/^Not enough arguments following: (.+)/);
  if (empty !== undefined) return usage(`--${empty} needs a value`, undefined, see);
  if (command && /^Not enough non-option arguments/.test(message))
    return usage(`this is too short: trellis ${usageOf(command)}`, command.examples[0]?.[0], see);
  const unknown = about(/^Unknown arguments?: ([^,]+)/);
  return unknown === undefined ? usage(message, undefined, see) : unknownWord(unknown, argv, commands, command, see);
}

const optionsText = (names: string): string =>
  names
    .split(", ")
    .map((name) => `--${name}`)
    .join(" and ");

const usage = (message: string, example: string | undefined, see: string): TrellisError =>
  new TrellisError("usage/line", message, { hint: example ? `for example ${example}; ${see} tells more` : see });

function unknownWord(
  word: string,
  argv: readonly string[],
  commands: readonly Command[],
  command: Command | undefined,
  see: string,
): TrellisError {
  const dashed = argv.find((given) => given.startsWith("-") && given.replace(/^-+(?:no-)?/, "").startsWith(word));
  if (dashed === undefined && command)
    return new TrellisError("usage/word", `trellis ${command.name} takes no "${word}"`, {
      hint: `put quotes around what has blanks or signs in it; ${see} tells more`,
    });
  const rows = Object.values<Option<unknown>>({ ...GLOBAL, ...command?.options });
  const known = dashed === undefined ? commands.map((c) => c.name) : [...rows.map((row) => row.key), "config"];
  const meant = nearest(word, known);
  const marks = dashed === undefined ? "" : "--";
  const what = dashed === undefined ? `no command "${word}"` : `no option ${marks}${word}`;
  return new TrellisError("usage/unknown", `there is ${what}`, {
    hint: meant ? `did you mean ${marks}${meant}? ${see} tells more` : see,
  });
}
