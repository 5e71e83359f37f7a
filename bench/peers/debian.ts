/**
 * Programs of Debian: those that are installed, and those of the next release, which are never installed. The latter are fetched
 * with lists of their own from the mirror that this machine's own sources name, checked by apt's signatures as always, and unpacked
 * under build/.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { must, run } from "../../test/help/shell.ts";
import type { Found } from "./peer.ts";

const FOLDER = join(import.meta.dir, "../../build/debian-13");
const ROOT = join(FOLDER, "root");
const RELEASE = "trixie";
const KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg";

type Missing = { readonly missing: string };

/** Programs that the machine has, with the version of their package. */
export async function installed(pkg: string, ...names: readonly string[]): Promise<Found | Missing> {
  const programs: Record<string, string> = {};
  for (const name of names) {
    const path = Bun.which(name) ?? Bun.which(name, { PATH: "/usr/sbin:/sbin" });
    if (!path) return { missing: `no \`${name}\` on this machine; package ${pkg}` };
    programs[name] = path;
  }
  const { stdout } = await run(["dpkg-query", "-W", pkg]);
  return { programs, version: stdout.trim().split("\t")[1] ?? "not from a package" };
}

/** Where this machine gets Debian's main archive from. */
async function mirror(): Promise<string | undefined> {
  if (!Bun.which("apt-get")) return undefined;
  const format = ["--format", "$(ORIGIN) $(LABEL) $(REPO_URI)", "Created-By: Packages"];
  const { stdout } = await run(["apt-get", "indextargets", ...format]);
  return /^Debian Debian (\S+)$/m.exec(stdout)?.[1];
}

const options = (): string[] =>
  Object.entries({
    "Dir::Etc::sourcelist": join(FOLDER, "sources.list"),
    "Dir::Etc::sourceparts": "/dev/null",
    "Dir::State": join(FOLDER, "state"),
    "Dir::State::status": "/dev/null",
    "Dir::Cache": join(FOLDER, "cache"),
    "Acquire::Languages": "none",
    "APT::Sandbox::User": "root", // the folder is ours alone
  }).flatMap(([name, value]) => ["-o", `${name}=${value}`]);

let listed: Promise<Missing | undefined> | undefined;

/** Fetches the release's list of packages, once in this process. */
async function list(): Promise<Missing | undefined> {
  const from = await mirror();
  if (!from) return { missing: "this machine's sources name no archive of Debian" };
  if (!existsSync(KEYRING)) return { missing: `no ${KEYRING}` };
  for (const folder of ["state/lists/partial", "cache/archives/partial", "packages"])
    mkdirSync(join(FOLDER, folder), { recursive: true });
  writeFileSync(join(FOLDER, "sources.list"), `deb [signed-by=${KEYRING}] ${from} ${RELEASE} main\n`);
  const { code, stderr } = await run(["apt-get", "-q", ...options(), "-o", "APT::Update::Error-Mode=any", "update"]);
  return code === 0 ? undefined : { missing: `apt-get could not list ${RELEASE}: ${lastLine(stderr)}` };
}

const lastLine = (text: string): string => text.trim().split("\n").at(-1) ?? "";

/** The package file once it was fetched. */
const fetched = (pkg: string): string | undefined =>
  existsSync(join(FOLDER, "packages"))
    ? readdirSync(join(FOLDER, "packages")).find((f) => f.startsWith(`${pkg}_`) && f.endsWith(".deb"))
    : undefined;

/** Programs of a package of Debian 13; kept from one run to the next. */
export async function ofDebian13(pkg: string, ...names: readonly string[]): Promise<Found | Missing> {
  if (!fetched(pkg)) {
    listed ??= list();
    const problem = await listed;
    if (problem) return problem;
    const download = ["apt-get", "-q", ...options(), "download", pkg];
    const child = Bun.spawn(download, { cwd: join(FOLDER, "packages"), stdout: "ignore", stderr: "pipe" });
    const said = await new Response(child.stderr).text();
    if ((await child.exited) !== 0) return { missing: `apt-get could not fetch ${pkg}: ${lastLine(said)}` };
  }
  const file = join(FOLDER, "packages", fetched(pkg) as string);
  await must(["dpkg", "-x", file, ROOT]);
  const programs: Record<string, string> = {};
  for (const name of names) {
    const path = ["usr/bin", "usr/sbin"].map((bin) => join(ROOT, bin, name)).find(existsSync);
    if (!path) return { missing: `package ${pkg} has no \`${name}\`` };
    const linked = (await run(["ldd", path])).stdout;
    if (linked.includes("not found")) return { missing: `\`${name}\` needs libraries that this machine does not have` };
    programs[name] = path;
  }
  return { programs, version: await must(["dpkg-deb", "-f", file, "Version"]).then((v) => v.trim()) };
}
