/** The fingerprint of a run: SHA-256 over everything that happened, in order. Equal seeds give equal hashes. */
import { endpointKey } from "../../runtime/base/endpoint.ts";
import type { Ms } from "../../runtime/base/time.ts";
import type { Packet } from "./network/packet.ts";

/** `sent` by a gateway, `arrived` at one; an `event` is what the world did to a gateway: a command, a crash, a move. */
type TraceKind = "sent" | "arrived" | "event";

export class Trace {
  readonly #hash = new Bun.CryptoHasher("sha256");
  readonly #line: ((line: string) => void) | undefined;
  #events = 0;

  /** `line` gets every event as text, to compare two runs that should be one. */
  constructor(line?: (line: string) => void) {
    this.#line = line;
  }

  get events(): number {
    return this.#events;
  }

  /** Of all events so far, 64 hex digits. */
  get hash(): string {
    return this.#hash.copy().digest("hex");
  }

  packet(kind: "sent" | "arrived", at: Ms, packet: Packet): void {
    this.#add(kind, at, `${endpointKey(packet.from)} ${endpointKey(packet.to)}`, packet.payload);
  }

  event(at: Ms, what: string): void {
    this.#add("event", at, what, new Uint8Array(0));
  }

  /** Lengths stand before what they measure, so that no two sequences of events are the same bytes. */
  #add(kind: TraceKind, at: Ms, what: string, payload: Uint8Array): void {
    this.#events++;
    this.#hash.update(`${kind} ${at} ${what.length} ${what} ${payload.length}\n`).update(payload);
    this.#line?.(`${at} ${kind} ${what} ${payload.length} ${shortHash(payload)}`);
  }
}

const shortHash = (payload: Uint8Array): string =>
  new Bun.CryptoHasher("sha256").update(payload).digest("hex").slice(0, 16);
