/** The compiler, flags and libraries of each machine kind. The other kind's libraries go into a private folder, not into the system. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TrellisError } from "../runtime/base/errors.ts";

export type Arch = "x64" | "arm64";

interface Machine {
  readonly compiler: string;
  readonly compilerPackage: string;
  readonly debian: string;
  readonly triplet: string;
  /** Debian packages whose headers and libraries the addon is compiled against. */
  readonly libraries: readonly string[];
}

const LIBRARIES = ["libssl-dev", "libssl3", "libbpf-dev"];

const MACHINES: Record<Arch, Machine> = {
  x64: {
    compiler: "x86_64-linux-gnu-g++",
    compilerPackage: "g++-x86-64-linux-gnu",
    debian: "amd64",
    triplet: "x86_64-linux-gnu",
    libraries: [...LIBRARIES, "libipsec-mb-dev"],
  },
  arm64: {
    compiler: "aarch64-linux-gnu-g++",
    compilerPackage: "g++-aarch64-linux-gnu",
    debian: "arm64",
    triplet: "aarch64-linux-gnu",
    libraries: LIBRARIES,
  },
};

const COMPILE_FLAGS = [
  "-std=c++20",
  "-O2",
  "-g",
  "-fPIC",
  "-fvisibility=hidden",
  "-fvisibility-inlines-hidden",
  "-fstack-protector-strong",
  "-D_FORTIFY_SOURCE=2",
  "-D_GNU_SOURCE",
  "-DNAPI_VERSION=8",
  "-Wall",
  "-Wextra",
  "-Inode_modules/node-api-headers/include",
  "-Inative/lib",
  "-Inative/binding",
  "-Ibpf",
];

/** The C++ library goes in, so that the addon asks a gateway for libc and libcrypto only. libbpf and libipsec-mb are opened when wanted. */
const LINK_FLAGS = [
  "-shared",
  "-pthread",
  "-static-libstdc++",
  "-static-libgcc",
  "-Wl,-z,relro,-z,now",
  "-Wl,--exclude-libs,ALL",
];

export interface Toolchain {
  readonly compiler: string;
  readonly version: string;
  readonly compileFlags: readonly string[];
  readonly linkFlags: readonly string[];
}

export const isArch = (text: string | undefined): text is Arch => text === "x64" || text === "arm64";

/** This machine's kind. Throws `build/arch` on a machine we have no build for. */
export function hostArch(): Arch {
  if (isArch(process.arch)) return process.arch;
  throw new TrellisError("build/arch", `no build for ${process.arch}`, { hint: "Trellis runs on x64 and arm64" });
}

/** Finds what compiles for `arch`; fetches the other architecture's libraries into `build/sysroot` when it is not ours. */
export async function toolchainFor(arch: Arch, root: string, log: (line: string) => void): Promise<Toolchain> {
  const native = arch === hostArch();
  const machine = MACHINES[arch];
  const name = native ? "g++" : machine.compiler;
  const compiler = Bun.which(name);
  if (!compiler) throw missing(name, native ? "g++" : machine.compilerPackage);
  const version = await output([compiler, "--version"], "build/failed");
  if (native) {
    needHeader("/usr/include/openssl/evp.h", "libssl-dev");
    needHeader("/usr/include/bpf/libbpf.h", "libbpf-dev");
    return { compiler, version, compileFlags: COMPILE_FLAGS, linkFlags: [...LINK_FLAGS, "-lcrypto", "-ldl"] };
  }
  const usr = join(await fetchSysroot(machine, root, log), "usr");
  const includes = [`-I${usr}/include/${machine.triplet}`, `-I${usr}/include`];
  return {
    compiler,
    version,
    compileFlags: [...COMPILE_FLAGS, ...includes],
    linkFlags: [...LINK_FLAGS, `-L${usr}/lib/${machine.triplet}`, "-lcrypto", "-ldl"],
  };
}

const missing = (what: string, debianPackage: string): TrellisError =>
  new TrellisError("build/tool-missing", `${what} is not installed`, { hint: `apt-get install ${debianPackage}` });

function needHeader(path: string, debianPackage: string): void {
  if (!existsSync(path)) throw missing(path, debianPackage);
}

/**
 * Downloads and unpacks the packages of another architecture with a private apt state, so that the system's own list of
 * architectures and packages stays as it is. Checked by apt against the archive's signatures like any install.
 */
async function fetchSysroot(machine: Machine, root: string, log: (line: string) => void): Promise<string> {
  const folder = join(root, "build/sysroot", machine.debian);
  const done = join(folder, ".complete");
  if (existsSync(done)) return folder;
  if (!Bun.which("apt-get")) throw missing("apt-get", "apt");
  log(`build/sysroot/${machine.debian}: ${machine.libraries.join(", ")}`);
  const state = join(root, "build/sysroot", `apt-${machine.debian}`);
  for (const part of ["state/lists/partial", "cache/archives/partial", "debs"])
    mkdirSync(join(state, part), { recursive: true });
  writeFileSync(join(state, "status"), "");
  const options = [
    `APT::Architecture=${machine.debian}`,
    `APT::Architectures=${machine.debian}`,
    `Dir::State=${state}/state`,
    `Dir::State::status=${state}/status`,
    `Dir::Cache=${state}/cache`,
    "APT::Sandbox::User=root",
    "Acquire::Languages=none",
  ].flatMap((option) => ["-o", option]);
  const hint = `the archive that this machine's apt uses must have ${machine.debian} packages`;
  await output(["apt-get", ...options, "-q", "update"], "build/sysroot", { hint });
  await output(["apt-get", ...options, "-q", "download", ...machine.libraries], "build/sysroot", {
    cwd: join(state, "debs"),
    hint,
  });
  mkdirSync(folder, { recursive: true });
  for (const deb of readdirSync(join(state, "debs")))
    await output(["dpkg-deb", "-x", join(state, "debs", deb), folder], "build/sysroot");
  writeFileSync(done, "");
  return folder;
}

async function output(command: string[], code: string, options: { cwd?: string; hint?: string } = {}): Promise<string> {
  const cwd = options.cwd ? { cwd: options.cwd } : {};
  const child = Bun.spawn(command, { ...cwd, stdout: "pipe", stderr: "pipe" });
  const [out, err, status] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  if (status === 0) return out;
  throw new TrellisError(code, `${command.join(" ")}\n${err || out}`, options.hint ? { hint: options.hint } : {});
}
