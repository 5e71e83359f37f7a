/** From the command line to the command to the exit code. */
import { messageOf, TrellisError } from "../base/errors.ts";
import { VERSION } from "../base/version.ts";
import { GLOBAL } from "../config/settings.ts";
import { fromCommandLine, settle } from "../config/settle.ts";
import { SUITE, WIRE_VERSION } from "../mesh/frame.ts";
import { commandIn } from "./command.ts";
import { COMMANDS } from "./commands.ts";
import { ASK, answerShell } from "./completion.ts";
import { width } from "./context.ts";
import { defaultSources } from "./defaults.ts";
import { EXITS_TEXT, exitOf } from "./exits.ts";
import { helpOf, overview } from "./help.ts";
import { parseLine } from "./parser.ts";

function fail(thrown: unknown, json: boolean): never {
  const { code, hint } = thrown instanceof TrellisError ? thrown : { code: "internal", hint: undefined };
  const message = messageOf(thrown);
  const cause = thrown instanceof Error && thrown.cause instanceof Error ? thrown.cause.message : undefined;
  if (json) console.error(JSON.stringify({ error: { code, message, cause: cause ?? null, hint: hint ?? null } }));
  else {
    console.error(`error: ${message}`);
    if (cause !== undefined) console.error(`cause: ${cause}`);
    if (hint !== undefined) console.error(`hint: ${hint}`);
  }
  process.exit(exitOf(code));
}

function help(argv: readonly string[]): void {
  const command = commandIn(argv[0] === "help" ? argv.slice(1) : argv, COMMANDS);
  const lines = command ? helpOf(command, width()) : overview(COMMANDS, EXITS_TEXT, width());
  console.log(lines.join("\n"));
}

function version(json: boolean): void {
  if (json) console.log(JSON.stringify({ version: VERSION, wireVersion: WIRE_VERSION, suite: SUITE }));
  else console.log(`trellis ${VERSION}\nwire version ${WIRE_VERSION}\nsuite ${SUITE}`);
}

/** `argv`: without the program's own name. */
export async function main(argv: readonly string[]): Promise<void> {
  let json = argv.includes("--json");
  try {
    if (argv[0] === ASK) for (const line of await answerShell(argv.slice(1), COMMANDS)) console.log(line);
    else if (argv.length === 0) {
      help(argv);
      process.exitCode = exitOf("usage/command");
    } else if (argv.includes("--help") || argv.includes("-h") || argv[0] === "help") help(argv);
    else if (argv.includes("--version")) version(json);
    else {
      const { command, line } = await parseLine(COMMANDS, argv);
      const defaults = defaultSources(typeof line.config === "string" ? line.config : undefined);
      ({ json } = settle(GLOBAL, [fromCommandLine(line), ...defaults]).values);
      await command.run(line, defaults);
    }
  } catch (thrown) {
    fail(thrown, json);
  }
}
