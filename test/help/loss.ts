/** A device that loses a share of what it receives, or all of a kind: a small BPF program at its tc ingress (there is no netem here). */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { must } from "./shell.ts";

const OUT = join(import.meta.dir, "../../build/test-bpf");
const INCLUDE = `/usr/include/${process.arch === "arm64" ? "aarch64" : "x86_64"}-linux-gnu`;

/** Puts a command into the device's namespace. */
type Inside = (...command: readonly string[]) => string[];

export const losePackets = (percent: number, device: string, inside: Inside): Promise<void> =>
  filter("loss", `LOSS_PERCENT=${percent}`, device, inside);

/** UDP over IPv4 to this port. */
export const dropPort = (port: number, device: string, inside: Inside): Promise<void> =>
  filter("drop", `PORT=${port}`, device, inside);

/** IP packets longer than this, in both directions, without a word: a way whose MTU nobody tells. */
export async function narrow(bytes: number, device: string, inside: Inside): Promise<void> {
  await filter("narrow", `LONGEST=${bytes}`, device, inside);
  const object = join(OUT, `narrow-LONGEST=${bytes}.o`);
  await must(inside("tc", "filter", "add", "dev", device, "egress", "bpf", "da", "obj", object, "sec", "tc"));
}

async function filter(name: string, constant: string, device: string, inside: Inside): Promise<void> {
  mkdirSync(OUT, { recursive: true });
  const object = join(OUT, `${name}-${constant}.o`);
  const flags = ["-target", "bpf", "-O2", "-g", `-D${constant}`, `-I${INCLUDE}`];
  await must(["clang", ...flags, "-c", join(import.meta.dir, `${name}.bpf.c`), "-o", object]);
  await must(inside("tc", "qdisc", "add", "dev", device, "clsact"));
  await must(inside("tc", "filter", "add", "dev", device, "ingress", "bpf", "da", "obj", object, "sec", "tc"));
}
