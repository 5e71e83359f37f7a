/** What a test file needs of the machine. A file that cannot run says why, once, and its tests count as skipped. */
import { existsSync } from "node:fs";
import { join } from "node:path";

const ROOT = join(import.meta.dir, "../..");
export const ADDON = join(ROOT, "build/native", process.arch, "trellis.node");

export type Requirement = "root" | "tun" | "netns" | "addon" | "x64" | `command:${string}`;

function lacks(need: Requirement): string | undefined {
  if (need.startsWith("command:")) {
    const name = need.slice("command:".length);
    return Bun.which(name) ? undefined : `no \`${name}\` on this machine`;
  }
  if (need === "x64") return process.arch === "x64" ? undefined : "for x86-64 only";
  if (need === "root") return process.getuid?.() === 0 ? undefined : "not root";
  if (need === "tun") return existsSync("/dev/net/tun") ? undefined : "no /dev/net/tun";
  if (need === "addon") return existsSync(ADDON) ? undefined : "the native addon is not built";
  return canMakeNamespaces() ? undefined : "network namespaces cannot be made here";
}

function canMakeNamespaces(): boolean {
  const probe = Bun.spawnSync(["unshare", "--net", "true"], { stderr: "ignore" });
  return probe.success;
}

/** Whether `file` can run here; prints the reason when not. Use with `describe.skipIf(!able)`. */
export function able(file: string, ...needs: readonly Requirement[]): boolean {
  const reasons = needs.map(lacks).filter((r) => r !== undefined);
  if (reasons.length > 0) console.log(`SKIP ${file}: ${reasons.join("; ")}`);
  return reasons.length === 0;
}
