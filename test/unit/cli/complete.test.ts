import { describe, expect, test } from "bun:test";
import { COMMANDS } from "../../../runtime/cli/commands.ts";
import { completionOf } from "../../../runtime/cli/complete.ts";
import { able } from "../../help/require.ts";
import { run } from "../../help/shell.ts";

const offered = (...words: string[]): string | string[] => {
  const { offer, prefix } = completionOf(words, COMMANDS);
  return typeof offer === "string" ? offer : offer.map((c) => prefix + c.word);
};

describe("the end of a line", () => {
  test.each<[string, string[], string | string[]]>([
    ["nothing: the commands", [""], COMMANDS.map((c) => c.name)],
    ["the beginning of commands", ["in"], ["init", "invite"]],
    ["a command after global options", ["--json", "--log-level", "warn", "sta"], ["status"]],
    ["the beginning of an option", ["run", "--por"], ["--port"]],
    ["a global option after the command", ["status", "--js"], ["--json"]],
    ["a value of few words", ["run", "--log-level", ""], ["error", "warn", "info", "debug"]],
    ["such a value after a sign that bash cut off", ["run", "--log-level", "=", "d"], ["debug"]],
    ["such a value after that sign, not begun", ["run", "--log-level", "="], ["error", "warn", "info", "debug"]],
    ["such a value in one word, as zsh and fish leave it", ["run", "--log-level=d"], ["--log-level=debug"]],
    ["a value of any kind", ["run", "--port", ""], []],
    ["a path", ["run", "--state-dir", "/v"], "file"],
    ["the file with settings", ["--config", ""], "file"],
    ["a peer", ["ping", ""], "peer"],
    ["a peer after an option and its value", ["ping", "-c", "1", ""], "peer"],
    ["a word of a choice", ["completion", "z"], ["zsh"]],
    ["a second word of a command that takes one", ["keys", "show", "--st"], ["--state-dir"]],
    ["a file, by the command's first word", ["policy", "set", ""], "file"],
    ["peers, by that word", ["policy", "test", "a", ""], "peer"],
    ["nothing, where that word takes none", ["policy", "show", ""], []],
    ["a protocol", ["policy", "test", "--proto", "u"], ["udp"]],
    ["the word after an unknown command", ["fly", "sta"], ["status"]],
  ])("%s", (_, words, want) => {
    expect(offered(...words)).toEqual(want);
  });

  test("offers an option once, and one that may be repeated again", () => {
    expect(offered("run", "--port", "1", "--por")).toEqual([]);
    expect(offered("invite", "--endpoint", "192.0.2.1:1", "--endp")).toEqual(["--endpoint"]);
  });

  test("knows which daemon is meant", () => {
    expect(completionOf(["--state-dir", "/s", "ping", "--config=/c", ""], COMMANDS).given).toEqual({
      "state-dir": "/s",
      config: "/c",
    });
  });
});

const MAIN = `${import.meta.dir}/../../../runtime/main.ts`;
/** A function `trellis`, then the script of the shell. */
const sourced = async (shell: string, define: string): Promise<string> => {
  const { stdout, code } = await run([process.execPath, MAIN, "completion", shell]);
  expect(code).toBe(0);
  return `${define}\n${stdout}`;
};
const POSIX = `trellis() { '${process.execPath}' '${MAIN}' "$@"; }`;

describe.skipIf(!able("completion in bash", "command:bash"))("bash", () => {
  const complete = async (line: string, at: number): Promise<string[]> => {
    const script = await sourced("bash", POSIX);
    const ask = `COMP_WORDS=(${line}); COMP_CWORD=${at}; _trellis; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const { stdout, stderr } = await run(["bash", "-c", `${script}\n${ask}`]);
    expect(stderr).toBe("");
    return stdout.split("\n").filter((word) => word !== "");
  };

  test.each<[string, string, number, string[]]>([
    ["commands", "trellis sta", 1, ["status"]],
    ["options", "trellis run --por", 2, ["--port"]],
    ["values", 'trellis run --log-level = ""', 4, ["error", "warn", "info", "debug"]],
    ["nothing of its own for files", "trellis --state-dir /", 2, []],
    ["nothing where nobody answers", "trellis --state-dir /nowhere ping ''", 4, []],
  ])("completes %s", async (_, line, at, want) => {
    expect(await complete(line, at)).toEqual(want);
  });
});

describe.skipIf(!able("completion in fish", "command:fish"))("fish", () => {
  test.each([
    ["commands", "trellis st", "status\twhat this gateway is and does"],
    ["options", "trellis run --por", "--port\tUDP port of the underlay; 0 lets the kernel choose"],
    ["values in one word", "trellis run --log-level=d", "--log-level=debug\thow much to log"],
    ["files", "trellis --config /etc/host", "/etc/hostname"],
    ["files in one word", "trellis --config=/etc/host", "--config=/etc/hostname"],
  ])("completes %s", async (_, line, want) => {
    const script = await sourced("fish", `function trellis; '${process.execPath}' '${MAIN}' $argv; end`);
    const { stdout } = await run(["fish", "--no-config", "-c", `${script}\ncomplete -C '${line}'`]);
    expect(stdout.split("\n")).toContain(want);
  });
});

describe.skipIf(!able("completion in zsh", "command:zsh"))("zsh", () => {
  test("reads the script", async () => {
    const { code, stderr } = await run(["zsh", "-f", "-n", "-c", await sourced("zsh", "")]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  });
});

test("a shell that is not known is an error", async () => {
  const { code, stderr } = await run(["env", "SHELL=/bin/csh", process.execPath, MAIN, "completion"]);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringContaining('no completion for the shell "csh"') });
});
