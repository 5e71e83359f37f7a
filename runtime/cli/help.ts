/** Help, from the same tables as the parser: nothing can be missing in it. */
import { GLOBAL, RUN, shownFallback, variableOf } from "../config/settings.ts";
import { type Command, type Option, type Positional, usageOf } from "./command.ts";

const INDENT = "  ";
const LEFT_MAX = 24;

/** The page of all commands. `width`: columns of the terminal. */
export function overview(commands: readonly Command[], exits: string, width: number): string[] {
  return [
    "trellis COMMAND: a gateway of an encrypted mesh",
    "",
    ...columns(
      commands.map((c) => [usageOf(c, "short"), c.doc]),
      width,
    ),
    "",
    "options of every command, before or after it:",
    ...globalRows(width),
    "",
    ...wrap("trellis COMMAND --help tells more, with examples.", width),
    ...wrap(`exit codes: ${exits}`, width),
  ];
}

/** The page of one command. */
export function helpOf(command: Command, width: number): string[] {
  const options = Object.values(command.options);
  const takesSettings = options.some((row) => Object.values<Option<unknown>>(RUN).includes(row));
  return [
    ...wrap(`trellis ${usageOf(command)}: ${command.doc}`, width),
    ...section("", columns(Object.entries(command.positionals).map(wordRow), width)),
    ...section("options:", columns(options.map(optionRow), width)),
    ...section("options of every command:", takesSettings ? globalRows(width) : wrap(GLOBALS, width, INDENT)),
    ...section("", takesSettings ? wrap(SOURCES, width) : []),
    ...section(
      "examples:",
      command.examples.flatMap(([line, doc]) => [INDENT + line, ...wrap(doc, width, INDENT.repeat(3))]),
    ),
  ];
}

const { key, fallback } = RUN.port;
const SOURCES =
  `Each of these settings can also stand in the environment (${variableOf(key)}=${fallback}) and in the file, which is ` +
  `TOML (${key} = ${fallback}). The command line counts before the environment, the environment before the file.`;

const CONFIG: Row = [
  "--config PATH",
  "a file with settings (TOML); default /etc/trellis/trellis.conf, or ~/.config/trellis/trellis.conf without root, where there is one",
];
const VERSION: Row = ["--version", "release, wire version and suite"];
const GLOBALS = `${[...Object.values(GLOBAL).map(flagOf), CONFIG[0]].join(", ")}; see trellis --help`;

type Row = readonly [left: string, right: string];

const globalRows = (width: number): string[] =>
  columns([...Object.values<Option<unknown>>(GLOBAL).map(optionRow), CONFIG, VERSION], width);

const section = (title: string, lines: readonly string[]): string[] =>
  lines.length === 0 ? [] : ["", ...(title === "" ? [] : [title]), ...lines];

const wordRow = ([word, { choices, doc }]: readonly [string, Positional]): Row => [
  choices ? choices.join("|") : word.toUpperCase(),
  doc,
];

const optionRow = (row: Option<unknown>): Row => [flagOf(row), docOf(row)];

function flagOf(row: Option<unknown>): string {
  return `${row.short ? `-${row.short}, ` : ""}--${row.key} ${row.parse.sign}`.trimEnd();
}

function docOf(row: Option<unknown>): string {
  if (row.parse.sign === "") return row.doc;
  const range = [row.parse.range ?? "", row.unit].filter((part) => part !== "").join(" ");
  return `${row.doc} (${range}${range === "" ? "" : "; "}${row.required ? "required" : `default ${shownFallback(row)}`})`;
}

/** Two columns; the right one is wrapped. */
function columns(rows: readonly Row[], width: number): string[] {
  const left = Math.min(LEFT_MAX, Math.max(0, ...rows.map(([l]) => l.length)));
  return rows.flatMap(([l, r]) => {
    const lines = wrap(r, width - left - 4);
    const [first = "", ...rest] = l.length > left ? ["", ...lines] : lines;
    return [`${INDENT}${l.padEnd(left)}  ${first}`.trimEnd(), ...rest.map((line) => " ".repeat(left + 4) + line)];
  });
}

/** Lines of at most `width` characters, broken at blanks. */
export function wrap(text: string, width: number, indent = ""): string[] {
  const lines: string[] = [];
  let line = indent;
  for (const word of text.split(" ")) {
    const longer = line === indent ? line + word : `${line} ${word}`;
    if (longer.length > width && line !== indent) {
      lines.push(line);
      line = indent + word;
    } else line = longer;
  }
  return [...lines, line];
}
