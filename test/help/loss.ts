/** A device that loses a share of what it receives: a small BPF program at its tc ingress (there is no netem here). */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { must } from "./shell.ts";

const SOURCE = join(import.meta.dir, "loss.bpf.c");
const OUT = join(import.meta.dir, "../../build/test-bpf");
const INCLUDE = `/usr/include/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;

/** `inside` puts a command into the device's namespace. */
export async function losePackets(
  percent: number,
  device: string,
  inside: (...command: readonly string[]) => string[],
): Promise<void> {
  mkdirSync(OUT, { recursive: true });
  const object = join(OUT, `loss-${percent}.o`);
  const flags = ["-target", "bpf", "-O2", "-g", `-DLOSS_PERCENT=${percent}`, `-I${INCLUDE}`];
  await must(["clang", ...flags, "-c", SOURCE, "-o", object]);
  await must(inside("tc", "qdisc", "add", "dev", device, "clsact"));
  await must(inside("tc", "filter", "add", "dev", device, "ingress", "bpf", "da", "obj", object, "sec", "tc"));
}
