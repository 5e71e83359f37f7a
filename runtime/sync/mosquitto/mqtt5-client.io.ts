/**
 * The daemon's connection to its Mosquitto, by MQTT 5 with QoS 1 both ways. It ends once and for all: who holds it makes another. What comes is
 * acknowledged when it has been dealt with, and so many at most are on their way that memory is bounded.
 */
import { connect, type Socket } from "node:net";
import { generate, type IConnackPacket, type IPublishPacket, type Packet, type Parser, parser } from "mqtt-packet";
import { messageOf, TrellisError } from "../../base/errors.ts";
import { type Ms, seconds } from "../../base/time.ts";
import { WINDOW, Window } from "./window.ts";

export interface Message {
  readonly topic: string;
  readonly payload: Uint8Array;
  readonly retain: boolean;
  /** Whether Mosquitto forgets it after a time. */
  readonly expires: boolean;
}

export interface Subscription {
  readonly topic: string;
  readonly qos: 0 | 1;
  /** No Local: not what we publish ourselves. */
  readonly nl?: boolean;
  /** Retain As Published. */
  readonly rap?: boolean;
  /** Retain Handling: 0 gives what is retained, 2 does not. */
  readonly rh?: 0 | 2;
}

export interface ClientTerms {
  readonly at: { readonly path: string } | { readonly host: string; readonly port: number };
  /** It is acknowledged when this resolves. */
  readonly received: (message: Message) => Promise<void>;
  /** Called once, after `connect` has resolved. */
  readonly closed: (reason: string) => void;
}

/** Bytes of what came and is not dealt with, above which nothing more is read. */
const HELD_MAX: number = 8 * 1024 ** 2;
const KEEP_ALIVE: Ms = seconds(10);
const ANSWER: Ms = seconds(10);
const FAILED = 0x80;
/** MQTT 5 §3.2.2.3.3: without a number of its own the server takes as many. */
const RECEIVE_MAXIMUM = 65_535;

interface Waiting {
  readonly packet: (messageId: number) => Packet;
  /** Of the window, when it went out. */
  mark: number;
  readonly resolve: () => void;
  readonly reject: (reason: Error) => void;
}

export class Mqtt5Client {
  readonly #terms: ClientTerms;
  readonly #socket: Socket;
  readonly #parser: Parser = parser({ protocolVersion: 5 });
  readonly #opened = Promise.withResolvers<void>();
  /** By packet identifier: what Mosquitto has not answered. */
  readonly #sent = new Map<number, Waiting>();
  readonly #queue: Waiting[] = [];
  readonly #window = new Window();
  readonly #dealing = new Set<Promise<void>>();
  #sentMax = RECEIVE_MAXIMUM;
  #lastId = 0;
  #held = 0;
  #isUp = false;
  #ended: string | undefined;
  #pings: Timer | undefined;
  #patience: Timer | undefined;

  private constructor(terms: ClientTerms) {
    this.#terms = terms;
    this.#parser.on("packet", (packet) => this.#took(packet));
    this.#parser.on("error", (error) => this.#end(`what it says is no MQTT: ${messageOf(error)}`));
    this.#socket = connect(terms.at);
    this.#socket.on("connect", () => this.#hello());
    this.#socket.on("data", (data: Buffer) => this.#parser.parse(data));
    this.#socket.on("error", (error) => this.#end(messageOf(error)));
    this.#socket.on("close", () => this.#end("it closed the connection"));
    this.#expect();
  }

  /** Throws what keeps us out. */
  static async connect(terms: ClientTerms): Promise<Mqtt5Client> {
    const client = new Mqtt5Client(terms);
    await client.#opened.promise;
    return client;
  }

  /** As `Window.congested`. */
  get congested(): boolean {
    return this.#window.congested;
  }

  /** Throws `broker/refused` for one of them, and an error of no code when the connection ends. */
  subscribe(subscriptions: readonly Subscription[]): Promise<void> {
    return this.#ask((messageId) => ({ cmd: "subscribe", messageId, subscriptions: [...subscriptions] }));
  }

  /** Resolves when Mosquitto has it. Throws as `subscribe` does. */
  publish(topic: string, payload: Uint8Array, retain: boolean): Promise<void> {
    const content = { topic, payload: Buffer.from(payload.buffer, payload.byteOffset, payload.length), retain };
    return this.#ask((messageId) => ({ cmd: "publish", messageId, qos: 1, dup: false, ...content }));
  }

