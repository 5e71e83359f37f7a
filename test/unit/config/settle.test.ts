import { describe, expect, test } from "bun:test";
import { GLOBAL, type Rows, RUN, SETTINGS, type Setting, variableOf } from "../../../runtime/config/settings.ts";
import {
  fromCommandLine,
  fromEnvironment,
  fromFile,
  fromMachine,
  type Source,
  settle,
} from "../../../runtime/config/settle.ts";

const FILE = "/etc/trellis/trellis.conf";
const line = fromCommandLine({ port: "1" });
const environment = fromEnvironment({ TRELLIS_PORT: "2" }, SETTINGS);
const file = fromFile(FILE, { port: 3 }, SETTINGS);
const machine = fromMachine({ port: 4 });

describe("precedence", () => {
  test.each<[string, Source[], number, string]>([
    ["the command line over all", [line, environment, file, machine], 1, "command line"],
    ["the environment over the file", [environment, file, machine], 2, "environment"],
    ["the file over the machine's default", [file, machine], 3, "file"],
    ["the machine's default over the table's", [machine], 4, "default"],
    ["the table's default at last", [], 51_820, "default"],
  ])("takes %s", (_, sources, port, from) => {
    const { values, origins } = settle(RUN, sources);
    expect({ port: values.port, from: origins.port }).toEqual({ port, from: from as typeof origins.port });
  });

  test("is by setting: each may come from elsewhere", () => {
    const sources = [
      fromCommandLine({ mtu: "1400" }),
      fromEnvironment({ TRELLIS_LOG_LEVEL: "warn" }, SETTINGS),
      fromFile(FILE, { device: "none", "state-dir": "/srv", announce: ["10.1.0.0/24", "FD01::/64"] }, SETTINGS),
    ];
    expect(settle(SETTINGS, sources).values).toEqual({
      json: false,
      stateDir: "/srv",
      logLevel: "warn",
      port: 51_820,
      interface: undefined,
      device: undefined,
      mtu: 1400,
      workers: 0,
      relay: "auto",
      discovery: true,
      quietOn: [],
      links: [],
      policy: "enforce",
      names: "auto",
      announce: ["10.1.0.0/24", "fd01::/64"],
      masquerade: false,
      mqtt: "local",
      mqttBroker: "embedded",
      mqttPort: 1883,
      mqttAllow: [],
      broker: [],
      brokerUser: undefined,
      brokerPasswordFile: undefined,
      brokerCa: undefined,
      brokerCert: undefined,
      brokerKey: undefined,
    });
  });

  test("takes a variable that is empty for one that is not set", () => {
    expect(settle(RUN, [fromEnvironment({ TRELLIS_PORT: "" }, SETTINGS), file]).values.port).toBe(3);
  });
});

describe("what is wrong is refused with its place and what was expected", () => {
  test.each<[string, Source, string]>([
    ["on the command line", fromCommandLine({ port: "x" }), '--port is "x", expected a whole number from 0 to 65535'],
    [
      "in the environment",
      fromEnvironment({ TRELLIS_PORT: "70000" }, SETTINGS),
      'TRELLIS_PORT is "70000", expected a whole number from 0 to 65535',
    ],
  ])("%s", (_, source, message) => {
    expect(() => settle(RUN, [source])).toThrow(expect.objectContaining({ code: "config/value", message }));
  });

  test.each<[string, unknown, string]>([
    ["a value of another kind", true, `port in ${FILE} is true, expected a whole number from 0 to 65535`],
    ["a table", { a: 1 }, `port in ${FILE} is {"a":1}, expected a whole number from 0 to 65535`],
    ["a list", [1], `port in ${FILE} is [1], expected a whole number from 0 to 65535`],
  ])("%s in the file, whether or not the command needs it", (_, port, message) => {
    expect(() => fromFile(FILE, { port }, SETTINGS)).toThrow(
      expect.objectContaining({ code: "config/value", message }),
    );
  });

  test("with the unit", () => {
    expect(() => fromFile(FILE, { mtu: 9 }, SETTINGS)).toThrow("expected a whole number from 1280 to 65535 (bytes)");
  });

  test.each([
    ["prot", "did you mean port?"],
    [
      "colour",
      "the settings are json, state-dir, log-level, port, interface, device, mtu, workers, relay, discovery, quiet-on, links, policy, names, announce, masquerade, mqtt, mqtt-broker, mqtt-port, mqtt-allow, broker, broker-user, broker-password-file, broker-ca, broker-cert, broker-key",
    ],
  ])("the unknown key %s", (key, hint) => {
    expect(() => fromFile(FILE, { [key]: 1 }, SETTINGS)).toThrow(
      expect.objectContaining({
        code: "config/unknown-key",
        message: `${FILE}: there is no setting "${key}"`,
        hint,
      }),
    );
  });
});

describe("the table", () => {
  const rows: [string, Setting<unknown>][] = Object.values<Rows[string]>(SETTINGS).map((row) => [row.key, row]);
  test("has no key twice", () => {
    expect(new Set(rows.map(([key]) => key)).size).toBe(rows.length);
  });

  test.each(rows)("%s has a default of its own kind, and documentation", (_, row) => {
    const { fallback, parse, doc } = row;
    const given = typeof fallback === "number" || typeof fallback === "boolean" ? fallback : String(fallback);
    if (fallback !== undefined && fallback !== "") expect(parse.parse(given)).toEqual({ value: fallback });
    else expect(row.shown).not.toBe("");
    expect(doc).not.toBe("");
  });

  test("names variables after keys", () => {
    expect(variableOf(GLOBAL.stateDir.key)).toBe("TRELLIS_STATE_DIR");
  });
});
