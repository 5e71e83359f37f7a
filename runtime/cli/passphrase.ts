/** Asking for the passphrase of a root file or a backup: at the terminal without showing it, or from a file. Never from the command line. */
import { closeSync, openSync, readFileSync, readSync } from "node:fs";
import { TrellisError } from "../base/errors.ts";
import { path } from "../config/parsers.ts";
import { option } from "./command.ts";

/** Characters. Guessing costs a second and 128 MB each (seal-root.ts); four random words have more. */
const LENGTH_MIN = 12;

export const passphraseFile = option<string>({
  key: "passphrase-file",
  fallback: "",
  shown: "asked at the terminal",
  unit: "",
  doc: "its first line is the passphrase",
  parse: path,
});

/** For a new file: asked twice, and no short one. */
export async function newPassphrase(file: string, what = "the root file"): Promise<string> {
  const given = file === "" ? await ask(`passphrase for ${what}: `) : firstLine(file);
  if (given.length < LENGTH_MIN)
    throw new TrellisError("usage/passphrase", `the passphrase is shorter than ${LENGTH_MIN} characters`, {
      hint: "four words drawn by dice are good, and can be remembered",
    });
  if (file === "" && (await ask("the same again: ")) !== given)
    throw new TrellisError("usage/passphrase", "the two are not the same", { hint: "nothing was written; try again" });
  return given;
}

export const knownPassphrase = async (file: string, what = "the root file"): Promise<string> =>
  file === "" ? await ask(`passphrase of ${what}: `) : firstLine(file);

function firstLine(file: string): string {
  try {
    return readFileSync(file, "utf8").split("\n")[0]?.trimEnd() ?? "";
  } catch (cause) {
    throw new TrellisError("usage/passphrase", `cannot read the passphrase in ${file}`, {
      cause,
      hint: "is it there?",
    });
  }
}

const KEY = { interrupt: 3, end: [4, 10, 13], backspace: [8, 127] };

async function ask(question: string): Promise<string> {
  const { stdin, stderr } = process;
  if (!stdin.isTTY)
    throw new TrellisError("usage/passphrase", "there is no terminal to ask for the passphrase at", {
      hint: "give --passphrase-file",
    });
  const terminal = openSync("/dev/tty", "r");
  stderr.write(question);
  stdin.setRawMode(true); // no echo
  try {
    return typed(terminal);
  } finally {
    stdin.setRawMode(false);
    closeSync(terminal);
    stderr.write("\n");
  }
}

/** A line, key by key: what is typed ahead stays for the next question. */
function typed(terminal: number): string {
  const bytes: number[] = [];
  const one = new Uint8Array(1);
  for (;;) {
    const [byte] = readSync(terminal, one) === 1 ? one : [KEY.interrupt];
    if (byte === undefined || byte === KEY.interrupt)
      throw new TrellisError("usage/passphrase", "interrupted", { hint: "nothing was done" });
    if (KEY.end.includes(byte)) return new TextDecoder().decode(Uint8Array.from(bytes));
    if (KEY.backspace.includes(byte))
      while (isContinuation(bytes.pop())); // a whole character of UTF-8
    else bytes.push(byte);
  }
}

const isContinuation = (byte: number | undefined): boolean => byte !== undefined && (byte & 0xc0) === 0x80;
