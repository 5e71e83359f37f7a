/**
 * A connection to a broker of others, by MQTT 3.1.1 or 5: made again whenever it ends, ever more rarely. It subscribes and publishes with QoS 0 in
 * a session that the broker forgets: what is lost the exchange repairs, so nothing waits here or there for who is away.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { generate, type Packet, type Parser, parser } from "mqtt-packet";
import { messageOf } from "../../base/errors.ts";
import { type Ms, seconds } from "../../base/time.ts";
import type { BrokerAddress } from "../../config/broker-address.ts";
import { Allowance } from "./allowance.ts";
import { Backoff } from "./backoff.ts";
import { ENVELOPE_MAX } from "./envelope.ts";

/** Read anew for each connection, so that renewed certificates count. */
export interface Credentials {
  readonly user: string | undefined;
  readonly password: Buffer | undefined;
  /** PEM. Undefined: the authorities that the system trusts. */
  readonly ca: Buffer | undefined;
  readonly cert: Buffer | undefined;
  readonly key: Buffer | undefined;
}

export interface MqttLinkTerms {
  readonly address: BrokerAddress;
  readonly clientId: string;
  readonly topics: readonly string[];
  /** Throws what keeps them from being read. */
  readonly credentials: () => Credentials;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly up: () => void;
  /** The connection ended, or did not come about; it is tried again. Not what `close` ends. */
  readonly down: (reason: string) => void;
  readonly received: (topic: string, payload: Uint8Array) => void;
}

type Version = 4 | 5;

const ANSWER: Ms = seconds(10);
const KEEP_ALIVE: Ms = seconds(30);
/** Bytes that wait to be sent or to become a packet; what is above the one is lost, the other ends the connection. */
const UNSENT_MAX: number = 4 * 1024 ** 2;
const PACKET_MAX: number = ENVELOPE_MAX + 64 * 1024;
const FAILED = 0x80;
/** CONNACK: 3.1.1 §3.2.2.3 and 5 §3.2.2.2. */
const WRONG_VERSION = [1, 0x84];
const REFUSALS: Readonly<Record<number, string>> = {
  2: "it does not take our client identifier",
  3: "it is not available",
  4: "user name or password is wrong",
  5: "we are not authorized",
  134: "user name or password is wrong",
  135: "we are not authorized",
};

export class MqttLink {
  readonly #terms: MqttLinkTerms;
  readonly #backoff: Backoff;
  #version: Version = 4;
  #socket: Socket | undefined;
  #parser: Parser | undefined;
  #allowance = new Allowance(Date.now());
  #packets = 0;
  #isUp = false;
  #reason = "";
  #closed = false;
  #again: Timer | undefined;
  #patience: Timer | undefined;
  #pings: Timer | undefined;
  #resume: Timer | undefined;

  constructor(terms: MqttLinkTerms) {
    this.#terms = terms;
    this.#backoff = new Backoff(terms.random);
    this.#connect();
  }

  /** What is spoken while connected. */
  get protocol(): string | undefined {
    return this.#isUp ? { 4: "MQTT 3.1.1", 5: "MQTT 5" }[this.#version] : undefined;
  }

