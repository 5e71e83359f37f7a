/** Connections to brokers of others: Debian's Mosquitto with all that it asks for, and servers that do what no honest one does. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generate, type Packet, parser } from "mqtt-packet";
import { READ_BURST, READ_RATE } from "../../runtime/sync/rendezvous/allowance.ts";
import { ENVELOPE_MAX } from "../../runtime/sync/rendezvous/envelope.ts";
import { freePort } from "../help/free-port.ts";
import { certificates, MOSQUITTO, Mosquitto } from "../help/mosquitto.ts";
import { able } from "../help/require.ts";
import { must, PATIENCE, until } from "../help/shell.ts";
import { ToldLink } from "../help/told-link.ts";

const can =
  able("test/loopback/mqtt-link.test.ts", "command:openssl", "command:mosquitto_passwd") && MOSQUITTO !== null;

const portOf = (server: Server): number => (server.address() as { port: number }).port;

describe.skipIf(!can)("a link to Mosquitto", () => {
  const folder = mkdtempSync(join(tmpdir(), "trellis-certificates-"));
  const pem = (name: string): Buffer => readFileSync(join(folder, name));
  const links: ToldLink[] = [];
  const brokers: Mosquitto[] = [];
  const open = (...args: ConstructorParameters<typeof ToldLink>): ToldLink => {
    const told = new ToldLink(...args);
    links.push(told);
    return told;
  };
  async function broker(...lines: readonly string[]): Promise<{ readonly port: number; readonly broker: Mosquitto }> {
    const port = await freePort();
    const made = new Mosquitto({ port, ...(lines.length > 0 && { lines }) });
    brokers.push(made);
    await made.start();
    return { port, broker: made };
  }
  const secured = (...more: readonly string[]): string[] => [
    `cafile ${join(folder, "ca.pem")}`,
    `certfile ${join(folder, "server.pem")}`,
    `keyfile ${join(folder, "server.key")}`,
    ...more,
  ];

  beforeAll(() => certificates(folder, "DNS:localhost,IP:127.0.0.1"));
  afterAll(async () => {
    for (const { link } of links) link.close();
    for (const one of brokers) await one.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  test("brings what others publish on its topics, and nothing else, as large as it may be", async () => {
    const { port } = await broker();
    const [a, b] = [open(`mqtt://127.0.0.1:${port}`), open(`mqtt://127.0.0.1:${port}`, {}, "trellis/b")];
    await Promise.all([a.untilUp(), b.untilUp()]);
    expect(b.link.publish("trellis/a/other", Buffer.from("not this"))).toBe(true);
    expect(b.link.publish("trellis/a", new Uint8Array(ENVELOPE_MAX).fill(120))).toBe(true);
    b.link.publish("trellis/a/own", Buffer.from("small"));
    await until("both", PATIENCE, async () => a.got.length === 2 || undefined);
    expect(a.got.map((g) => g.slice(0, 15))).toEqual(["trellis/a xxxxx", "trellis/a/own s"]);
    expect(a.bytes).toBe(ENVELOPE_MAX + 5);
    expect(a.link.protocol).toBe("MQTT 3.1.1");
  });

  test("is made again when the broker died and came back", async () => {
    const { port, broker: dying } = await broker();
    const a = open(`mqtt://127.0.0.1:${port}`);
    await a.untilUp();
    await dying.kill();
    await a.untilDown();
    expect(a.link.publish("trellis/a", Buffer.from("lost"))).toBe(false);
    await until("the refusal", PATIENCE, async () => a.reasons.length > 1 || undefined);
    await dying.start();
    await a.untilUp(2);
    a.link.publish("trellis/a", Buffer.from("again"));
    await a.untilGot("trellis/a again");
    expect(a.got).toEqual(["trellis/a again"]);
  });

  test("asks for user name and password", async () => {
    const file = join(folder, "passwords");
    writeFileSync(file, "");
    await must(["mosquitto_passwd", "-b", file, "gateway", "secret"]);
    const { port } = await broker("allow_anonymous false", `password_file ${file}`);
    const url = `mqtt://127.0.0.1:${port}`;
    await open(url, { user: "gateway", password: Buffer.from("secret") }).untilUp();
    const wrong = [open(url), open(url, { user: "gateway", password: Buffer.from("wrong") })];
    for (const told of wrong)
      expect(await told.untilDown()).toMatch(/refused us: (we are not authorized|user name or)/);
  });

  test("by TLS is made with a broker that the authority vouches for, and no other", async () => {
    const { port } = await broker("allow_anonymous true", ...secured());
    const ca = pem("ca.pem");
    for (const host of ["localhost", "127.0.0.1"]) await open(`mqtts://${host}:${port}`, { ca }).untilUp();
    expect(await open(`mqtts://localhost:${port}`).untilDown()).toMatch(/certificate|signed|issuer/);
    const other = mkdtempSync(join(folder, "other-"));
    await certificates(other, "DNS:localhost");
    const stranger = open(`mqtts://localhost:${port}`, { ca: readFileSync(join(other, "ca.pem")) });
    expect(await stranger.untilDown()).toMatch(/certificate|signed|issuer|signature/);
    expect(stranger.ups).toBe(0);
  });

  test("by TLS is not made with a broker whose certificate names another host", async () => {
    const elsewhere = mkdtempSync(join(folder, "elsewhere-"));
    await certificates(elsewhere, "DNS:broker.example");
    const files = ["cafile", "certfile", "keyfile"].map(
      (key, i) => `${key} ${join(elsewhere, ["ca.pem", "server.pem", "server.key"][i] as string)}`,
    );
    const { port } = await broker("allow_anonymous true", ...files);
    const told = open(`mqtts://localhost:${port}`, { ca: readFileSync(join(elsewhere, "ca.pem")) });
    expect(await told.untilDown()).toMatch(/altnames|identity|[Hh]ost/);
    expect(told.ups).toBe(0);
  });

  test("shows its certificate where the broker wants one", async () => {
    const { port } = await broker(...secured("require_certificate true", "use_identity_as_username true"));
    const [ca, cert, key] = [pem("ca.pem"), pem("client.pem"), pem("client.key")];
    await open(`mqtts://localhost:${port}`, { ca, cert, key }).untilUp();
    const without = open(`mqtts://localhost:${port}`, { ca });
    await without.untilDown();
    expect(without.ups).toBe(0);
  });
});

/** Does what it likes with whoever calls. */
async function server(
  serve: (socket: Socket, send: (packet: Packet, version?: 4 | 5) => void) => void,
): Promise<Server> {
  const made = createServer((socket) => {
    socket.on("error", () => {});
    serve(socket, (packet, version = 4) => socket.write(generate(packet, { protocolVersion: version })));
  });
  await new Promise<void>((resolve) => made.listen(0, "127.0.0.1", resolve));
  return made;
}

