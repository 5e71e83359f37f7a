/**
 * One end of a tunnel, run in a network namespace by tunnel.test.ts. Standard input and output carry one JSON value a line:
 * requests `{ id, call, ... }` in, `{ id, value }` and `{ event }` out.
 */
import { createHash } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { createInterface } from "node:readline";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import {
  type AddonDatagram,
  type AddonSession,
  type AddonStats,
  loadAddon,
  steeringObject,
} from "../../runtime/dataplane/addon.io.ts";
import type { DataPlaneOptions } from "../../runtime/dataplane/port.ts";

/** Bytes as hex, since JSON has none. */
type Hex<T> = { readonly [K in keyof T]: T[K] extends Uint8Array ? string : T[K] };

export type Request =
  | { readonly call: "install"; readonly session: Hex<AddonSession> }
  | { readonly call: "use"; readonly peer: string; readonly localIndex: number }
  | { readonly call: "allow"; readonly peer: string; readonly prefix: string }
  | { readonly call: "send"; readonly datagrams: readonly Hex<AddonDatagram>[] }
  | { readonly call: "removeSession"; readonly localIndex: number }
  | { readonly call: "removePeer"; readonly peer: string }
  | { readonly call: "stats" }
  | { readonly call: "listen"; readonly port: number }
  | { readonly call: "digest" }
  | { readonly call: "transfer"; readonly address: string; readonly port: number; readonly bytes: number }
  | { readonly call: "close" };

export interface Answers {
  readonly stats: AddonStats;
  /** SHA-256, hex, of what the listener has received on its first connection. */
  readonly digest: string;
  /** SHA-256, hex, of what was sent. */
  readonly transfer: string;
}

const print = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const bytes = (hex: string): Uint8Array => new Uint8Array(Buffer.from(hex, "hex"));

/** Bytes that repeat nowhere near a segment's length. */
function* pattern(total: number): Generator<Buffer> {
  const CHUNK = 256 * 1024;
  for (let offset = 0; offset < total; offset += CHUNK) {
    const chunk = Buffer.alloc(Math.min(CHUNK, total - offset));
    for (let i = 0; i + 4 <= chunk.length; i += 4) chunk.writeUInt32LE(Math.imul(offset + i, 2654435761) >>> 0, i);
    yield chunk;
  }
}

async function transfer(address: string, port: number, total: number): Promise<string> {
  const hash = createHash("sha256");
  const hashed = function* (): Generator<Buffer> {
    for (const chunk of pattern(total)) {
      hash.update(chunk);
      yield chunk;
    }
  };
  const socket = connect(port, address);
  const closed = once(socket, "close"); // both ways: nothing of it is under way any more
  socket.resume();
  await pipeline(Readable.from(hashed()), socket);
  await closed;
  return hash.digest("hex");
}

interface Listener {
  readonly listening: Promise<void>;
  /** Of the first connection, once that has ended. */
  readonly digest: Promise<string>;
}

function listen(port: number): Listener {
  const hash = createHash("sha256");
  const server = createServer((socket) => socket.on("data", (data) => hash.update(data)));
  const digest = new Promise<string>((resolve) => {
    server.once("connection", (socket) => {
      socket.once("end", () => {
        resolve(hash.digest("hex"));
        socket.end();
        server.close();
      });
    });
  });
  return { listening: new Promise((resolve) => server.listen(port, "::", resolve)), digest };
}

async function main(options: DataPlaneOptions): Promise<void> {
  const { addon, reason } = loadAddon();
  if (!addon) throw new Error(reason);
  const onControl = (batch: readonly AddonDatagram[]): void => {
    for (const { payload, ...from } of batch)
      print({ event: { type: "control", ...from, payload: Buffer.from(payload).toString("hex") } });
  };
  const tunnel = addon.openTunnel(options, onControl, (event) => print({ event }));
  const steering = steeringObject();
  if (steering && options.device !== undefined) tunnel.steer(steering);
  let listener: Listener | undefined;
  const answer = async (request: Request): Promise<unknown> => {
    switch (request.call) {
      case "install": {
        const { sendKey, receiveKey, hopSendKey, hopReceiveKey, ...rest } = request.session;
        const hop = { hopSendKey: bytes(hopSendKey), hopReceiveKey: bytes(hopReceiveKey) };
        return tunnel.installSession({ ...rest, ...hop, sendKey: bytes(sendKey), receiveKey: bytes(receiveKey) });
      }
      case "use":
        return tunnel.useSession(request.peer, request.localIndex);
      case "allow":
        return tunnel.allow(request.peer, request.prefix);
      case "send":
        return tunnel.send(request.datagrams.map(({ payload, ...to }) => ({ ...to, payload: bytes(payload) })));
      case "removeSession":
        return tunnel.removeSession(request.localIndex);
      case "removePeer":
        return tunnel.removePeer(request.peer);
      case "stats":
        return tunnel.stats();
      case "listen":
        listener = listen(request.port);
        return listener.listening;
      case "digest":
        return listener?.digest;
      case "transfer":
        return transfer(request.address, request.port, request.bytes);
      case "close":
        return tunnel.close();
    }
  };
  print({ event: { type: "ready", port: tunnel.port, device: tunnel.device } });
  for await (const line of createInterface({ input: process.stdin })) {
    const { id, ...request } = JSON.parse(line) as { id: number } & Request;
    print({ id, value: (await answer(request)) ?? null });
  }
  process.exit(0);
}

if (import.meta.main) await main(JSON.parse(process.argv[2] ?? "{}") as DataPlaneOptions);
