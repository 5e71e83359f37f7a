/**
 * The program of a source tree in one file, with the engine's bytecode beside it (`native/prepare.ts` makes both): reading and translating more
 * than 400 files is half of what a start costs. It counts only while every file that it was made from has the same content, and for the same engine;
 * else the files themselves run.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { embeddedFiles } from "../dataplane/embedded.ts";

const ROOT = join(import.meta.dir, "../..");

/** What a prepared program was made from, written once it is complete. */
export interface Made {
  /** Paths from the root of the tree. */
  readonly files: readonly string[];
  readonly hash: string;
}

export const PREPARED = {
  program: join(ROOT, "build/program/program.js"),
  made: join(ROOT, "build/program/made.json"),
};

/** Its path; undefined where there is none, or one that was made from something else. */
export function preparedProgram({ program, made } = PREPARED): string | undefined {
  if (embeddedFiles()) return undefined;
  const from = madeFrom(made);
  return from && hashOf(from.files) === from.hash ? program : undefined;
}

/** Undefined where there is none, or one that is damaged. */
function madeFrom(path: string): Made | undefined {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as Made;
  } catch {
    return undefined;
  }
}

/** Of the files' content, the engine, and where the tree is, which stands in what is made; undefined where a file is missing. */
export function hashOf(files: readonly string[]): string | undefined {
  const hash = new Bun.CryptoHasher("sha256").update(`${Bun.revision}\0${ROOT}`);
  for (const file of files) {
    const content = read(join(ROOT, file));
    if (!content) return undefined;
    hash.update(`\0${file}\0${content.length}\0`).update(content);
  }
  return hash.digest("hex");
}

function read(path: string): Buffer | undefined {
  try {
    return readFileSync(path);
  } catch {
    return undefined;
  }
}
