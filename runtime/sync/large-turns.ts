/**
 * One connection of the broker at a time takes in a large message. Its parts, the message that they become and what is made of that on the way to the
 * medium are some copies at once; messages of others wait where they are, in their sockets.
 */
import { type Ms, seconds } from "../base/time.ts";

/** A packet with more bytes is large: what a connection may hold without its turn. */
export const LARGE: number = 64 * 1024;
/** Who brings nothing for so long loses its turn to one who waits. */
export const STALLED: Ms = seconds(1);

const PUBLISH = 3;

/** Where packets begin and end in what a connection brings (MQTT 3.1.1, 2.2). */
export class PacketBounds {
  #isHead = true;
  #type = 0;
  #length = 0;
  #scale = 1;
  #left = 0;
  #ended = false;

  /** Whether a large packet has begun and is not whole. */
  get isAmidLarge(): boolean {
    return this.#left > 0 && this.#length > LARGE;
  }

  /** The same of a PUBLISH: what comes next, if the packet does not end in it, is a part of its payload, and not the last. */
  get isAmidLargeMessage(): boolean {
    return this.isAmidLarge && this.#type === PUBLISH;
  }

  /** Whether a large packet has become whole since this was asked last. */
  get hasEnded(): boolean {
    const ended = this.#ended;
    this.#ended = false;
    return ended;
  }

  /** How many packets end in this. */
  take(chunk: Uint8Array): number {
    let whole = 0;
    for (let at = 0; at < chunk.length; ) {
      if (this.#left > 0) {
        const part = Math.min(this.#left, chunk.length - at);
        this.#left -= part;
        at += part;
        if (this.#left === 0 && this.#length > LARGE) this.#ended = true;
      } else this.#head(chunk[at++] as number);
      if (this.#left === 0 && this.#isHead) whole++;
    }
    return whole;
  }

  /** One byte of type and flags, then the length, seven bits a byte, the lowest first. */
  #head(byte: number): void {
    if (this.#isHead) {
      this.#isHead = false;
      this.#type = byte >> 4;
      this.#length = 0;
      this.#scale = 1;
      return;
    }
    this.#length += (byte & 127) * this.#scale;
    this.#scale *= 128;
    if (byte > 127) return;
    this.#isHead = true;
    this.#left = this.#length;
  }
}

export class LargeTurns<Connection> {
  readonly #waiting = new Set<Connection>();
  readonly #call: (connection: Connection) => void;
  #holder: Connection | undefined;
  #heard: Ms = 0;

  /** `call`: to one that was refused and whose turn it is now. */
  constructor(call: (connection: Connection) => void) {
    this.#call = call;
  }

  /** Whether one that is amid a large message may take in more of it. Who is refused is called when it is its turn. */
  may(connection: Connection, now: Ms): boolean {
    const isOurs = this.#holder === undefined || this.#holder === connection;
    if (isOurs || now >= this.#heard + STALLED) {
      this.#waiting.delete(connection);
      this.#holder = connection;
      this.#heard = now;
      return true;
    }
    this.#waiting.add(connection);
    return false;
  }

  /** It has taken one in, or is gone: the turn goes to who has waited longest, since who had it would take it again sooner. */
  leave(connection: Connection, now: Ms): void {
    this.#waiting.delete(connection);
    if (this.#holder !== undefined && this.#holder !== connection) return;
    this.#holder = undefined;
    this.#callNext(now);
  }

  /** To be called every `STALLED` while somebody waits, which it says: whose turn it is may have stalled. */
  look(now: Ms): boolean {
    if (now >= this.#heard + STALLED) this.#callNext(now);
    return this.#waiting.size > 0;
  }

  #callNext(now: Ms): void {
    const [next] = this.#waiting;
    if (next === undefined) return;
    this.#waiting.delete(next);
    this.#holder = next;
    this.#heard = now;
    this.#call(next);
  }
}