  /** False when it was not sent: there is no connection, or too much waits. */
  publish(topic: string, payload: Uint8Array): boolean {
    if (!this.#isUp || !this.#socket || this.#socket.writableLength > UNSENT_MAX) return false;
    this.#send({ cmd: "publish", topic, payload: Buffer.from(payload), qos: 0, dup: false, retain: false });
    return true;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#again);
    this.#end("closed");
  }

  #connect(): void {
    const { host, port, tls } = this.#terms.address;
    try {
      const { ca, cert, key } = this.#terms.credentials();
      const secured = { host, port, ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) };
      const socket = tls ? connectTls(secured) : connectTcp({ host, port });
      this.#socket = socket;
      socket.on("error", (error) => {
        this.#reason ||= messageOf(error);
      });
      socket.on("close", () => {
        if (this.#socket === socket) this.#end("the broker closed the connection");
      });
      socket.once(tls ? "secureConnect" : "connect", () => this.#hello());
      socket.on("data", (data: Buffer) => this.#read(socket, data));
      this.#expect("no answer within 10 s");
    } catch (thrown) {
      this.#end(messageOf(thrown));
    }
  }

  #hello(): void {
    this.#parser = parser({ protocolVersion: this.#version });
    this.#parser.on("packet", (packet) => this.#took(packet));
    this.#parser.on("error", (error) => this.#end(`what the broker says is no MQTT: ${messageOf(error)}`));
    const { user, password } = this.#terms.credentials();
    this.#send({
      cmd: "connect",
      protocolId: "MQTT",
      protocolVersion: this.#version,
      clientId: this.#terms.clientId,
      clean: true,
      keepalive: KEEP_ALIVE / 1000,
      ...(user !== undefined && { username: user }),
      ...(password !== undefined && { password }),
    });
  }

  #read(socket: Socket, data: Buffer): void {
    if (this.#socket !== socket || !this.#parser) return;
    const waiting = this.#parser.parse(data);
    if (waiting > PACKET_MAX) this.#end("the broker sends packets larger than any of ours");
    const pause = this.#allowance.charge(data.length, this.#packets, Date.now());
    this.#packets = 0;
    if (pause === 0 || this.#socket !== socket) return;
    socket.pause();
    this.#resume = setTimeout(() => socket.resume(), pause);
  }

  #took(packet: Packet): void {
    this.#packets++;
    const over = this.#answer(packet);
    if (over !== undefined) this.#end(over);
  }

  /** Why the connection is over after this, if it is. */
  #answer(packet: Packet): string | undefined {
    switch (packet.cmd) {
      case "connack":
        return this.#welcomed(packet.returnCode ?? packet.reasonCode ?? 0);
      case "suback":
        return this.#isUp ? undefined : this.#subscribed(packet.granted);
      case "publish":
        if (this.#isUp) this.#terms.received(packet.topic, Uint8Array.from(Buffer.from(packet.payload)));
        return undefined;
      case "pingresp":
        if (this.#isUp) clearTimeout(this.#patience);
        return undefined;
      case "disconnect":
        return `the broker hung up, with reason ${packet.reasonCode ?? 0}`;
      default:
        return undefined;
    }
  }

  #welcomed(code: number): string | undefined {
    if (WRONG_VERSION.includes(code)) {
      this.#version = this.#version === 4 ? 5 : 4;
      return "it speaks another version of MQTT";
    }
    if (code !== 0) return `the broker refused us: ${REFUSALS[code] ?? `code ${code}`}`;
    const subscriptions = this.#terms.topics.map((topic) => ({ topic, qos: 0 as const }));
    this.#send({ cmd: "subscribe", messageId: 1, subscriptions });
    return undefined;
  }

  #subscribed(granted: readonly unknown[]): string | undefined {
    const may = granted.every((code) => typeof code === "number" && code < FAILED);
    if (!may) return "the broker does not let us subscribe to trellis/#";
    clearTimeout(this.#patience);
    this.#isUp = true;
    this.#pings = setInterval(() => {
      this.#send({ cmd: "pingreq" });
      this.#expect("the broker does not answer");
    }, KEEP_ALIVE);
    this.#backoff.succeeded(Date.now());
    this.#terms.up();
    return undefined;
  }

  /** Some answer within a time, or the connection is over. */
  #expect(reason: string): void {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#end(reason), ANSWER);
  }

  #send(packet: Packet): void {
    this.#socket?.write(generate(packet, { protocolVersion: this.#version }));
  }

  /** Once for each connection. */
  #end(reason: string): void {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#parser = undefined;
    this.#isUp = false;
    clearTimeout(this.#patience);
    clearInterval(this.#pings);
    clearTimeout(this.#resume);
    if (reason === "closed" && socket?.writable) socket.end(generate({ cmd: "disconnect" }, { protocolVersion: 4 }));
    else socket?.destroy();
    if (this.#closed) return;
    this.#terms.down(this.#reason || reason);
    this.#reason = "";
    this.#again = setTimeout(() => this.#connect(), this.#backoff.failed(Date.now()));
  }
}
