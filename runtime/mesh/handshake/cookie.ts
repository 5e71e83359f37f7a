/** Cookies: proof that a source receives what is sent to it. Stateless, valid for one to two periods. The kernel makes and takes the same. */
import { concat, equal, utf8 } from "../../base/bytes.ts";
import type { Endpoint } from "../../base/endpoint.ts";
import { parseIp } from "../../base/ip.ts";
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

  /** Those that are honoured, the newest first. They change with time; what is given stays until it does. */
  secrets(now: Ms): readonly Uint8Array[] {
    return this.#secret.honoured(now);
  }
}

const MAPPED = Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff);

function cookieOf(secret: Uint8Array, { address, port }: Endpoint): Uint8Array {
  const [host = "", scope = ""] = address.split("%");
  const ip = parseIp(host) ?? utf8(host);
  const place = Uint8Array.of(port >> 8, port & 0xff, 0, 0, 0, 0, 0, 0);
  return sipHash24(secret, concat(ip.length === 4 ? concat(MAPPED, ip) : ip, place, utf8(scope)));
}
