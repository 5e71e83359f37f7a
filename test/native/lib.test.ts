/** The C++ tests of `native/lib`, compiled with address and undefined-behaviour sanitizers and run as one program. */
import { describe, expect, test } from "bun:test";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { runSteps, type Step } from "../../native/build.ts";
import { able } from "../help/require.ts";

const ROOT = join(import.meta.dir, "../..");
const OUT = join(ROOT, "build/native/test");

/** What the tunnel consists of; the rest of `native/lib` talks to the kernel only and is tested through the addon. */
const PARTS = [
  "aead",
  "aead_ipsec_mb",
  "aead_libcrypto",
  "bpf_object",
  "coalesce",
  "endpoint",
  "homes",
  "inbound",
  "ip",
  "joiner",
  "libbpf",
  "links",
  "liveness",
  "measure",
  "memory",
  "outbound",
  "owners",
  "preference",
  "netlink_request",
  "pulse",
  "relay",
  "relay_book",
  "split",
  "steering",
  "too_big",
  "tun",
  "tunnel",
  "udp",
  "uplinks",
  "worker",
];
const FLAGS = [
  ...["-std=c++20", "-O1", "-g", "-Wall", "-Wextra", "-Werror"],
  ...["-fsanitize=address,undefined", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer"],
  ...["-Inative/lib", "-Inative/test", "-Ibpf"],
];

async function run(command: readonly string[]): Promise<{ code: number; text: string }> {
  const child = Bun.spawn([...command], { cwd: ROOT, stdout: "pipe", stderr: "pipe" });
  const [out, err, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  return { code, text: out + err };
}

async function build(): Promise<string> {
  const tests = readdirSync(join(ROOT, "native/test")).filter((name) => name.endsWith(".cc"));
  const sources = [...PARTS.map((part) => `native/lib/${part}.cc`), ...tests.map((name) => `native/test/${name}`)];
  const objects = sources.map((source): Step => {
    const output = join(OUT, `${source.replaceAll("/", "-")}.o`);
    const depfile = `${output}.d`;
    const command = ["g++", ...FLAGS, "-MD", "-MF", depfile, "-c", source, "-o", output];
    return { output, inputs: [source], depfile, command };
  });
  const program = join(OUT, "lib-test");
  const inputs = objects.map((step) => step.output);
  const command = ["g++", ...FLAGS, ...inputs, "-lcrypto", "-ldl", "-pthread", "-o", program];
  await runSteps(objects, "", () => {});
  await runSteps([{ output: program, inputs, command }], "", () => {});
  return program;
}

describe.skipIf(!able("test/native/lib.test.ts", "command:g++"))("the native library", () => {
  test("passes its own tests under the sanitizers", async () => {
    const { code, text } = await run([await build()]);
    const summary = /^(\d+) passed, (\d+) failed$/m.exec(text);
    console.log(`native/test: ${summary?.[0] ?? text}`);
    expect(code === 0 ? "" : text).toBe("");
    expect(Number(summary?.[1])).toBeGreaterThan(25);
    expect(summary?.[2]).toBe("0");
  });
});
