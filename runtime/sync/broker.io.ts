/**
 * The MQTT broker of this gateway (aedes: MQTT 3.1 and 3.1.1), for applications on it and on other members. Topics below `mesh/` are
 * records: what is published there is acknowledged when it is durable, and what comes from others is retained here. All other topics stay on this gateway.
 */
import { createServer, type Server, type Socket } from "node:net";
import { Aedes, type Client } from "aedes";
import mqtt from "mqtt-packet";
import { letGo, utf8 } from "../base/bytes.ts";
import { messageOf, TrellisError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Meter } from "../base/meter.ts";
import { BrokerMemory, type MeshMessage } from "./broker-memory.io.ts";
import { LargeTurns, PacketBounds, STALLED } from "./large-turns.ts";
import { type Caller, isAllowed, keyOf, MESH_PREFIX, type TopicRule } from "./topics.ts";

export interface BrokerDeps {
  /** Who calls from this address, or undefined for nobody we talk to. */
  readonly identify: (address: string) => Caller | undefined;
  readonly rules: readonly TopicRule[];
  /** Before a message of so many bytes is taken from a client, which waits so long: nothing more of its connection is read. */
  readonly room: (bytes: number) => Promise<void>;
  /** Writes a record; without a payload it is deleted. Durable when it resolves. */
  readonly publish: (key: string, payload: Uint8Array | undefined) => Promise<void>;
  /** Every record of an application, as a topic. */
  readonly retained: () => AsyncIterable<MeshMessage>;
  readonly log: Log;
  readonly meter: Meter;
}

/** The codec would keep a buffer for each of the 65,536 numbers of two bytes: 10 MB. */
mqtt.writeToStream.cacheNumbers = false;

/** What connections may take of this gateway's memory. */
const CONNECTIONS_MAX = 256;
const PAYLOAD_MAX: number = 1024 ** 2;

export class Broker {
  readonly #deps: BrokerDeps;
  readonly #servers: Server[] = [];
  readonly #callers = new WeakMap<object, Caller>();
  /** Keys that an application of this broker is writing: it tells them itself. */
  readonly #writing = new Map<string, number>();
  /** The parser reads again when it is told that there is something. */
  readonly #turns = new LargeTurns<Socket>(readSoon);
  #watch: Timer | undefined;
  #aedes: Aedes | undefined;
  #memory: BrokerMemory | undefined;

  private constructor(deps: BrokerDeps) {
    this.#deps = deps;
  }

