/** Cookies: proof that a source receives what is sent to it. Stateless, valid for one to two periods. */
import { equal, utf8 } from "../../base/bytes.ts";
import { type Endpoint, endpointKey } from "../../base/endpoint.ts";
import type { RandomBytes } from "../../base/random.ts";
import { type Ms, seconds } from "../../base/time.ts";
import { sipHash24 } from "../../crypto/siphash.ts";
import { RotatingSecret } from "./rotating-secret.ts";

export const COOKIE_PERIOD = seconds(120);
export const NO_COOKIE = new Uint8Array(8);

export class CookieJar {
  readonly #secret: RotatingSecret;

  constructor(random: RandomBytes, now: Ms) {
    this.#secret = new RotatingSecret(random, 16, COOKIE_PERIOD, now);
  }

  make(source: Endpoint, now: Ms): Uint8Array {
    return cookieOf(this.#secret.current(now), source);
  }

  accepts(cookie: Uint8Array, source: Endpoint, now: Ms): boolean {
    return this.#secret.honoured(now).some((secret) => equal(cookie, cookieOf(secret, source)));
  }
}

const cookieOf = (secret: Uint8Array, source: Endpoint): Uint8Array => sipHash24(secret, utf8(endpointKey(source)));
