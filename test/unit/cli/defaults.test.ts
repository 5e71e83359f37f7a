/** The command line over real files and a real environment. */
import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { defaultSources, usualFile } from "../../../runtime/cli/defaults.ts";
import { SETTINGS } from "../../../runtime/config/settings.ts";
import { fromCommandLine, settle } from "../../../runtime/config/settle.ts";
import { run } from "../../help/shell.ts";

const place = mkdtempSync(join(tmpdir(), "trellis-config-"));
afterAll(() => rmSync(place, { recursive: true, force: true }));

function fileOf(text: string): string {
  const file = join(place, `${Bun.hash(text)}.conf`);
  writeFileSync(file, text);
  return file;
}

const MAIN = join(import.meta.dir, "../../../runtime/main.ts");
const trellis = (environment: Record<string, string>, ...args: readonly string[]) =>
  run(["env", ...Object.entries(environment).map(([k, v]) => `${k}=${v}`), process.execPath, MAIN, ...args]);

describe("the file", () => {
  const settings = 'port = 4500 # a comment\ninterface = "eth1"\ndevice = false\njson = true\n';
  test("is TOML with the settings' keys", () => {
    const { values } = settle(SETTINGS, defaultSources(fileOf(settings), {}));
    expect(values).toMatchObject({ port: 4500, interface: "eth1", device: undefined, json: true });
  });

  test("may be empty", () => {
    expect(settle(SETTINGS, defaultSources("/dev/null", {})).origins.port).toBe("default");
  });

  test("can be named by the environment, and the command line counts before that", () => {
    const [one, two] = [fileOf("port = 1"), fileOf("port = 2")];
    expect(settle(SETTINGS, defaultSources(undefined, { TRELLIS_CONFIG: one })).values.port).toBe(1);
    expect(settle(SETTINGS, defaultSources(two, { TRELLIS_CONFIG: one })).values.port).toBe(2);
  });

  test.each([
    ["a line that is no setting", "port = 1\nnonsense\n", "config/syntax", ":2: "],
    ["a key given twice", "port = 1\nport = 2\n", "config/syntax", ":2: "],
    ["an unknown key", "prot = 1\n", "config/unknown-key", ': there is no setting "prot"'],
    ["a bad value", 'port = "all"\n', "config/value", ' is "all", expected a whole number from 0 to 65535'],
    ["a date", "port = 2024-01-01\n", "config/value", "expected a whole number"],
  ])("with %s is refused by name and line", (_, text, code, message) => {
    const file = fileOf(text);
    const refused = expect.objectContaining({ code, message: expect.stringContaining(message) });
    expect(() => defaultSources(file, {})).toThrow(refused);
    expect(() => defaultSources(file, {})).toThrow(file);
  });

  test.each([
    ["that is not there", join(place, "missing.conf")],
    ["that is a directory", place],
  ])("%s is an error when it is asked for", (_, file) => {
    expect(() => defaultSources(file, {})).toThrow(expect.objectContaining({ code: "config/unreadable" }));
  });

  test("has a place of its own for root and for everybody else, and is read where there is one", () => {
    expect(usualFile({ HOME: place }, true)).toBe("/etc/trellis/trellis.conf");
    expect(usualFile({ HOME: place, XDG_CONFIG_HOME: "/x" }, false)).toBe("/x/trellis/trellis.conf");
    const environment = { HOME: place };
    const port = (): number => settle(SETTINGS, defaultSources(undefined, environment, false)).values.port;
    expect(port()).toBe(51_820);
    mkdirSync(dirname(usualFile(environment, false)), { recursive: true });
    writeFileSync(usualFile(environment, false), "port = 7");
    expect(port()).toBe(7);
  });
});

describe("the state directory", () => {
  test("is the service manager's where it gives one, and the setting counts before that", () => {
    const given = { STATE_DIRECTORY: "/var/lib/x" };
    expect(settle(SETTINGS, defaultSources("/dev/null", given)).values.stateDir).toBe("/var/lib/x");
    const both = { ...given, TRELLIS_STATE_DIR: "/y" };
    expect(settle(SETTINGS, defaultSources("/dev/null", both)).values.stateDir).toBe("/y");
    const sources = [fromCommandLine({ "state-dir": "/z" }), ...defaultSources("/dev/null", both)];
    expect(settle(SETTINGS, sources).values.stateDir).toBe("/z");
  });
});

describe("the program", () => {
  interface Told {
    readonly settings: readonly { readonly key: string; readonly value: unknown; readonly from: string }[];
  }
  test("takes each setting from where it should", async () => {
    const file = fileOf("port = 1\nmtu = 1300\nworkers = 3\n");
    const told = await trellis(
      { TRELLIS_MTU: "1400", TRELLIS_WORKERS: "2" },
      "--config",
      file,
      "--json",
      "config",
      "--workers",
      "1",
    );
    expect(told.stderr).toBe("");
    const rows = (JSON.parse(told.stdout) as Told).settings.map((s) => [s.key, { value: s.value, from: s.from }]);
    expect(Object.fromEntries(rows)).toMatchObject({
      port: { value: 1, from: "file" },
      mtu: { value: 1400, from: "environment" },
      workers: { value: 1, from: "command line" },
      device: { value: "mesh0", from: "default" },
    });
  });

  test.each<[string, Record<string, string>, string[], number]>([
    ["a bad value in the environment", { TRELLIS_PORT: "x" }, ["config"], 2],
    ["a missing file", {}, ["config", "--config", "/nowhere.conf"], 2],
    ["an unknown command", {}, ["stauts"], 2],
    ["no daemon", {}, ["--config", "/dev/null", "--state-dir", place, "status"], 3],
  ])("ends with its exit code for %s, in words and in JSON", async (_, environment, args, code) => {
    const words = await trellis(environment, ...args);
    expect(words.code).toBe(code);
    expect(words.stderr).toMatch(/^error: .+\n(?:cause: .+\n)?hint: .+/);
    const json = await trellis(environment, "--json", ...args);
    expect(json.code).toBe(code);
    expect(JSON.parse(json.stderr)).toMatchObject({
      error: { code: expect.any(String), message: expect.any(String), hint: expect.any(String) },
    });
  });

  test("tells release, wire version and suite", async () => {
    const { stdout } = await trellis({}, "--version");
    expect(stdout).toMatch(/^trellis \d+\.\d+\.\d+\nwire version \d+\nsuite X25519\+ML-KEM-768/);
  });
});
