import { existsSync } from "node:fs";
import { chmod, copyFile, mkdir, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import unit from "../../provisioning/systemd/trellis.service" with { type: "text" };
import { TrellisError } from "../base/errors.ts";
import { path } from "../config/parsers.ts";
import { embeddedFiles } from "../dataplane/embedded.ts";
import { command, option } from "./command.ts";
import { completionScript } from "./completion.ts";
import { print } from "./context.ts";

const PROGRAM = "/usr/local/bin/trellis";
const UNIT = "/etc/systemd/system/trellis.service";
const COMPLETION = {
  bash: "/etc/bash_completion.d/trellis",
  zsh: "/usr/local/share/zsh/site-functions/_trellis",
  fish: "/etc/fish/completions/trellis.fish",
} as const;

export const service = command({
  name: "service",
  doc: "install the executable as a systemd service, or remove it",
  positionals: { action: { doc: "what to do", choices: ["install", "remove"] } },
  options: {
    into: option({
      key: "into",
      fallback: "/",
      unit: "",
      doc: "the root of the system, for who builds an image",
      parse: path,
    }),
  },
  examples: [
    ["trellis service install", "program, unit, completion; then: systemctl enable --now trellis"],
    ["trellis service install --into /mnt/image", "the same into an image"],
    ["trellis service remove", "after: systemctl disable --now trellis; keys and state stay"],
  ],
  async run(args) {
    const at = (file: string): string => join(args.into, file);
    const files = [PROGRAM, UNIT, ...Object.values(COMPLETION)];
    if (args.action === "remove") {
      for (const file of files) await guarded(at(file), () => rm(at(file), { force: true }));
      const told = reload(args.into);
      return print(args, { removed: files.map(at), reloaded: told }, () => [...files.map((f) => `removed ${at(f)}`)]);
    }
    if (!embeddedFiles())
      throw new TrellisError("service/source", "this runs from its sources, and a service needs the executable", {
        hint: "`just build`, then dist/trellis service install",
      });
    await put(at(PROGRAM), (to) => copyFile(process.execPath, to), 0o755);
    await put(at(UNIT), (to) => writeFile(to, unit), 0o644);
    for (const [shell, file] of Object.entries(COMPLETION))
      await put(at(file), (to) => writeFile(to, `${completionScript(shell)}\n`), 0o644);
    const reloaded = reload(args.into);
    print(args, { installed: files.map(at), reloaded }, () => [
      ...files.map((file) => `installed ${at(file)}`),
      "next: trellis init or trellis join, then systemctl enable --now trellis",
    ]);
  },
});

/** Whole, or not at all: a program that runs keeps its own file. */
async function put(file: string, write: (to: string) => Promise<void>, mode: number): Promise<void> {
  const fresh = `${file}.new`;
  await guarded(file, async () => {
    await mkdir(dirname(file), { recursive: true });
    await write(fresh);
    await chmod(fresh, mode);
    await rename(fresh, file);
  });
}

async function guarded(file: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (cause) {
    throw new TrellisError("service/write", `cannot change ${file}`, { cause, hint: "run it as root" });
  }
}

/** Tells a running systemd; an image has none. */
function reload(into: string): boolean {
  if (into !== "/" || !existsSync("/run/systemd/system")) return false;
  return Bun.spawnSync(["systemctl", "daemon-reload"]).success;
}
