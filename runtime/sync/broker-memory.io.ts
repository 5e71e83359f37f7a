/** What the broker remembers between messages: sessions, what waits for them, retained topics. In memory, and bounded. */
import { Readable } from "node:stream";
import type { Client } from "aedes";
import Memory from "aedes-persistence/asyncPersistence.js";
import type { Meter } from "../base/meter.ts";
import { covers, MESH_PREFIX } from "./topics.ts";

type Packet = Parameters<Memory["storeRetained"]>[0];

export interface MeshMessage {
  readonly topic: string;
  readonly payload: Uint8Array;
}

/** Messages that wait for one session; of what is above it nothing is kept. */
const WAITING_MAX = 1_000;
const SESSIONS_MAX = 1_024;
/** Retained topics of this gateway alone, and their bytes. */
const RETAINED_MAX = 4_096;
const RETAINED_BYTES_MAX: number = 8 * 1024 ** 2;

export class BrokerMemory extends Memory {
  readonly #retained: () => AsyncIterable<MeshMessage>;
  readonly #meter: Meter;
  readonly #sizes = new Map<string, number>();
  #bytes = 0;
  readonly #waiting = new Map<string, Packet[]>();

  /** `retained`: every topic of the mesh. */
  constructor(retained: () => AsyncIterable<MeshMessage>, meter: Meter) {
    super();
    this.#retained = retained;
    this.#meter = meter;
  }

  override async storeRetained(packet: Packet): Promise<void> {
    if (packet.cmd !== "publish" || packet.topic.startsWith(MESH_PREFIX)) return; // the records are what is retained
    const [size, was] = [packet.payload.length, this.#sizes.get(packet.topic) ?? 0];
    const fits = was > 0 || this.#sizes.size < RETAINED_MAX;
    if (size > 0 && (!fits || this.#bytes - was + size > RETAINED_BYTES_MAX)) {
      this.#meter.count("broker.full.retained");
      return;
    }
    this.#bytes += size - was;
    if (size === 0) this.#sizes.delete(packet.topic);
    else this.#sizes.set(packet.topic, size);
    await super.storeRetained(packet);
  }

  override createRetainedStreamCombi(patterns: string[]): Readable {
    return Readable.from(this.#matching(patterns, super.createRetainedStreamCombi(patterns)));
  }

  async *#matching(patterns: readonly string[], own: AsyncIterable<object>): AsyncGenerator<object> {
    yield* own;
    if (!patterns.some((p) => /^(#|\+|mesh)(\/|$)/.test(p))) return;
    for await (const { topic, payload } of this.#retained())
      if (patterns.some((p) => covers(p, topic)))
        yield { cmd: "publish", topic, payload: Buffer.from(payload), qos: 1, retain: true, dup: false };
  }

  override async outgoingEnqueue(to: { clientId: string }, packet: Packet): Promise<void> {
    const queue = this.#waiting.get(to.clientId) ?? [];
    if (queue.length >= WAITING_MAX || (queue.length === 0 && this.#waiting.size >= SESSIONS_MAX)) {
      this.#meter.count("broker.full.waiting");
      return;
    }
    queue.push({ ...packet, messageId: undefined } as unknown as Packet);
    this.#waiting.set(to.clientId, queue);
  }

  override async outgoingEnqueueCombi(to: { clientId: string }[], packet: Packet): Promise<void> {
    for (const one of to) await this.outgoingEnqueue(one, packet);
  }

  /** Gives a message that waits its number on the connection, or says how far its handshake is. */
  override async outgoingUpdate(client: Client, packet: Packet): Promise<void> {
    const queue = this.#waiting.get(client.id) ?? [];
    const at = queue.findIndex((p) =>
      p.brokerId === packet.brokerId ? p.brokerCounter === packet.brokerCounter : p.messageId === packet.messageId,
    );
    const found = queue[at];
    if (!found) throw new Error("no such packet");
    if (found.brokerId === packet.brokerId) (found as { messageId?: unknown }).messageId = packet.messageId;
    else queue[at] = packet;
  }

  override async outgoingClearMessageId(client: Client, packet: Packet): Promise<Packet> {
    const queue = this.#waiting.get(client.id) ?? [];
    const at = queue.findIndex((p) => p.messageId === packet.messageId);
    const [gone] = at < 0 ? [] : queue.splice(at, 1);
    if (queue.length === 0) this.#waiting.delete(client.id);
    return gone as Packet;
  }

  override outgoingStream(client: Client): Readable {
    return Readable.from([...(this.#waiting.get(client.id) ?? [])]);
  }

  /** A session that is not to be kept ends with its connection. */
  forget(client: Client): void {
    this.#waiting.delete(client.id);
  }
}
