/**
 * Files between gateways over their sealed sessions, without a tunnel. The sender's daemon takes bytes as far as the
 * receiver has room; the receiver's parks an offer until somebody there asks for it. The ends hash, the daemons carry.
 */
import { toHex } from "../base/bytes.ts";
import type { RandomBytes } from "../base/random.ts";
import { type Ms, seconds } from "../base/time.ts";
import { CHUNK_MAX, decodeTransfer, encodeTransfer, type TransferMessage } from "./message.ts";

/** Bytes that may lie between the ends. */
export const ROOM: number = 16 * CHUNK_MAX;
const TRANSFERS_MAX = 16;
const TRANSFERS_PER_PEER = 4;
/** An offer that nobody asks for is refused after this. */
const PARKED: Ms = seconds(8);
/** A transfer in which nothing happened for this long is given up. */
const IDLE: Ms = seconds(60);

export interface Offer {
  readonly id: string;
  /** Overlay address. */
  readonly peer: string;
  readonly name: string;
  readonly size: number;
}

export type SendState =
  | { readonly phase: "offered" }
  | { readonly phase: "open"; readonly room: number }
  | { readonly phase: "done" }
  | { readonly phase: "failed"; readonly reason: string };

export type Read =
  | { readonly kind: "data"; readonly data: Uint8Array }
  | { readonly kind: "end"; readonly sha256: Uint8Array }
  | { readonly kind: "nothing" }
  | { readonly kind: "failed"; readonly reason: string };

interface Outgoing extends Offer {
  readonly bytes: Uint8Array;
  phase: "offered" | "open" | "done" | "failed";
  reason: string;
  sent: number;
  taken: number;
  touched: Ms;
}

interface Incoming extends Offer {
  readonly bytes: Uint8Array;
  accepted: boolean;
  readonly waiting: Uint8Array[];
  received: number;
  taken: number;
  sha256: Uint8Array | undefined;
  failed: string | undefined;
  touched: Ms;
}

export class Transfers {
  readonly #random: RandomBytes;
  readonly #post: (peer: string, data: Uint8Array) => void;
  readonly #outgoing = new Map<string, Outgoing>();
  readonly #incoming = new Map<string, Incoming>();

  /** `post` sends to the same class at a peer, in order; what it loses must be told by `lost`. */
  constructor(random: RandomBytes, post: (peer: string, data: Uint8Array) => void) {
    this.#random = random;
    this.#post = post;
  }

