/** Cookies: proof that a source receives what is sent to it. Stateless, valid for one to two periods. */
import { equal, utf8 } from "../../base/bytes.ts";
import { type Endpoint, endpointKey } from "../../base/endpoint.ts";
import type { RandomBytes } from "../../base/random.ts";
import { type Ms, seconds } from "../../base/time.ts";
import { sipHash24 } from "../../crypto/siphash.ts";

export const COOKIE_PERIOD = seconds(120); // a secret signs for this long and is honoured as long again
export const NO_COOKIE = new Uint8Array(8);

export class CookieJar {
  readonly #random: RandomBytes;
  #current: Uint8Array;
  #previous: Uint8Array | undefined;
  #rotates: Ms;

  constructor(random: RandomBytes, now: Ms) {
    this.#random = random;
    this.#current = random(16);
    this.#rotates = now + COOKIE_PERIOD;
  }

  make(source: Endpoint, now: Ms): Uint8Array {
    this.#rotate(now);
    return cookieOf(this.#current, source);
  }

  accepts(cookie: Uint8Array, source: Endpoint, now: Ms): boolean {
    this.#rotate(now);
    if (equal(cookie, cookieOf(this.#current, source))) return true;
    return this.#previous !== undefined && equal(cookie, cookieOf(this.#previous, source));
  }

  #rotate(now: Ms): void {
    if (now < this.#rotates) return;
    this.#previous = now < this.#rotates + COOKIE_PERIOD ? this.#current : undefined;
    this.#current = this.#random(16);
    this.#rotates = now + COOKIE_PERIOD;
  }
}

const cookieOf = (secret: Uint8Array, source: Endpoint): Uint8Array => sipHash24(secret, utf8(endpointKey(source)));
