/**
 * Messages between two neighbours, in order and repeated until they arrive, over control frames that may be lost,
 * doubled and reordered. It outlives rekeys. When the other side has restarted, what it had not acknowledged is given up
 * and the owner is told: whoever needs more than that repeats at its own level (gossip by digests, a transfer by an error).
 */
import type { Ms } from "../../base/time.ts";
import {
  decodeAcknowledgement,
  decodeReset,
  decodeSegment,
  encodeAcknowledgement,
  encodeReset,
  STREAM_FRAME,
} from "./frame.ts";
import { StreamReceiver } from "./receiver.ts";
import { StreamSender } from "./sender.ts";

/** Longest message, bytes. */
export const MESSAGE_MAX = 256 * 1024;
/** Bytes that may wait to be acknowledged; beyond, a message is refused. */
export const BACKLOG_MAX = 4 * 1024 * 1024;

export type StreamEvent =
  | { readonly kind: "messages"; readonly messages: readonly Uint8Array[] }
  /** The other side began anew: messages that waited are gone. */
  | { readonly kind: "reset" }
  | { readonly kind: "drop"; readonly reason: "malformed" | "unknown" | "window" | "size" };

export const isStreamFrame = (plaintext: Uint8Array): boolean =>
  plaintext[0] === STREAM_FRAME.segment ||
  plaintext[0] === STREAM_FRAME.acknowledge ||
  plaintext[0] === STREAM_FRAME.reset;

export class Stream {
  readonly #newId: () => number;
  readonly #receiver = new StreamReceiver(MESSAGE_MAX);
  #sender: StreamSender;
  readonly #resets = new Set<number>();

  /** `newId` gives random u32 other than zero. */
  constructor(newId: () => number) {
    this.#newId = newId;
    this.#sender = new StreamSender(newId());
  }

  get due(): Ms | undefined {
    return this.#sender.due;
  }

  /** Smoothed; undefined before anything was acknowledged. */
  get roundTrip(): Ms | undefined {
    return this.#sender.roundTrip;
  }

  /** False when too much waits already. Throws RangeError for a message that is empty or too long: a bug of the caller. */
  push(message: Uint8Array): boolean {
    if (message.length === 0 || message.length > MESSAGE_MAX)
      throw new RangeError(`a message has 1 to ${MESSAGE_MAX} bytes, not ${message.length}`);
    if (this.#sender.backlog + message.length > BACKLOG_MAX) return false;
    this.#sender.push(message);
    return true;
  }

  /** Takes a frame for which `isStreamFrame` holds. */
  receive(frame: Uint8Array, now: Ms): StreamEvent {
    this.#sender.heard(now);
    if (frame[0] === STREAM_FRAME.segment) return this.#receiveSegment(frame);
    if (frame[0] === STREAM_FRAME.acknowledge) return this.#receiveAcknowledgement(frame, now);
    const reset = decodeReset(frame);
    if (reset === undefined) return { kind: "drop", reason: "malformed" };
    if (reset !== this.#sender.stream) return { kind: "drop", reason: "unknown" };
    return this.#restart();
  }

  /** What to send now, after an event or when due. */
  frames(now: Ms): Uint8Array[] {
    this.#sender.tick(now);
    const resets = [...this.#resets].map(encodeReset);
    this.#resets.clear();
    const acknowledgement = this.#receiver.acknowledgement();
    const answers = acknowledgement ? [...resets, encodeAcknowledgement(acknowledgement)] : resets;
    return [...answers, ...this.#sender.frames(now)];
  }

  #receiveSegment(frame: Uint8Array): StreamEvent {
    const segment = decodeSegment(frame);
    if (!segment) return { kind: "drop", reason: "malformed" };
    const arrival = this.#receiver.accept(segment);
    if ("messages" in arrival) return { kind: "messages", messages: arrival.messages };
    if (arrival.refused !== "window") this.#resets.add(segment.stream);
    return { kind: "drop", reason: arrival.refused };
  }

  #receiveAcknowledgement(frame: Uint8Array, now: Ms): StreamEvent {
    const a = decodeAcknowledgement(frame);
    if (!a) return { kind: "drop", reason: "malformed" };
    if (a.stream !== this.#sender.stream) return { kind: "drop", reason: "unknown" };
    this.#sender.acknowledge(a, now);
    return this.#sender.exhausted ? this.#restart() : { kind: "messages", messages: [] };
  }

  #restart(): StreamEvent {
    this.#sender = new StreamSender(this.#newId());
    return { kind: "reset" };
  }
}
