/** Control frames of one session: sealed with keys that never leave the core, so that no nonce is used twice. */
import { concat } from "../../base/bytes.ts";
import type { Ms } from "../../base/time.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";
import { FRAME, SealedHeader } from "../frame.ts";
import type { Established } from "../handshake/ports.ts";
import { ReplayWindow } from "./replay.ts";

/** Frames one key may seal (design, section 4). */
const COUNTER_LIMIT = 2 ** 28;

/** How long keys hold: from their first payload, and from the handshake in any case. */
export interface KeyLimits {
  readonly rejectAfter: Ms;
  readonly rejectUnused: Ms;
}

export class ControlSession {
  readonly keys: Established;
  readonly created: Ms;
  confirmed: boolean;
  readonly #crypto: CryptoProvider;
  /** When the first payload went under these keys; undefined while none has. */
  used: Ms | undefined;
  readonly #limits: KeyLimits;
  readonly #replay = new ReplayWindow();
  #counter = 0;

  constructor(crypto: CryptoProvider, keys: Established, now: Ms, limits: KeyLimits) {
    this.#crypto = crypto;
    this.keys = keys;
    this.created = now;
    this.confirmed = keys.confirmed;
    this.#limits = limits;
  }

  get localIndex(): number {
    return this.keys.data.localIndex;
  }

  /** When the keys are refused. */
  get expiry(): Ms {
    const { rejectAfter, rejectUnused } = this.#limits;
    return Math.min(this.created + rejectUnused, (this.used ?? Number.POSITIVE_INFINITY) + rejectAfter);
  }

  isExpired(now: Ms): boolean {
    return now >= this.expiry;
  }

  /** A datagram, or undefined when the session is too old or used up. */
  seal(plaintext: Uint8Array, now: Ms): Uint8Array | undefined {
    if (this.isExpired(now) || this.#counter >= COUNTER_LIMIT) return undefined;
    const header = SealedHeader.encode({
      type: FRAME.control,
      flags: 0,
      receiver: this.keys.data.remoteIndex,
      counter: BigInt(this.#counter++),
    });
    const aead = this.#crypto.aead["aes-256-gcm"];
    return concat(header, aead.seal(this.keys.controlSendKey, nonceOf(header), header, plaintext));
  }

  /** The plaintext, and whether it is the newest so far; or the reason to drop. The replay check follows the tag. */
  open(datagram: Uint8Array, now: Ms): { plaintext: Uint8Array; newest: boolean } | { refused: string } {
    const header = SealedHeader.decode(datagram);
    if (header?.flags !== 0) return { refused: "malformed" };
    if (this.isExpired(now) || header.counter >= BigInt(COUNTER_LIMIT)) return { refused: "expired" };
    const aad = datagram.subarray(0, SealedHeader.size);
    const sealed = datagram.subarray(SealedHeader.size);
    const plaintext = this.#crypto.aead["aes-256-gcm"].open(this.keys.controlReceiveKey, nonceOf(aad), aad, sealed);
    if (!plaintext) return { refused: "auth" };
    const counter = Number(header.counter);
    const newest = counter > this.#replay.newest;
    return this.#replay.accept(counter) ? { plaintext, newest } : { refused: "replay" };
  }
}

/** Four zero bytes, then the counter as the header has it. */
const nonceOf = (header: Uint8Array): Uint8Array => concat(new Uint8Array(4), header.subarray(8, 16));