  /** Offers a file. The name must satisfy `isFileName`, or RangeError. Undefined when too many transfers run already. */
  offer(peer: string, name: string, size: number, now: Ms): string | undefined {
    this.expire(now);
    if (this.#outgoing.size >= TRANSFERS_MAX) return undefined;
    const bytes = this.#random(8);
    const id = toHex(bytes);
    const row: Outgoing = {
      id,
      bytes,
      peer,
      name,
      size,
      phase: "offered",
      reason: "",
      sent: 0,
      taken: 0,
      touched: now,
    };
    this.#tell(row, { kind: "offer", name, size });
    this.#outgoing.set(id, row);
    return id;
  }

  /** Undefined for a transfer that is not known (any more). */
  sending(id: string, now: Ms): SendState | undefined {
    this.expire(now);
    const o = this.#outgoing.get(id);
    if (!o) return undefined;
    if (o.phase === "open") return { phase: "open", room: ROOM - (o.sent - o.taken) };
    return o.phase === "failed" ? { phase: "failed", reason: o.reason } : { phase: o.phase };
  }

  /** Sends the next bytes; false when there is no room or the transfer is not open. */
  write(id: string, data: Uint8Array, now: Ms): boolean {
    const o = this.#outgoing.get(id);
    if (o?.phase !== "open" || data.length > ROOM - (o.sent - o.taken)) return false;
    for (let at = 0; at < data.length; at += CHUNK_MAX)
      this.#tell(o, { kind: "data", data: data.subarray(at, at + CHUNK_MAX) });
    o.sent += data.length;
    o.touched = now;
    return true;
  }

  finish(id: string, sha256: Uint8Array): void {
    const o = this.#outgoing.get(id);
    if (o?.phase === "open") this.#tell(o, { kind: "end", sha256 });
  }

  /** Takes an offer, of `from` only when given; undefined while there is none. */
  take(from: string | undefined, now: Ms): Offer | undefined {
    this.expire(now);
    for (const i of this.#incoming.values()) {
      if (i.accepted || (from !== undefined && i.peer !== from)) continue;
      i.accepted = true;
      i.touched = now;
      this.#tell(i, { kind: "accept" });
      return { id: i.id, peer: i.peer, name: i.name, size: i.size };
    }
    return undefined;
  }

  /** The next bytes of a transfer that was taken; undefined for one that is not known (any more). */
  read(id: string, now: Ms): Read | undefined {
    const i = this.#incoming.get(id);
    if (!i?.accepted) return undefined;
    if (i.failed !== undefined) {
      this.#incoming.delete(id);
      return { kind: "failed", reason: i.failed };
    }
    i.touched = now;
    const data = i.waiting.shift();
    if (data) {
      i.taken += data.length;
      this.#tell(i, { kind: "credit", taken: i.taken });
      return { kind: "data", data };
    }
    return i.sha256 ? { kind: "end", sha256: i.sha256 } : { kind: "nothing" };
  }

  /** The receiver's last word: it has the file, or why not. */
  close(id: string, failure: string | undefined): void {
    const i = this.#incoming.get(id);
    if (!i) return;
    this.#incoming.delete(id);
    if (i.failed === undefined)
      this.#tell(i, failure === undefined ? { kind: "done" } : { kind: "fail", reason: failure });
  }

  /** The sender gives up, or has seen how it ended. */
  forget(id: string): void {
    const o = this.#outgoing.get(id);
    if (!o) return;
    this.#outgoing.delete(id);
    if (o.phase === "offered" || o.phase === "open") this.#tell(o, { kind: "fail", reason: "the sender gave up" });
  }

  /** Bytes that the peer posted. Anything that does not fit is ignored, or ends the transfer it names. */
  hear(peer: string, data: Uint8Array, now: Ms): void {
    this.expire(now);
    const m = decodeTransfer(data);
    if (!m) return;
    const id = toHex(m.id);
    if (m.kind === "offer") this.#hearOffer(peer, id, m, now);
    const i = this.#incoming.get(id);
    const o = this.#outgoing.get(id);
    if (i?.peer === peer) this.#hearSender(i, m, now);
    else if (o?.peer === peer) this.#hearReceiver(o, m, now);
  }

  /** The peer's session or stream broke: what was on the way is gone. */
  lost(peer: string): void {
    for (const o of this.#outgoing.values())
      if (o.peer === peer && (o.phase === "offered" || o.phase === "open")) fail(o, "the other gateway went away");
    for (const i of [...this.#incoming.values()]) {
      if (i.peer !== peer) continue;
      if (i.accepted) i.failed ??= "the other gateway went away";
      else this.#incoming.delete(i.id);
    }
  }

  #hearOffer(peer: string, id: string, m: TransferMessage, now: Ms): void {
    const { name, size } = m;
    if (name === undefined || size === undefined || this.#incoming.has(id) || this.#outgoing.has(id)) return;
    const row: Incoming = {
      id,
      bytes: m.id,
      peer,
      name,
      size,
      accepted: false,
      waiting: [],
      received: 0,
      taken: 0,
      sha256: undefined,
      failed: undefined,
      touched: now,
    };
    const own = [...this.#incoming.values()].filter((i) => i.peer === peer).length;
    if (this.#incoming.size >= TRANSFERS_MAX || own >= TRANSFERS_PER_PEER)
      this.#tell(row, { kind: "fail", reason: "too many transfers there" });
    else this.#incoming.set(id, row);
  }

  #hearSender(i: Incoming, m: TransferMessage, now: Ms): void {
    i.touched = now;
    if (m.kind === "data" && m.data) {
      i.received += m.data.length;
      if (!i.accepted || i.sha256 || i.received > i.size || i.received - i.taken > ROOM) this.#break(i);
      else i.waiting.push(m.data);
    } else if (m.kind === "end" && m.sha256) {
      if (i.accepted && i.received === i.size) i.sha256 = m.sha256;
      else this.#break(i);
    } else if (m.kind === "fail") {
      if (i.accepted) i.failed ??= m.reason ?? "";
      else this.#incoming.delete(i.id);
    }
  }

  /** The sender broke the rules. */
  #break(i: Incoming): void {
    i.failed ??= "the sender sent something else than it had offered";
    i.waiting.length = 0;
    this.#tell(i, { kind: "fail", reason: i.failed });
    if (!i.accepted) this.#incoming.delete(i.id);
  }

  #hearReceiver(o: Outgoing, m: TransferMessage, now: Ms): void {
    o.touched = now;
    if (m.kind === "accept" && o.phase === "offered") o.phase = "open";
    else if (m.kind === "credit" && m.taken !== undefined && m.taken <= o.sent) o.taken = Math.max(o.taken, m.taken);
    else if (m.kind === "done" && o.phase === "open" && o.sent === o.size) o.phase = "done";
    else if (m.kind === "fail" && o.phase !== "done") fail(o, m.reason ?? "");
  }

  /** When the next transfer is given up unless something happens. */
  get due(): Ms | undefined {
    const ends = [...this.#outgoing.values()].map((o) => o.touched + IDLE);
    for (const i of this.#incoming.values()) ends.push(i.touched + patienceWith(i));
    return ends.length > 0 ? Math.min(...ends) : undefined;
  }

  /** Gives up what is due. */
  expire(now: Ms): void {
    for (const o of this.#outgoing.values()) if (now >= o.touched + IDLE) this.#outgoing.delete(o.id);
    for (const i of this.#incoming.values()) {
      if (now < i.touched + patienceWith(i)) continue;
      this.#incoming.delete(i.id);
      const reason = i.accepted ? "the receiver stopped reading" : "nobody there is receiving";
      this.#tell(i, { kind: "fail", reason });
    }
  }

  #tell(row: Outgoing | Incoming, m: Omit<TransferMessage, "id">): void {
    this.#post(row.peer, encodeTransfer({ ...m, id: row.bytes }));
  }
}

const patienceWith = (i: Incoming): Ms => (i.accepted ? IDLE : PARKED);

function fail(o: Outgoing, reason: string): void {
  o.phase = "failed";
  o.reason = reason;
}
