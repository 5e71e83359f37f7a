/** The C++ tests of `native/lib`, compiled with address and undefined-behaviour sanitizers and run as one program. */
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { able } from "../help/require.ts";

const ROOT = join(import.meta.dir, "../..");
const OUT = join(ROOT, "build/native/test");
const JOBS = 2; // each g++ takes a few hundred MB, and gateways compile this too

/** What the tunnel consists of; the rest of `native/lib` talks to the kernel only and is tested through the addon. */
const PARTS = [
  "aead",
  "coalesce",
  "endpoint",
  "inbound",
  "ip",
  "outbound",
  "relay",
  "relay_book",
  "split",
  "tun",
  "tunnel",
  "udp",
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

async function must(command: readonly string[]): Promise<void> {
  const { code, text } = await run(command);
  if (code !== 0) throw new Error(`${command.join(" ")}\n${text}`);
}

/** A hash over everything that goes into the program, so that a second run need not compile. */
function digest(): string {
  const hash = createHash("sha256").update(FLAGS.join(" "));
  for (const folder of ["native/lib", "native/test", "bpf"]) {
    const names = readdirSync(join(ROOT, folder)).filter((name) => /\.(cc|h)$/.test(name));
    for (const name of names.sort()) hash.update(`\0${name}\0`).update(readFileSync(join(ROOT, folder, name)));
  }
  return hash.digest("hex");
}

async function build(): Promise<string> {
  const program = join(OUT, "lib-test");
  const key = `${program}.key`;
  const wanted = digest();
  if (existsSync(program) && existsSync(key) && readFileSync(key, "utf8") === wanted) return program;
  mkdirSync(OUT, { recursive: true });
  const tests = readdirSync(join(ROOT, "native/test")).filter((name) => name.endsWith(".cc"));
  const sources = [...PARTS.map((part) => `native/lib/${part}.cc`), ...tests.map((name) => `native/test/${name}`)];
  const objects = sources.map((source) => join(OUT, `${source.replaceAll("/", "-")}.o`));
  const waiting = sources.map((source, i) => ["g++", ...FLAGS, "-c", source, "-o", objects[i] ?? ""]);
  const worker = async (): Promise<void> => {
    for (let command = waiting.shift(); command; command = waiting.shift()) await must(command);
  };
  await Promise.all(Array.from({ length: JOBS }, worker));
  await must(["g++", ...FLAGS, ...objects, "-lcrypto", "-pthread", "-o", program]);
  writeFileSync(key, wanted);
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
  }, 300_000);
});
