/** The responder's state of an exchange, sealed under a key of its own and kept by the initiator (as in Rosenpass). */
import { concat, utf8, wipe } from "../../base/bytes.ts";
import { type Endpoint, endpointKey } from "../../base/endpoint.ts";
import type { RandomBytes } from "../../base/random.ts";
import type { Values } from "../../base/struct.ts";
import { type Ms, seconds } from "../../base/time.ts";
import { LABEL } from "../../crypto/labels.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";
import { BiscuitSecret } from "./message.ts";
import { RotatingSecret } from "./rotating-secret.ts";

export const BISCUIT_PERIOD = seconds(60);
const NONCE = 12;

export type BiscuitContent = Values<typeof BiscuitSecret.fields>;

export class BiscuitJar {
  readonly #crypto: CryptoProvider;
  readonly #random: RandomBytes;
  readonly #key: RotatingSecret;
  #number = 0n;

  constructor(crypto: CryptoProvider, random: RandomBytes, now: Ms) {
    this.#crypto = crypto;
    this.#random = random;
    this.#key = new RotatingSecret(random, 32, BISCUIT_PERIOD, now);
  }

  /** Opens again for the same exchange from the same source only: whoever copies a K3 cannot move the session to itself. */
  seal(content: Omit<BiscuitContent, "number">, exchange: Uint8Array, source: Endpoint, now: Ms): Uint8Array {
    this.#number++;
    const nonce = this.#random(NONCE);
    const plaintext = BiscuitSecret.encode({ ...content, number: this.#number });
    const aead = this.#crypto.aead["aes-256-gcm"];
    const sealed = aead.seal(this.#key.current(now), nonce, aadOf(exchange, source), plaintext);
    wipe(plaintext);
    return concat(nonce, sealed);
  }

  open(biscuit: Uint8Array, exchange: Uint8Array, source: Endpoint, now: Ms): BiscuitContent | undefined {
    const aead = this.#crypto.aead["aes-256-gcm"];
    const [nonce, sealed] = [biscuit.subarray(0, NONCE), biscuit.subarray(NONCE)];
    for (const key of this.#key.honoured(now)) {
      const plaintext = aead.open(key, nonce, aadOf(exchange, source), sealed);
      if (plaintext) return BiscuitSecret.decode(plaintext);
    }
    return undefined;
  }
}

const aadOf = (exchange: Uint8Array, source: Endpoint): Uint8Array =>
  concat(LABEL.biscuit, exchange, utf8(endpointKey(source)));
