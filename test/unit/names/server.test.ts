import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createSocket } from "node:dgram";
import { Meter } from "../../../runtime/base/meter.ts";
import { cut, type NameServer, serveNames } from "../../../runtime/names/server.io.ts";
import { B, datas, query, reply, ZONES } from "./world.ts";

const framed = (message: Uint8Array): Uint8Array =>
  Buffer.concat([Uint8Array.of(message.length >> 8, message.length & 255), message]);

describe("a stream of queries", () => {
  test("is cut into whole ones, however it arrives", () => {
    const stream = Buffer.concat([framed(query("a.mesh.internal")), framed(query("b.mesh.internal"))]);
    for (let at = 0; at <= stream.length; at++) {
      const first = cut(stream.subarray(0, at));
      const second = cut(Buffer.concat([first.rest as Uint8Array, stream.subarray(at)]));
      expect(first.queries.length + second.queries.length).toBe(2);
      expect(second.rest).toHaveLength(0);
    }
  });

  test("has no rest once it cannot become a query", () => {
    expect(cut(Uint8Array.of(0x10, 0x01)).rest).toBeUndefined();
    expect(cut(Uint8Array.of(0x10)).rest).toHaveLength(1);
  });
});

describe("a name server", () => {
  const meter = new Meter();
  let served = true;
  let now = 0;
  let server: NameServer;

  beforeAll(async () => {
    server = await serveNames({
      address: "::1",
      port: 0,
      serves: () => served,
      zones: () => ZONES,
      meter,
      now: () => now,
    });
  });
  afterAll(() => server.close());

  /** The answers to so many of the same question. */
  async function over(count: number, message = query("b.mesh.internal")): Promise<Uint8Array[]> {
    const socket = createSocket("udp6");
    const got: Uint8Array[] = [];
    socket.on("message", (m) => got.push(m));
    const before = meter.snapshot();
    for (let i = 0; i < count; i++) socket.send(message, server.port, "::1");
    const seen = (): number => Object.values(meter.snapshot()).reduce((a, b) => a + b, 0);
    const start = Object.values(before).reduce((a, b) => a + b, 0);
    while (seen() < start + count) await Bun.sleep(1);
    const answered = (): number => meter.get("names.answered") - (before["names.answered"] ?? 0);
    while (got.length < answered()) await Bun.sleep(1);
    socket.close();
    return got;
  }

  const connect = async (): Promise<{
    send(bytes: Uint8Array): void;
    end(): void;
    read(): Promise<Uint8Array>;
    closed: Promise<void>;
  }> => {
    let received = Buffer.alloc(0);
    const closed = Promise.withResolvers<void>();
    const socket = await Bun.connect({
      hostname: "::1",
      port: server.port,
      socket: {
        data(_, chunk) {
          received = Buffer.concat([received, chunk]);
        },
        close: () => closed.resolve(),
      },
    });
    return {
      send: (bytes) => void socket.write(bytes),
      end: () => socket.end(),
      closed: closed.promise,
      async read() {
        while (received.length < 2 || received.length < 2 + received.readUInt16BE(0)) await Bun.sleep(1);
        const message = received.subarray(2, 2 + received.readUInt16BE(0));
        received = received.subarray(2 + message.length);
        return message;
      },
    };
  };

  test("answers over UDP", async () => {
    const [answer] = await over(1);
    expect(datas(reply(answer).answers)).toEqual([B]);
  });

  test("answers several over one connection, in order", async () => {
    const client = await connect();
    client.send(Buffer.concat([framed(query("b.mesh.internal")), framed(query("nobody.mesh.internal"))]));
    expect(datas(reply(await client.read()).answers)).toEqual([B]);
    expect(reply(await client.read()).authorities).toHaveLength(1);
    client.end();
  });

  test("ends a connection that cannot be carrying a query", async () => {
    const client = await connect();
    client.send(Uint8Array.of(0xff, 0xff));
    await client.closed;
    expect(meter.get("names.malformed")).toBe(0);
  });

  test("says nothing to a stranger, by datagram or connection", async () => {
    served = false;
    expect(await over(3)).toEqual([]);
    expect(meter.get("names.drop.stranger")).toBe(3);
    const client = await connect();
    await client.closed;
    expect(meter.get("names.drop.connection")).toBe(1);
    served = true;
  });

  test("says no more to who asks too much, until time has passed", async () => {
    now = 1_000_000;
    expect((await over(250)).length).toBe(200);
    expect(meter.get("names.drop.overRate")).toBe(50);
    now += 100;
    expect((await over(20)).length).toBe(10);
    now += 1_000_000;
  });

  test("takes eight connections of one source, and a ninth once one has ended", async () => {
    const clients = await Promise.all(Array.from({ length: 8 }, connect));
    for (const client of clients) {
      client.send(framed(query("b.mesh.internal")));
      await client.read();
    }
    const ninth = await connect();
    await ninth.closed;
    for (const client of clients) client.end();
    await Promise.all(clients.map((c) => c.closed));
    const again = await connect();
    again.send(framed(query("b.mesh.internal")));
    expect(datas(reply(await again.read()).answers)).toEqual([B]);
    again.end();
  });
});
