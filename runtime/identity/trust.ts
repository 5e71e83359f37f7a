/** What a node holds certificates against: mesh time and revocations. */
import type { UnixSeconds } from "../base/time.ts";
import type { Certificate } from "./certificate.ts";

/**
 * A floor under the date that only rises: from the build's date, from the last run, from what the mesh agrees on.
 * Certificates expire against it alone. A gateway with an unset clock therefore never refuses a good certificate; it may
 * honour an expired one until it learns the time.
 */
export class MeshTime {
  #floor: UnixSeconds;

  constructor(floor: UnixSeconds) {
    this.#floor = floor;
  }

  get now(): UnixSeconds {
    return this.#floor;
  }

  /** Whether the floor rose. */
  raise(to: UnixSeconds): boolean {
    if (!(to > this.#floor)) return false;
    this.#floor = to;
    return true;
  }
}

export type RevocationVerdict = "chain/revoked" | "chain/issuer-revoked";

export interface Revocations {
  /** Whether a chain (leaf first) is void, and why. */
  verdict(chain: readonly Certificate[]): RevocationVerdict | undefined;
}

export interface Trust {
  readonly time: { readonly now: UnixSeconds };
  readonly revocations: Revocations;
}

/** Before any revocation is known. */
export const NOTHING_REVOKED: Revocations = { verdict: () => undefined };

/** For what was verified once and must stay: no expiry, no revocation. */
export const TIMELESS: Trust = { time: { now: 0 }, revocations: NOTHING_REVOKED };
