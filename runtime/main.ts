#!/usr/bin/env bun
/** argv to command to exit code. */
import yargs from "yargs";
import { messageOf, TrellisError } from "./base/errors.ts";
import { type Command, type Globals, globals } from "./cli/context.ts";
import { doctor } from "./cli/doctor.ts";
import { down } from "./cli/down.ts";
import { init } from "./cli/init.ts";
import { invite } from "./cli/invite.ts";
import { join } from "./cli/join.ts";
import { keys } from "./cli/keys.ts";
import { peers } from "./cli/peers.ts";
import { ping } from "./cli/ping.ts";
import { receive } from "./cli/receive.ts";
import { rekey } from "./cli/rekey.ts";
import { revoke } from "./cli/revoke.ts";
import { run } from "./cli/run.ts";
import { send } from "./cli/send.ts";
import { status } from "./cli/status.ts";

const EXIT = { failed: 1, usage: 2, notRunning: 3, refused: 4 } as const;

function exitCode(thrown: unknown): number {
  const code = thrown instanceof TrellisError ? thrown.code : "";
  if (code.startsWith("usage/")) return EXIT.usage;
  if (code === "daemon/not-running") return EXIT.notRunning;
  return code.startsWith("invite/") ? EXIT.refused : EXIT.failed;
}

function fail(thrown: unknown, json: boolean): never {
  const { code, hint } = thrown instanceof TrellisError ? thrown : { code: "internal", hint: undefined };
  if (json) console.error(JSON.stringify({ error: { code, message: messageOf(thrown), hint: hint ?? null } }));
  else console.error(`error: ${messageOf(thrown)}${hint ? `\nhint: ${hint}` : ""}`);
  process.exit(exitCode(thrown));
}

const argv = process.argv.slice(2);
const parser = globals(yargs(argv))
  .scriptName("trellis")
  .usage("$0 COMMAND: a gateway of an encrypted mesh")
  .demandCommand(1, "error: a command is missing\nhint: trellis --help lists them")
  .strict()
  .completion("completion", "print a completion script for bash or zsh")
  .version("0.1.0")
  .wrap(Math.min(110, process.stdout.columns ?? 80))
  .epilogue("exit codes: 0 done, 1 failed, 2 usage, 3 no daemon, 4 invite refused")
  .fail((message, error) => {
    if (error) throw error;
    console.error(message);
    process.exit(EXIT.usage);
  });

/** yargs infers its own types for arguments; the table of options beside each command is what they are. */
function add<T>(c: Command<T>): void {
  parser.command(
    c.command,
    c.describe,
    (y) => void c.options(y),
    (args) => c.run(args as unknown as T & Globals),
  );
}

add(init);
add(run);
add(invite);
add(join);
add(status);
add(peers);
add(ping);
add(send);
add(receive);
add(rekey);
add(revoke);
add(doctor);
add(keys);
add(down);

await parser.parseAsync().catch((thrown: unknown) => fail(thrown, argv.includes("--json")));