  close(): void {
    if (this.#isUp && this.#ended === undefined) this.#write({ cmd: "disconnect" });
    this.#end("closed");
  }

  #hello(): void {
    const properties = { sessionExpiryInterval: 0, receiveMaximum: WINDOW };
    // Without an identifier, so that it draws one: who called by one that is known would take our place.
    const who = { protocolId: "MQTT", protocolVersion: 5, clientId: "", clean: true } as const;
    this.#write({ cmd: "connect", ...who, keepalive: KEEP_ALIVE / 1000, properties });
  }

  #ask(packet: Waiting["packet"]): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    if (this.#ended !== undefined) reject(new Error(this.#ended));
    else this.#queue.push({ packet, mark: 0, resolve, reject });
    this.#flush();
    return promise;
  }

  #flush(): void {
    while (this.#sent.size < this.#sentMax) {
      const next = this.#queue.shift();
      if (!next) return;
      next.mark = this.#window.mark;
      const id = this.#nextId();
      this.#sent.set(id, next);
      this.#write(next.packet(id));
    }
  }

  /** There is a free one: fewer than `#sentMax` are taken. */
  #nextId(): number {
    do this.#lastId = (this.#lastId % 65_535) + 1;
    while (this.#sent.has(this.#lastId));
    return this.#lastId;
  }

  #took(packet: Packet): void {
    if (this.#ended !== undefined) return;
    if (packet.cmd === "connack") this.#welcomed(packet);
    else if (packet.cmd === "publish") this.#receive(packet);
    else if (packet.cmd === "puback") this.#answered(packet.messageId, packet.reasonCode ?? 0);
    else if (packet.cmd === "suback") this.#answered(packet.messageId, Math.max(0, ...packet.granted.map(Number)));
    else if (packet.cmd === "pingresp") clearTimeout(this.#patience);
    else if (packet.cmd === "disconnect") this.#end(`it hung up, with reason ${packet.reasonCode ?? 0}`);
  }

  #welcomed({ reasonCode = 0, properties }: IConnackPacket): void {
    clearTimeout(this.#patience);
    if (reasonCode >= FAILED) {
      this.#end(`it does not let us in: reason ${reasonCode}`);
      return;
    }
    this.#isUp = true;
    this.#sentMax = properties?.receiveMaximum ?? RECEIVE_MAXIMUM;
    this.#pings = setInterval(() => {
      this.#write({ cmd: "pingreq" });
      this.#expect();
    }, KEEP_ALIVE);
    this.#opened.resolve();
  }

  #answered(id: number | undefined, code: number): void {
    const waiting = id === undefined ? undefined : this.#sent.get(id);
    if (!waiting) return;
    this.#sent.delete(id as number);
    this.#window.answered(waiting.mark);
    if (code < FAILED) waiting.resolve();
    else waiting.reject(new TrellisError("broker/refused", `Mosquitto refused it: reason ${code}`));
    this.#flush();
  }

  /** Resolves when nothing of what has come waits. */
  async dealtWith(): Promise<void> {
    while (this.#dealing.size > 0) await Promise.allSettled(this.#dealing);
  }

  #receive(packet: IPublishPacket): void {
    const dealing = this.#deal(packet).finally(() => this.#dealing.delete(dealing));
    this.#dealing.add(dealing);
  }

  async #deal(packet: IPublishPacket): Promise<void> {
    const { topic, qos, retain, properties } = packet;
    const payload = Uint8Array.from(Buffer.from(packet.payload));
    if (qos > 0) this.#window.came();
    this.#held += payload.length;
    if (this.#held > HELD_MAX) this.#socket.pause();
    try {
      await this.#terms.received({ topic, payload, retain, expires: properties?.messageExpiryInterval !== undefined });
    } finally {
      this.#held -= payload.length;
      if (this.#held <= HELD_MAX) this.#socket.resume();
      if (qos > 0) {
        this.#window.acknowledged();
        this.#write({ cmd: "puback", messageId: packet.messageId as number, reasonCode: 0 });
      }
    }
  }

  /** Some answer within a time, or the connection is over. */
  #expect(): void {
    clearTimeout(this.#patience);
    this.#patience = setTimeout(() => this.#end("it does not answer"), ANSWER);
  }

  #write(packet: Packet): void {
    if (this.#ended === undefined) this.#socket.write(generate(packet, { protocolVersion: 5 }));
  }

  #end(reason: string): void {
    if (this.#ended !== undefined) return;
    this.#ended = reason;
    clearInterval(this.#pings);
    clearTimeout(this.#patience);
    if (reason === "closed") this.#socket.end();
    else this.#socket.destroy();
    for (const { reject } of [...this.#sent.values(), ...this.#queue]) reject(new Error(reason));
    this.#sent.clear();
    this.#queue.length = 0;
    this.#opened.reject(new Error(reason));
    if (this.#isUp) this.#terms.closed(reason);
  }
}
