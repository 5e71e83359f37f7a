/** The programs load on an older kernel than this machine's: what a verifier of today lets pass one of then need not. */
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { debianKernel, loadThere } from "../help/old-kernel.ts";
import { able } from "../help/require.ts";

const FILE = "test/bpf/kernels.test.ts";
const OBJECTS = join(import.meta.dir, "../../build/bpf");
const here = able(FILE, "x64", "addon", "command:qemu-system-x86_64", "command:busybox", "command:bpftool");

/** Undefined, and the reason printed, where the mirror cannot be reached. */
const kernel = here
  ? await debianKernel().catch((thrown: Error) => console.log(`SKIP ${FILE}: no kernel of Debian's: ${thrown.message}`))
  : undefined;

describe.skipIf(!kernel)("Debian's kernel", () => {
  test("loads every program", async () => {
    const objects = readdirSync(OBJECTS).filter((name) => name.endsWith(".bpf.o"));
    const printed = await loadThere(
      kernel as string,
      objects.map((name) => join(OBJECTS, name)),
    );
    console.log(`loaded by Linux ${/KERNEL (\S+)/.exec(printed)?.[1]}`);
    expect(printed).toContain("END");
    const loaded = [...printed.matchAll(/^LOADED (\S+)/gm)].map((m) => m[1] as string);
    expect(loaded.length === objects.length ? "" : printed).toBe("");
    expect(loaded.sort()).toEqual(objects.sort());
  });
});
