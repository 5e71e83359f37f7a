/** A join by an invite: its endpoints are tried one beside the other, each a little after the one before (as RFC 8305 does). */
import type { Endpoint } from "../base/endpoint.ts";
import type { Ms } from "../base/time.ts";
import type { JoinInvite } from "./types.ts";

/** Until the next endpoint is tried as well. */
export const JOIN_STAGGER = 300;

export class Joining {
  readonly invite: JoinInvite;
  readonly name: string;
  readonly #left: Endpoint[];
  readonly #open = new Set<string>();
  #nextAt: Ms;

  constructor(invite: JoinInvite, name: string, now: Ms) {
    this.invite = invite;
    this.name = name;
    this.#left = [...invite.endpoints];
    this.#nextAt = now;
  }

  /** When the next endpoint is to be tried; infinity when there is none. */
  get due(): Ms {
    return this.#left.length > 0 ? this.#nextAt : Number.POSITIVE_INFINITY;
  }

  take(now: Ms): Endpoint | undefined {
    this.#nextAt = now + JOIN_STAGGER;
    return this.#left.shift();
  }

  started(exchange: string): void {
    this.#open.add(exchange);
  }

  has(exchange: string): boolean {
    return this.#open.has(exchange);
  }

  /** An attempt has failed: nobody waits for the next any longer. Whether that was the last one. */
  failed(exchange: string, now: Ms): boolean {
    this.#open.delete(exchange);
    this.#nextAt = now;
    return this.#open.size === 0 && this.#left.length === 0;
  }
}