/** Takes who comes, in either version, and answers what it asks. */
function honest(socket: Socket, send: (packet: Packet, version?: 4 | 5) => void, subscribed: () => void): void {
  const packets = parser({ protocolVersion: 4 });
  packets.on("packet", (packet) => {
    if (packet.cmd === "connect") send({ cmd: "connack", returnCode: 0, sessionPresent: false });
    if (packet.cmd === "subscribe") send({ cmd: "suback", messageId: 1, granted: [0, 0] });
    if (packet.cmd === "subscribe") subscribed();
  });
  socket.on("data", (data) => packets.parse(Buffer.from(data)));
}

describe("a link to a server", () => {
  const servers: Server[] = [];
  const links: ToldLink[] = [];
  afterAll(() => {
    for (const { link } of links) link.close();
    for (const one of servers) one.close();
  });
  async function against(serve: Parameters<typeof server>[0]): Promise<ToldLink> {
    const made = await server(serve);
    servers.push(made);
    const told = new ToldLink(`mqtt://127.0.0.1:${portOf(made)}`);
    links.push(told);
    return told;
  }

  test("that speaks MQTT 5 alone is made by that", async () => {
    const told = await against((socket, send) => {
      socket.once("data", (data) => {
        const version = data.includes("MQTT\x05") ? 5 : 4;
        if (version === 4) return void send({ cmd: "connack", returnCode: 1, sessionPresent: false });
        send({ cmd: "connack", reasonCode: 0, sessionPresent: false }, 5);
        socket.once("data", () => {
          send({ cmd: "suback", messageId: 1, granted: [0, 0] }, 5);
          send({ cmd: "publish", topic: "trellis/a", payload: "five", qos: 0, dup: false, retain: false }, 5);
        });
      });
    });
    await told.untilUp();
    await told.untilGot("trellis/a five");
    expect(told.link.protocol).toBe("MQTT 5");
  });

  test.each([true, false])("that is closed here ends without a word (connected: %p)", async (connected) => {
    const ended = Promise.withResolvers<void>();
    const told = await against((socket, send) => {
      socket.on("close", () => ended.resolve());
      if (connected) honest(socket, send, () => {});
      else socket.once("data", () => told.link.close());
    });
    if (connected) await told.untilUp();
    if (connected) told.link.close();
    await ended.promise;
    expect(told.reasons).toEqual([]);
  });

  test("that refuses a subscription ends, with the reason", async () => {
    const told = await against((socket, send) => {
      socket.once("data", () => {
        send({ cmd: "connack", returnCode: 0, sessionPresent: false });
        socket.once("data", () => send({ cmd: "suback", messageId: 1, granted: [0, 128] }));
      });
    });
    expect(await told.untilDown()).toBe("the broker does not let us subscribe to trellis/#");
  });

  test("that talks something else ends, with the reason", async () => {
    const told = await against((socket) => void socket.write("HTTP/1.1 400 Bad Request\r\n\r\n".repeat(100)));
    expect(await told.untilDown()).toMatch(/no MQTT|larger than any/);
  });

  test("that announces a packet without end is not waited for", async () => {
    let sent = 0;
    const told = await against((socket, send) =>
      honest(socket, send, () => {
        socket.write(Buffer.of(0x30, 0xff, 0xff, 0xff, 0x7f)); // 256 MB
        const more = (): void => {
          if (socket.destroyed || sent > 64 * 1024 ** 2) return;
          sent += 65_536;
          socket.write(Buffer.alloc(65_536), more);
        };
        more();
      }),
    );
    expect(await told.untilDown()).toBe("the broker sends packets larger than any of ours");
    expect(sent).toBeLessThan(64 * 1024 ** 2);
  });

  test("that floods is read at a bounded rate, and goes on being heard", async () => {
    const started = performance.now();
    const packet = generate({
      cmd: "publish",
      topic: "trellis/a",
      payload: Buffer.alloc(60_000),
      qos: 0,
      dup: false,
      retain: false,
    });
    const told = await against((socket, send) =>
      honest(socket, send, () => {
        const more = (): void => {
          if (!socket.destroyed) socket.write(packet, more);
        };
        more();
      }),
    );
    await until("the flood", PATIENCE, async () => told.bytes > 2 * READ_BURST || undefined);
    const seconds = (performance.now() - started) / 1_000;
    // One chunk of the socket may be above it.
    expect(told.bytes).toBeLessThan(READ_BURST + READ_RATE * seconds + 1024 ** 2);
    expect(told.reasons).toEqual([]);
  });
});
