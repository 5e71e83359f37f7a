import { describe, expect, test } from "bun:test";
import { TrellisError } from "../../../runtime/base/errors.ts";
import { COMMANDS } from "../../../runtime/cli/commands.ts";
import { EXITS_TEXT, exitOf } from "../../../runtime/cli/exits.ts";
import { helpOf, overview } from "../../../runtime/cli/help.ts";
import { type Parsed, parseLine } from "../../../runtime/cli/parser.ts";
import { GLOBAL, RUN } from "../../../runtime/config/settings.ts";
import { fromCommandLine, settle } from "../../../runtime/config/settle.ts";

const parse = (line: string): Promise<Parsed> => parseLine(COMMANDS, line === "" ? [] : line.split(" "));
const refusal = async (line: string): Promise<TrellisError> => {
  const thrown = await parse(line).catch((error: unknown) => error);
  if (thrown instanceof TrellisError) return thrown;
  throw new Error(`"${line}" was taken`);
};

describe("global options", () => {
  const given = "--json --state-dir /s --log-level warn --config /c";
  test.each([
    ["before the command", `${given} status`],
    ["after the command", `status ${given}`],
    ["on both sides", "--json --state-dir /s status --log-level warn --config /c"],
    ["with = for a blank", "--json --state-dir=/s status --log-level=warn --config=/c"],
    ["around a positional", "--json --state-dir /s ping b --log-level warn --config /c"],
  ])("work %s", async (_, line) => {
    const { line: words } = await parse(line);
    expect(settle(GLOBAL, [fromCommandLine(words)]).values).toEqual({ json: true, stateDir: "/s", logLevel: "warn" });
    expect(words.config).toBe("/c");
  });

  test("given twice count as they were given last", async () => {
    const { line } = await parse("--state-dir /a --log-level warn status --state-dir /b --log-level debug");
    expect(settle(GLOBAL, [fromCommandLine(line)]).values).toMatchObject({ stateDir: "/b", logLevel: "debug" });
  });
});

describe("options of a command", () => {
  test("keep what looks like a number as it was written", async () => {
    expect((await parse("ping 00012345")).line.peer).toBe("00012345");
    expect((await parse("revoke b --reason 007")).line.reason).toBe("007");
  });

  test("that may be given more than once are joined", async () => {
    expect((await parse("invite --endpoint 192.0.2.1:1 --endpoint [::1]:2")).line.endpoint).toBe("192.0.2.1:1,[::1]:2");
  });

  test("have short forms", async () => {
    expect((await parse("ping b -c 1")).line.count).toBe("1");
  });

  test.each(["--no-device", "--device none"])("%s is no device", async (option) => {
    const { line } = await parse(`run ${option}`);
    expect(settle(RUN, [fromCommandLine(line)]).values.device).toBeUndefined();
  });
});

describe("a line that is wrong", () => {
  test.each([
    ["", "usage/command", "trellis --help lists them"],
    ["stauts", "usage/unknown", "did you mean status?"],
    ["--json stauts", "usage/unknown", "did you mean status?"],
    ["dwon", "usage/unknown", "did you mean down?"],
    ["frobnicate", "usage/unknown", "trellis --help"],
    ["run --prot 1", "usage/unknown", "did you mean --port? trellis run --help"],
    ["status --state-dri /s", "usage/unknown", "did you mean --state-dir?"],
    ["ping b --cuont 1", "usage/unknown", "did you mean --count?"],
    ["status extra", "usage/word", "trellis status --help"],
    ["ping", "usage/line", "for example trellis ping b"],
    ["init", "usage/line", "for example trellis init --name a"],
    ["run --port", "usage/line", "trellis run --help"],
    ["keys shw", "usage/word", "did you mean show?"],
  ])("%p is refused, with what was meant", async (line, code, hint) => {
    const { code: is, hint: told } = await refusal(line);
    expect({ is, told }).toEqual({ is: code, told: expect.stringContaining(hint) });
    expect(exitOf(is)).toBe(2);
  });
});

describe("help", () => {
  const pages = [
    ["the overview", overview(COMMANDS, EXITS_TEXT, 80)] as const,
    ...COMMANDS.map((c) => [`of ${c.name}`, helpOf(c, 80)] as const),
  ];
  test.each(pages)("%s fits 80 columns", (_, lines) => {
    expect(lines.filter((line) => line.length > 80)).toEqual([]);
  });

  test("the overview has one line for each command, and every exit code", () => {
    const text = overview(COMMANDS, EXITS_TEXT, 80);
    for (const c of COMMANDS)
      expect(text.filter((line) => line.startsWith(`  ${c.name}`) && line.endsWith(c.doc))).toHaveLength(1);
    expect(text.join(" ")).toContain("0 done, 1 failed, 2 usage or settings, 3 no daemon, 4 invite refused");
  });

  test("of run names every setting with its default", () => {
    const page = COMMANDS.filter((c) => c.name === "run").flatMap((c) => helpOf(c, 80));
    for (const row of [...Object.values(RUN), ...Object.values(GLOBAL)])
      expect(page.join("\n")).toContain(`--${row.key}`);
    expect(page.join(" ").replace(/\s+/g, " ")).toContain("(1280 to 65535 bytes; default 1388)");
  });

  const examples = COMMANDS.flatMap((c) => c.examples.map(([line]) => [c.name, line] as const));
  test("every command has examples", () => {
    expect(COMMANDS.filter((c) => c.examples.length === 0)).toEqual([]);
  });
  test.each(examples)("of %s has an example that is right: %s", async (name, line) => {
    const [program, ...words] = line
      .replace(/ > .*/, "")
      .split(" ")
      .map((word) => word.replaceAll("'", ""));
    expect(program).toBe("trellis");
    const parsed = await parseLine(COMMANDS, words);
    expect(parsed.command.name).toBe(name);
    settle(parsed.command.options, [fromCommandLine(parsed.line)]); // throws for a value that is none
  });
});
