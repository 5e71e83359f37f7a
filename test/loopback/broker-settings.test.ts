import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "../help/free-port.ts";
import { Loopback } from "../help/loopback.ts";
import { MOSQUITTO, Mosquitto } from "../help/mosquitto.ts";

const net = new Loopback();
afterAll(() => net.remove());

const can = MOSQUITTO !== null;
if (!can) console.log("SKIP a daemon that stops while it is connected to a broker: no mosquitto");

test.skipIf(!can)(
  "a daemon that stops while it is connected to a broker does not say that the connection failed",
  async () => {
    const port = await freePort();
    const broker = new Mosquitto({ port });
    await broker.start();
    const b = net.gateway("b");
    await b.json("init", "--name", "b");
    const line = b.line("run", "--no-device", "--port", "0", "--broker", `mqtt://127.0.0.1:${port}`);
    const daemon = Bun.spawn(line, { stdin: "ignore", stdout: "pipe", stderr: "ignore" });
    let log = "";
    let stopping: Promise<unknown> | undefined;
    for await (const part of daemon.stdout) {
      log += new TextDecoder().decode(part);
      if (log.includes("a broker is connected") && stopping === undefined) stopping = b.json("down");
    }
    await stopping;
    await daemon.exited;
    await broker.remove();
    expect(log).toContain("gateway has stopped");
    expect(log).not.toContain("no connection to a broker");
  },
);

describe("a daemon with settings for brokers that cannot be meant", () => {
  const a = net.gateway("a");
  const empty = join(net.folder, "empty");
  const broker = ["--broker", "mqtts://broker.example"];
  beforeAll(async () => {
    await a.json("init", "--name", "a");
    writeFileSync(empty, "");
  });

  test.each<[string, readonly string[], string]>([
    ["an address that is none", ["--broker", "broker.example"], "config/value"],
    ["an address with a password", ["--broker", "mqtts://me:secret@broker.example"], "config/value"],
    ["a file that is not there", [...broker, "--broker-ca", "/nowhere"], "broker/file"],
    ["a certificate that is none", [...broker, "--broker-ca", empty], "broker/file"],
    ["no password", [...broker, "--broker-user", "me", "--broker-password-file", empty], "broker/file"],
    ["a password of nobody", [...broker, "--broker-password-file", empty], "broker/credentials"],
    ["a certificate without its key", [...broker, "--broker-cert", empty], "broker/credentials"],
  ])("does not start with %s", async (_, settings, code) => {
    expect(await a.refusal("run", "--no-device", "--port", "0", ...settings)).toBe(code);
  });
});
