/**
 * Prepares the program (`prepare.ts`), compiles the addon (`native/`) and the BPF objects (`bpf/`), all into `build/`. Incremental: an object is
 * made again when the text of anything it includes, the compiler or the flags changed.
 *
 *   bun native/build.ts [--arch x64|arm64] [--optional]     optional: a missing compiler is said, and is no failure
 */
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { TrellisError } from "../runtime/base/errors.ts";
import { prepare } from "./prepare.ts";
import { type Arch, hostArch, isArch, toolchainFor } from "./toolchain.ts";

export const ROOT = join(import.meta.dir, "..");

/** Two at a time: gateways and small virtual machines compile this too, and each g++ takes a few hundred MB. */
const JOBS = 2;

export const BPF_FLAGS = ["-target", "bpf", "-mcpu=v3", "-O2", "-g", "-std=gnu11", "-Wall", "-Wextra", "-Werror"];

export const addonPath = (arch: Arch): string => join(ROOT, "build/native", arch, "trellis.node");
export const bpfPath = (name: string): string => join(ROOT, "build/bpf", `${name}.bpf.o`);

/** One output file and the command that makes it. With `depfile` the inputs are what the compiler says it read. */
export interface Step {
  readonly output: string;
  readonly inputs: readonly string[];
  readonly command: readonly string[];
  readonly depfile?: string;
}

/** Builds the addon and returns its path. Throws `build/tool-missing` or `build/failed`. */
export async function buildAddon(arch: Arch = hostArch(), log: (line: string) => void = () => {}): Promise<string> {
  const tools = await toolchainFor(arch, ROOT, log);
  const out = join(ROOT, "build/native", arch);
  const sources = ["lib", "binding"].flatMap((part) => listed(`native/${part}`, ".cc"));
  const objects: Step[] = sources.map((source) => {
    const stem = join(out, "objects", source.replaceAll("/", "-").replace(/\.cc$/, ""));
    const output = `${stem}.o`;
    const flags = [...tools.compileFlags, "-MD", "-MF", `${stem}.d`];
    return {
      output,
      inputs: [source],
      depfile: `${stem}.d`,
      command: [tools.compiler, ...flags, "-c", source, "-o", output],
    };
  });
  await runSteps(objects, tools.version, log);
  const output = addonPath(arch);
  const command = [tools.compiler, ...objects.map((o) => o.output), ...tools.linkFlags, "-o", `${output}.new`];
  await runSteps([{ output, inputs: objects.map((o) => o.output), command }], tools.version, log);
  return output;
}

/** Compiles every `bpf/*.bpf.c` and returns the objects' paths. One object serves every little-endian machine. */
export async function buildBpf(log: (line: string) => void = () => {}): Promise<string[]> {
  const sources = listed("bpf", ".bpf.c");
  if (sources.length === 0) return [];
  const clang = requireTool("clang", "clang");
  const steps = sources.map((source): Step => {
    const output = join(ROOT, "build/bpf", basename(source).replace(/\.c$/, ".o"));
    const depfile = output.replace(/\.o$/, ".d");
    const flags = [...BPF_FLAGS, `-I${multiarchInclude()}`, "-Ibpf", "-MD", "-MF", depfile];
    return { output, inputs: [source], depfile, command: [clang, ...flags, "-c", source, "-o", output] };
  });
  await runSteps(steps, "", log);
  return steps.map((s) => s.output);
}

/** Full path of a program, or an error that names the Debian package that has it. */
export function requireTool(program: string, debianPackage: string): string {
  const path = Bun.which(program);
  if (path) return path;
  throw new TrellisError("build/tool-missing", `${program} is not installed`, {
    hint: `apt-get install ${debianPackage}`,
  });
}

/** clang for BPF does not look where Debian keeps `asm/types.h`. */
export function multiarchInclude(): string {
  return `/usr/include/${hostArch() === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;
}

const listed = (folder: string, ending: string): string[] =>
  existsSync(join(ROOT, folder))
    ? readdirSync(join(ROOT, folder))
        .filter((name) => name.endsWith(ending))
        .sort()
        .map((name) => `${folder}/${name}`)
    : [];

/** Runs the steps whose inputs, command or `salt` (such as the compiler's version) changed. Throws `build/failed`. */
export async function runSteps(steps: readonly Step[], salt: string, log: (line: string) => void): Promise<void> {
  const waiting = steps.filter((step) => !isFresh(step, salt));
  const worker = async (): Promise<void> => {
    for (let step = waiting.shift(); step; step = waiting.shift()) await runStep(step, salt, log);
  };
  await Promise.all(Array.from({ length: JOBS }, worker));
}

async function runStep(step: Step, salt: string, log: (line: string) => void): Promise<void> {
  mkdirSync(join(step.output, ".."), { recursive: true });
  rmSync(keyPath(step), { force: true });
  log(step.output.slice(ROOT.length + 1));
  const child = Bun.spawn([...step.command], { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
  const [text, code] = await Promise.all([new Response(child.stderr).text(), child.exited]);
  if (code !== 0)
    throw new TrellisError("build/failed", `${step.command.join(" ")}\n${text}`, {
      hint: "the compiler's message is above",
    });
  if (text) process.stderr.write(text);
  // A process may have the old addon mapped: replace the file, never write into it.
  if (existsSync(`${step.output}.new`)) renameSync(`${step.output}.new`, step.output);
  writeFileSync(keyPath(step), keyOf(step, salt));
}

const keyPath = (step: Step): string => `${step.output}.key`;

function isFresh(step: Step, salt: string): boolean {
  if (!existsSync(step.output) || !existsSync(keyPath(step))) return false;
  if (step.depfile && !existsSync(step.depfile)) return false;
  return readFileSync(keyPath(step), "utf8") === keyOf(step, salt);
}

function keyOf(step: Step, salt: string): string {
  const hash = createHash("sha256").update(salt).update(step.command.join("\0"));
  for (const path of step.depfile ? dependencies(step.depfile) : step.inputs) {
    const full = path.startsWith("/") ? path : join(ROOT, path);
    hash.update(`\0${path}\0`).update(existsSync(full) ? readFileSync(full) : "absent");
  }
  return hash.digest("hex");
}

/** Files named by a make rule as `-MD` writes it: `target: a b \` over several lines. */
function dependencies(depfile: string): string[] {
  const rule = readFileSync(depfile, "utf8").replaceAll("\\\n", " ");
  return rule
    .slice(rule.indexOf(":") + 1)
    .split(/\s+/)
    .filter(Boolean);
}

if (import.meta.main) {
  const at = process.argv.indexOf("--arch");
  const arch = at < 0 ? hostArch() : process.argv[at + 1];
  if (!isArch(arch)) throw new TrellisError("build/arch", `--arch takes x64 or arm64, not ${arch}`);
  try {
    const log = (line: string): void => console.log(`build ${line}`);
    await prepare(log);
    await buildAddon(arch, log);
    await buildBpf(log);
  } catch (error) {
    if (!(error instanceof TrellisError)) throw error;
    console.error(`${error.message}${error.hint ? `\nhint: ${error.hint}` : ""}`);
    process.exit(process.argv.includes("--optional") && error.code === "build/tool-missing" ? 0 : 1);
  }
}