  static async start(deps: BrokerDeps): Promise<Broker> {
    const broker = new Broker(deps);
    const memory = new BrokerMemory(deps.retained, deps.meter);
    broker.#memory = memory;
    broker.#aedes = await Aedes.createBroker({
      persistence: memory,
      queueLimit: 1_000,
      maxClientsIdLength: 128,
      preConnect: (client, _packet, done) => done(null, broker.#mayConnect(client)),
      authorizePublish: (client, packet, done) => void broker.#mayPublish(client, packet, done),
      authorizeSubscribe: (client, subscription, done) =>
        done(null, broker.#may(client, "subscribe", subscription.topic) ? subscription : null),
    });
    broker.#aedes.on("clientError", (client, error) => broker.#failed(client, error));
    broker.#aedes.on("connectionError", (client, error) => broker.#failed(client, error));
    broker.#aedes.on("clientDisconnect", (client) => {
      if (isClean(client)) memory.forget(client);
    });
    return broker;
  }

  /** Serves one more address; port 0 takes any that is free. Gives the port. Throws `broker/listen`. */
  async listen(address: string, port: number): Promise<number> {
    const server = createServer((socket) => this.#accept(socket));
    await new Promise<void>((resolve, reject) => {
      server.once("error", (cause) =>
        reject(
          new TrellisError("broker/listen", `cannot serve MQTT on ${address} port ${port}`, {
            cause,
            hint: "does another broker run there?",
          }),
        ),
      );
      server.listen(port, address, resolve);
    });
    this.#servers.push(server);
    const at = server.address();
    return typeof at === "object" && at ? at.port : port;
  }

  /** A record came in or was deleted: subscribers of its topic hear what `read` gives, if that is to be had now. */
  async arrived(key: string, read: () => Promise<Uint8Array | "later" | undefined>): Promise<void> {
    if (this.#writing.has(key) || !(await this.#isHeard())) return;
    const payload = await read();
    if (payload === "later") return;
    const packet = { cmd: "publish", topic: MESH_PREFIX + key, qos: 1, retain: true, dup: false } as const;
    this.#aedes?.publish({ ...packet, payload: Buffer.from(payload ?? "") }, (error) => {
      if (error) this.#deps.log.warn("a record was not told to subscribers", { error: messageOf(error) });
    });
  }

  /** Whether there is somebody to tell, or a session that waits: reading and opening a record for nobody costs as much as taking it did. */
  async #isHeard(): Promise<boolean> {
    if ((this.#aedes?.connectedClients ?? 0) > 0) return true;
    return ((await this.#memory?.countOffline())?.clientsCount ?? 0) > 0;
  }

  async close(): Promise<void> {
    for (const server of this.#servers) server.close();
    await new Promise<void>((resolve) => (this.#aedes ? this.#aedes.close(resolve) : resolve()));
  }

  #accept(socket: Socket): void {
    const caller = this.#deps.identify(plainAddress(socket.remoteAddress ?? ""));
    if (!caller || (this.#aedes?.connectedClients ?? 0) >= CONNECTIONS_MAX) {
      this.#deps.meter.count("broker.refused");
      socket.destroy();
      return;
    }
    this.#callers.set(socket, caller);
    socket.setNoDelay(true);
    this.#takeTurns(socket);
    this.#aedes?.handle(socket);
  }

  /**
   * The parser reads when all that it has read is dealt with, and takes what it gets then for all that had come. It is one buffer: where none of its
   * packets ends in that and more is there, nobody would read on. Of a large message it has made one piece by then.
   */
  #takeTurns(socket: Socket): void {
    const turns = this.#turns;
    const bounds = new PacketBounds();
    /** Of a large message, and of nothing else. */
    let parts: Uint8Array[] = [];
    const read = socket.read.bind(socket);
    socket.read = (size?: number) => {
      if (size === 0) return read(0); // the stream's own way to have its buffer filled
      if (bounds.hasEnded) {
        turns.leave(socket, performance.now());
        for (const part of parts) letGo(part);
        parts = [];
      }
      if (bounds.isAmidLarge && !turns.may(socket, performance.now())) {
        this.#watchTurns();
        return null;
      }
      const isPart = bounds.isAmidLargeMessage;
      const chunk = read(size);
      const isWithout = chunk && bounds.take(chunk) === 0;
      if (isWithout && isPart) parts.push(chunk);
      if (isWithout && socket.readableLength > 0) readSoon(socket);
      return chunk;
    };
    socket.once("close", () => turns.leave(socket, performance.now()));
  }

  /** While somebody waits for a turn. */
  #watchTurns(): void {
    this.#watch ??= setTimeout(() => {
      this.#watch = undefined;
      if (this.#turns.look(performance.now())) this.#watchTurns();
    }, STALLED).unref();
  }

  #callerOf = (client: Client): Caller | undefined => this.#callers.get(client.conn);

  #mayConnect = (client: Client): boolean => this.#callerOf(client) !== undefined;

  #may(client: Client, action: "publish" | "subscribe", filter: string): boolean {
    const caller = this.#callerOf(client);
    if (caller && isAllowed(this.#deps.rules, caller, action, filter)) return true;
    this.#deps.meter.count(`broker.denied.${action}`);
    this.#deps.log.debug(`MQTT ${action} denied`, { who: caller?.name, filter });
    return false;
  }

  /** Answers when a record is durable. MQTT 3.1.1 has no word for a refusal but to hang up (§4.8). */
  async #mayPublish(
    client: Client | null,
    packet: { topic: string; payload: string | Buffer; retain: boolean },
    done: (error?: Error | null) => void,
  ): Promise<void> {
    if (!client) return done(); // ourselves
    if (packet.payload.length > PAYLOAD_MAX) return done(new Error("the payload is too large"));
    if (!this.#may(client, "publish", packet.topic)) return done(new Error("not authorized"));
    await this.#deps.room(packet.payload.length);
    const key = keyOf(packet.topic);
    if (key === undefined) return done();
    packet.retain = true;
    this.#writing.set(key, (this.#writing.get(key) ?? 0) + 1);
    try {
      await this.#deps.publish(key, packet.payload.length === 0 ? undefined : bytesOf(packet.payload));
      done();
    } catch (thrown) {
      this.#deps.meter.count("broker.failed");
      this.#deps.log.warn("a message of the mesh was not taken", { topic: packet.topic, error: messageOf(thrown) });
      done(thrown instanceof Error ? thrown : new Error(String(thrown)));
    } finally {
      const left = (this.#writing.get(key) ?? 1) - 1;
      if (left === 0) this.#writing.delete(key);
      else this.#writing.set(key, left);
    }
  }

  #failed(client: Client, error: Error): void {
    this.#deps.meter.count("broker.error");
    this.#deps.log.debug("an MQTT client was cut off", { who: this.#callerOf(client)?.name, error: error.message });
  }
}

/** The parser of this connection is to read on. */
const readSoon = (socket: Socket): unknown => setImmediate(() => socket.emit("readable"));

/** An IPv4 address that came over an IPv6 socket is one. */
const plainAddress = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/, "");

/** Whether its session ends with its connection; the type leaves it out. */
const isClean = (client: Client): boolean => "clean" in client && client.clean === true;

/** A view of what the parser has cut out. */
function bytesOf(payload: string | Buffer): Uint8Array {
  if (typeof payload === "string") return utf8(payload);
  return new Uint8Array(payload.buffer, payload.byteOffset, payload.length);
}
