/** The responder's state of an exchange, sealed under a key of its own and kept by the initiator (as in Rosenpass). */
import { concat, wipe } from "../../base/bytes.ts";
import type { RandomBytes } from "../../base/random.ts";
import type { Values } from "../../base/struct.ts";
import { type Ms, seconds } from "../../base/time.ts";
import { LABEL } from "../../crypto/labels.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";
import { BiscuitSecret } from "./message.ts";

/** A key seals for this long and opens as long again; it lives in memory only, so a restart ends every open exchange. */
export const BISCUIT_PERIOD = seconds(60);

export type BiscuitContent = Values<typeof BiscuitSecret.fields>;

export class BiscuitJar {
  readonly #crypto: CryptoProvider;
  readonly #random: RandomBytes;
  #current: Uint8Array;
  #previous: Uint8Array | undefined;
  #rotates: Ms;
  #number = 0n;

  constructor(crypto: CryptoProvider, random: RandomBytes, now: Ms) {
    this.#crypto = crypto;
    this.#random = random;
    this.#current = random(32);
    this.#rotates = now + BISCUIT_PERIOD;
  }

  seal(content: Omit<BiscuitContent, "number">, exchange: Uint8Array, now: Ms): Uint8Array {
    this.#rotate(now);
    this.#number++;
    const nonce = this.#random(12);
    const plaintext = BiscuitSecret.encode({ ...content, number: this.#number });
    const aad = concat(LABEL.biscuit, exchange);
    const sealed = this.#crypto.aead["aes-256-gcm"].seal(this.#current, nonce, aad, plaintext);
    wipe(plaintext);
    return concat(nonce, sealed);
  }

  open(biscuit: Uint8Array, exchange: Uint8Array, now: Ms): BiscuitContent | undefined {
    this.#rotate(now);
    const aad = concat(LABEL.biscuit, exchange);
    for (const key of [this.#current, this.#previous]) {
      if (!key) continue;
      const plaintext = this.#crypto.aead["aes-256-gcm"].open(key, biscuit.subarray(0, 12), aad, biscuit.subarray(12));
      if (plaintext) return BiscuitSecret.decode(plaintext);
    }
    return undefined;
  }

  #rotate(now: Ms): void {
    if (now < this.#rotates) return;
    this.#previous = now < this.#rotates + BISCUIT_PERIOD ? this.#current : undefined;
    this.#current = this.#random(32);
    this.#rotates = now + BISCUIT_PERIOD;
  }
}
