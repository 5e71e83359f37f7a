#!/usr/bin/env bun
/** argv to command to exit code. */
import { messageOf, TrellisError } from "./base/errors.ts";
import { VERSION } from "./base/version.ts";
import { commandIn } from "./cli/command.ts";
import { COMMANDS } from "./cli/commands.ts";
import { ASK, answerShell } from "./cli/completion.ts";
import { width } from "./cli/context.ts";
import { defaultSources } from "./cli/defaults.ts";
import { EXITS_TEXT, exitOf } from "./cli/exits.ts";
import { helpOf, overview } from "./cli/help.ts";
import { parseLine } from "./cli/parser.ts";
import { GLOBAL } from "./config/settings.ts";
import { fromCommandLine, settle } from "./config/settle.ts";
import { SUITE, WIRE_VERSION } from "./mesh/frame.ts";

const argv = process.argv.slice(2);
let json = argv.includes("--json");

function fail(thrown: unknown): never {
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

function help(): void {
  const command = commandIn(argv[0] === "help" ? argv.slice(1) : argv, COMMANDS);
  const lines = command ? helpOf(command, width()) : overview(COMMANDS, EXITS_TEXT, width());
  console.log(lines.join("\n"));
}

function version(): void {
  if (json) console.log(JSON.stringify({ version: VERSION, wireVersion: WIRE_VERSION, suite: SUITE }));
  else console.log(`trellis ${VERSION}\nwire version ${WIRE_VERSION}\nsuite ${SUITE}`);
}

try {
  if (argv[0] === ASK) for (const line of await answerShell(argv.slice(1), COMMANDS)) console.log(line);
  else if (argv.length === 0) {
    help();
    process.exitCode = exitOf("usage/command");
  } else if (argv.includes("--help") || argv.includes("-h") || argv[0] === "help") help();
  else if (argv.includes("--version")) version();
  else {
    const { command, line } = await parseLine(COMMANDS, argv);
    const defaults = defaultSources(typeof line.config === "string" ? line.config : undefined);
    ({ json } = settle(GLOBAL, [fromCommandLine(line), ...defaults]).values);
    await command.run(line, defaults);
  }
} catch (thrown) {
  fail(thrown);
}
