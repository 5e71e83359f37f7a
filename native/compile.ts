/**
 * Makes Trellis one executable: `runtime/main.ts`, the runtime, the addon and the BPF objects in one file.
 *
 *   bun native/compile.ts [--arch x64|arm64]
 *
 * `dist/trellis` is for this machine, `dist/trellis-linux-<arch>` for the other kind. Without `--arch` both are made, and the
 * other kind is left out, with the reason, where its cross compiler is not installed.
 */
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import type { BunPlugin } from "bun";
import { TrellisError } from "../runtime/base/errors.ts";
import { addonPath, bpfPath, buildAddon, buildBpf, ROOT, requireTool } from "./build.ts";
import { type Arch, hostArch, isArch } from "./toolchain.ts";

const BUN_PACKAGE: Record<Arch, string> = { x64: "@oven/bun-linux-x64", arm64: "@oven/bun-linux-aarch64" };
const BUN_TARGET = { x64: "bun-linux-x64", arm64: "bun-linux-arm64" } as const;
const STRIP: Record<Arch, string> = { x64: "x86_64-linux-gnu-strip", arm64: "aarch64-linux-gnu-strip" };
/** Level's prebuilt native part, by the lock file's hash. */
const LEVEL: Record<Arch, string> = {
  x64: "linux-x64/classic-level.node",
  arm64: "linux-arm64/classic-level.armv8.node",
};
const levelPath = (arch: Arch): string => join(ROOT, "node_modules/classic-level/prebuilds", LEVEL[arch]);
const ARCHES: readonly Arch[] = ["x64", "arm64"];

export const executablePath = (arch: Arch): string =>
  join(ROOT, "dist", arch === hostArch() ? "trellis" : `trellis-linux-${arch}`);

/** Builds everything that goes in, then the executable; returns its path. Throws `build/*`. */
export async function compile(arch: Arch, log: (line: string) => void = () => {}): Promise<string> {
  await buildAddon(arch, log);
  await buildBpf(log);
  const runtime = arch === hostArch() ? {} : { executablePath: await foreignRuntime(arch, log) };
  const output = executablePath(arch);
  const made = join(folderOf(arch), "trellis");
  const entry = writeEntry(arch, await strippedAddon(arch));
  log(output.slice(ROOT.length + 1));
  mkdirSync(join(ROOT, "dist"), { recursive: true });
  await bundle(entry, made, arch, runtime);
  renameSync(made, output); // one that is running keeps its file
  return output;
}

async function bundle(entry: string, outfile: string, arch: Arch, runtime: { executablePath?: string }): Promise<void> {
  // A gateway's working directory is no place to take settings from.
  const closed = { autoloadDotenv: false, autoloadBunfig: false };
  const { success, logs } = await Bun.build({
    entrypoints: [entry],
    compile: { target: BUN_TARGET[arch], outfile, ...closed, ...runtime },
    minify: { whitespace: true, syntax: true, identifiers: true, keepNames: true },
    bytecode: true,
    format: "esm",
    plugins: [LEVEL_FROM_INSIDE],
    throw: false,
  });
  if (!success) throw new TrellisError("build/failed", logs.map(String).join("\n"));
}

/** Level looks for its native part beside its own files; in the executable that part lies elsewhere. */
const LEVEL_FROM_INSIDE: BunPlugin = {
  name: "level from inside",
  setup(build) {
    const from = JSON.stringify(join(ROOT, "runtime/store/level-addon.io.ts"));
    build.onLoad({ filter: /\/classic-level\/binding\.js$/ }, () => ({
      contents: `module.exports = require(${from}).levelAddon();`,
      loader: "js",
    }));
  },
};

/** Debug information stays in `build/`; the executable carries 4 % of it. */
async function strippedAddon(arch: Arch): Promise<string> {
  const stripped = join(folderOf(arch), "trellis.node");
  mkdirSync(folderOf(arch), { recursive: true });
  copyFileSync(addonPath(arch), stripped);
  const tool =
    arch === hostArch() ? requireTool("strip", "binutils") : requireTool(STRIP[arch], "binutils-aarch64-linux-gnu");
  await run([tool, "--strip-unneeded", stripped]);
  return stripped;
}

const folderOf = (arch: Arch): string => join(ROOT, "build/compile", arch);

