/** Makes the program of this tree one file with bytecode, `build/program/`: `runtime/cli/prepared.io.ts` says when a start takes it. */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join, relative } from "node:path";
import { TrellisError } from "../runtime/base/errors.ts";
import { hashOf, type Made, PREPARED, preparedProgram } from "../runtime/cli/prepared.io.ts";

const ROOT = join(import.meta.dir, "..");
/** ms by which a file's time may be behind the clock: the kernel's tick. */
const TICK = 10;

/** Does nothing where the one that is there counts. Throws `build/failed`. */
export async function prepare(log: (line: string) => void = () => {}, made = PREPARED): Promise<void> {
  if (preparedProgram(made)) return;
  log(relative(ROOT, made.program));
  const began = Date.now() - TICK;
  const folder = dirname(made.program);
  const fresh = `${folder}.new`;
  for (const old of [made.made, fresh]) rmSync(old, { recursive: true, force: true });
  mkdirSync(fresh, { recursive: true });
  const { success, logs, metafile } = await Bun.build({
    entrypoints: [join(ROOT, "runtime/cli/program.ts")],
    outdir: fresh,
    target: "bun",
    format: "cjs", // the only one for which there is bytecode outside an executable
    bytecode: true,
    minify: { whitespace: true, syntax: true },
    define: { "import.meta.resolve": "undefined" }, // yargs has it for configuration files that extend others; CommonJS has it not
    external: ["classic-level"], // it looks for its native part beside its own files
    metafile: true,
    throw: false,
  });
  if (!success || !metafile) throw new TrellisError("build/failed", logs.map(String).join("\n"));
  const files = Object.keys(metafile.inputs).map((path) => relative(ROOT, join(ROOT, path)));
  const hash = hashOf(files);
  const isOlder = (file: string): boolean => statSync(join(ROOT, file)).mtimeMs < began;
  if (!hash || !files.every(isOlder))
    throw new TrellisError("build/failed", "a file of the program changed while it was prepared", {
      hint: "build again",
    });
  for (const name of readdirSync(fresh)) sync(join(fresh, name));
  rmSync(folder, { recursive: true, force: true });
  renameSync(fresh, folder);
  writeFileSync(`${made.made}.new`, JSON.stringify({ files, hash } satisfies Made));
  sync(`${made.made}.new`);
  renameSync(`${made.made}.new`, made.made);
}

/** What `made` vouches for is whole after a power cut, too. */
function sync(path: string): void {
  const fd = openSync(path, "r");
  try {
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}
