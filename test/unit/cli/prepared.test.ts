/** The program in one file is run only while it is what the sources say. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { prepare } from "../../../native/prepare.ts";
import { version } from "../../../package.json";
import { hashOf, type Made, preparedProgram } from "../../../runtime/cli/prepared.io.ts";
import { run } from "../../help/shell.ts";

const ROOT = join(import.meta.dir, "../../..");
const place = mkdtempSync(join(tmpdir(), "trellis-prepared-"));
afterAll(() => rmSync(place, { recursive: true, force: true }));

const at = (name: string) => ({ program: join(place, name, "program.js"), made: join(place, name, "made.json") });

describe("a prepared program", () => {
  const mine = at("own");
  beforeAll(() => prepare(() => {}, mine));

  test("is there, of every file that a daemon reads", () => {
    expect(preparedProgram(mine)).toBe(mine.program);
    const { files } = JSON.parse(readFileSync(mine.made, "utf8")) as Made;
    expect(files).toContain("runtime/node.ts");
    expect(files).toContain("runtime/sync/broker.io.ts");
    expect(files).toContain("package.json");
    expect(files).toContain("provisioning/systemd/trellis.service");
  });

  test("does what the sources do", async () => {
    const code = `await require(${JSON.stringify(mine.program)}).main(["--version"])`;
    const { code: exit, stdout } = await run([process.execPath, "-e", code]);
    expect([exit, stdout]).toEqual([0, expect.stringContaining(`trellis ${version}\n`)]);
  });

  test("is not made again while it counts", async () => {
    const made: string[] = [];
    await prepare((line) => made.push(line), mine);
    expect(made).toEqual([]);
  });
});

describe("of a file that", () => {
  const source = join(place, "source.ts");
  const files = ["package.json", relative(ROOT, source)];
  const mine = at(".");
  const made = (): void => {
    writeFileSync(source, "export const a = 1;\n");
    writeFileSync(mine.made, JSON.stringify({ files, hash: hashOf(files) as string } satisfies Made));
  };

  test("is as it was, it counts", () => {
    made();
    expect(preparedProgram(mine)).toBe(mine.program);
  });

  test("has changed by one sign, it does not", () => {
    made();
    writeFileSync(source, "export const a = 2;\n");
    expect(preparedProgram(mine)).toBeUndefined();
  });

  test("is gone, it does not", () => {
    made();
    rmSync(source);
    expect(preparedProgram(mine)).toBeUndefined();
  });

  test("is as it was, but what says so is damaged, it does not", () => {
    made();
    writeFileSync(mine.made, "");
    expect(preparedProgram(mine)).toBeUndefined();
  });

  test("nobody has prepared, there is none", () => {
    expect(preparedProgram(at("nowhere"))).toBeUndefined();
  });
});