/** The entry point says which files are inside before the program's own modules run: imports run in order. */
function writeEntry(arch: Arch, addon: string): string {
  const folder = folderOf(arch);
  const from = (path: string): string => JSON.stringify(path);
  writeFileSync(
    join(folder, "embed.ts"),
    [
      `import addon from ${from(addon)} with { type: "file" };`,
      `import ingress from ${from(bpfPath("ingress"))} with { type: "file" };`,
      `import steering from ${from(bpfPath("steering"))} with { type: "file" };`,
      `import relayTc from ${from(bpfPath("relay_tc"))} with { type: "file" };`,
      `import relayXdp from ${from(bpfPath("relay_xdp"))} with { type: "file" };`,
      `import mesh from ${from(bpfPath("mesh"))} with { type: "file" };`,
      `import { embed } from ${from(join(ROOT, "runtime/dataplane/embedded.ts"))};`,
      `import level from ${from(levelPath(arch))} with { type: "file" };`,
      `import { embedLevel } from ${from(join(ROOT, "runtime/store/level-addon.io.ts"))};`,
      "embed({ addon, ingress, steering, relayTc, relayXdp, mesh });",
      "embedLevel(level);",
      "",
    ].join("\n"),
  );
  const entry = join(folder, "trellis.ts");
  writeFileSync(entry, `import "./embed.ts";\nimport ${from(join(ROOT, "runtime/main.ts"))};\n`);
  return entry;
}

/** The runtime for another machine, from the registry that npm uses here, checked against our lock file. */
async function foreignRuntime(arch: Arch, log: (line: string) => void): Promise<string> {
  const { version, integrity } = locked(BUN_PACKAGE[arch]);
  const folder = join(ROOT, "build/bun", `${arch}-${version}`);
  const binary = join(folder, "package/bin/bun");
  if (existsSync(binary)) return binary;
  log(`build/bun/${arch}-${version}`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const npm = requireTool("npm", "npm");
  await run([npm, "pack", "--silent", `${BUN_PACKAGE[arch]}@${version}`, "--pack-destination", folder]);
  const [name] = readdirSync(folder);
  const archive = join(folder, name ?? "");
  const got = `sha512-${createHash("sha512").update(readFileSync(archive)).digest("base64")}`;
  if (got !== integrity) {
    rmSync(folder, { recursive: true });
    throw new TrellisError("build/integrity", `${name} is not what package-lock.json names`, {
      hint: `wanted ${integrity}, got ${got}`,
    });
  }
  await run(["tar", "-xzf", archive, "-C", folder]);
  rmSync(archive);
  return binary;
}

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly integrity?: string }>>;
}

function locked(name: string): { version: string; integrity: string } {
  const lock = JSON.parse(readFileSync(join(ROOT, "package-lock.json"), "utf8")) as LockFile;
  const { version, integrity } = lock.packages[`node_modules/${name}`] ?? {};
  if (version && integrity) return { version, integrity };
  throw new TrellisError("build/lock", `package-lock.json does not name ${name}`);
}

async function run(command: string[]): Promise<void> {
  const child = Bun.spawn(command, { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (code !== 0) throw new TrellisError("build/failed", `${command.join(" ")}\n${err || out}`);
}

function explain(error: unknown): void {
  if (!(error instanceof TrellisError)) throw error;
  console.error(`${error.message}${error.hint ? `\nhint: ${error.hint}` : ""}`);
}

async function main(asked: string | undefined): Promise<number> {
  if (asked !== undefined && !isArch(asked)) {
    explain(new TrellisError("build/arch", `--arch takes x64 or arm64, not ${asked}`));
    return 1;
  }
  const log = (line: string): void => console.log(`build ${line}`);
  const other = ARCHES.filter((arch) => arch !== hostArch());
  try {
    await compile(asked ?? hostArch(), log);
    if (asked) return 0;
  } catch (error) {
    explain(error);
    return 1;
  }
  for (const arch of other) {
    try {
      await compile(arch, log);
    } catch (error) {
      if (!(error instanceof TrellisError) || error.code !== "build/tool-missing") {
        explain(error);
        return 1;
      }
      console.log(`no executable for ${arch}: ${error.message} (${error.hint ?? ""})`);
    }
  }
  return 0;
}

if (import.meta.main) {
  const at = process.argv.indexOf("--arch");
  process.exit(await main(at < 0 ? undefined : (process.argv[at + 1] ?? "")));
}
