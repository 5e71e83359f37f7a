/**
 * The invites this node has issued, with their secrets and whom they admitted, and the next serial. Every method is
 * synchronous, so a use is spent once however many ask at the same time; who changes the book makes it durable before
 * anybody is told.
 *
 * Time is `max(wall clock, mesh time)`. A gateway whose clock is unset counts from mesh time: its invites then live
 * longer than promised, never shorter, and single use still holds.
 */
import { equal, toHex } from "../base/bytes.ts";
import {
  bytesOf,
  decodeAs,
  encodeAs,
  field,
  flag,
  listOf,
  optional,
  record,
  text,
  uint,
  where,
} from "../base/cbor-shape.ts";
import { TrellisError } from "../base/errors.ts";
import { isCanonicalPrefix } from "../base/ip.ts";
import type { RandomBytes } from "../base/random.ts";
import type { UnixSeconds } from "../base/time.ts";
import { type Issuing, ROLES_MAX, SERIAL_MAX, SUBNETS_MAX, TIME_MAX } from "../identity/certificate.ts";
import { isName, isWord } from "../identity/names.ts";
import { USES_MAX } from "./token.ts";

export const DEFAULT_LIFETIME = 24 * 3600; // seconds
/** Most invites that are open at a time. */
export const OPEN_MAX = 1000;
/** Ended invites remembered, oldest dropped first, so that their holders can be told why they are refused. */
export const ENDED_MAX = 1000;

export interface Admitted {
  readonly node: Uint8Array; // node id
  readonly name: string;
  readonly serial: number;
}

export interface Invite {
  readonly id: Uint8Array; //     8 bytes
  readonly secret: Uint8Array; // 16
  readonly expires: UnixSeconds;
  /** How many gateways it admits in all. */
  readonly uses: number;
  readonly roles: readonly string[];
  /** That whom it admits may announce. */
  readonly subnets?: readonly string[] | undefined;
  /** The only name it admits; undefined leaves it to the joiner. */
  readonly name: string | undefined;
  readonly revoked: boolean;
  readonly admitted: readonly Admitted[];
}

export interface InviteTerms {
  /** 1 unless given. */
  readonly uses?: number | undefined;
  /** Seconds, 24 h unless given. */
  readonly lifetime?: number | undefined;
  readonly roles?: readonly string[] | undefined;
  readonly subnets?: readonly string[] | undefined;
  readonly name?: string | undefined;
}

export type InviteState = "open" | "used" | "expired" | "revoked";

interface Content {
  readonly nextSerial: number;
  readonly invites: readonly Invite[];
}

const ADMITTED = record<Admitted>({
  node: field(1, bytesOf(32)),
  name: field(2, text(isName)),
  serial: field(3, uint(SERIAL_MAX, 1)),
});

const INVITE = where(
  record<Invite>({
    id: field(1, bytesOf(8)),
    secret: field(2, bytesOf(16)),
    expires: field(3, uint(TIME_MAX)),
    uses: field(4, uint(USES_MAX, 1)),
    roles: field(5, listOf(text(isWord), ROLES_MAX)),
    name: optional(6, text(isName)),
    revoked: field(7, flag),
    admitted: field(8, listOf(ADMITTED, USES_MAX)),
    subnets: optional(9, listOf(text(isCanonicalPrefix), SUBNETS_MAX)),
  }),
  (invite) => invite.admitted.length <= invite.uses,
);

const CONTENT = record<Content>({
  nextSerial: field(1, uint(SERIAL_MAX + 1, 1)),
  invites: field(2, listOf(INVITE, OPEN_MAX + ENDED_MAX)),
});

export class InviteBook {
  readonly #invites = new Map<string, Invite>();
  #nextSerial = 1;

  /** Throws `invite/terms` for terms out of range and `invite/too-many` when 1,000 are open. */
  create(random: RandomBytes, now: UnixSeconds, terms: InviteTerms = {}): Invite {
    const { uses = 1, lifetime = DEFAULT_LIFETIME, roles = [], subnets, name } = terms;
    checkTerms(uses, lifetime, name);
    const ended = this.list().filter((i) => stateOf(i, now) !== "open");
    for (const old of ended.slice(0, Math.max(0, ended.length - ENDED_MAX))) this.#invites.delete(toHex(old.id));
    if (this.#invites.size - Math.min(ended.length, ENDED_MAX) >= OPEN_MAX)
      throw new TrellisError("invite/too-many", `${OPEN_MAX} invites are open`, { hint: "revoke some of them" });
    const expires = Math.ceil((now + lifetime) / 60) * 60; // tokens count in minutes
    const invite: Invite = {
      id: random(8),
      secret: random(16),
      expires,
      uses,
      roles,
      subnets: subnets && subnets.length > 0 ? subnets : undefined,
      name,
      revoked: false,
      admitted: [],
    };
    this.#put(invite);
    return invite;
  }

  get(id: Uint8Array): Invite | undefined {
    return this.#invites.get(toHex(id));
  }

  /** Oldest first. */
  list(): readonly Invite[] {
    return [...this.#invites.values()];
  }

  /** What `node` was given by this invite before, if its answer may have been lost; not once the invite is revoked. */
  admittedBefore(id: Uint8Array, node: Uint8Array): Admitted | undefined {
    const invite = this.get(id);
    return invite?.revoked ? undefined : invite?.admitted.find((a) => equal(a.node, node));
  }

  /** Why the invite admits nobody (any more); undefined when it does. */
  refusal(id: Uint8Array, now: UnixSeconds): TrellisError | undefined {
    const invite = this.get(id);
    if (!invite) return new TrellisError("invite/unknown", "this gateway has issued no such invite");
    const state = stateOf(invite, now);
    return state === "open"
      ? undefined
      : new TrellisError(`invite/${state}`, WHY[state], { hint: "ask for a new one" });
  }

  /** Spends one use and one serial of the issuer's range. Throws `invite/<state>` or `invite/serials-used-up`. */
  spend(id: Uint8Array, node: Uint8Array, name: string, issuing: Issuing, now: UnixSeconds): Admitted {
    const refusal = this.refusal(id, now);
    if (refusal) throw refusal;
    const serial = Math.max(this.#nextSerial, issuing.firstSerial);
    if (serial > issuing.lastSerial)
      throw new TrellisError("invite/serials-used-up", "this gateway has given out all of its serials");
    this.#nextSerial = serial + 1;
    const admitted = { node, name, serial };
    const invite = this.get(id) as Invite;
    this.#put({ ...invite, admitted: [...invite.admitted, admitted] });
    return admitted;
  }

  /** Takes a use back that led to nothing. Its serial stays spent. */
  takeBack(id: Uint8Array, { serial }: Admitted): void {
    const invite = this.get(id);
    if (invite) this.#put({ ...invite, admitted: invite.admitted.filter((a) => a.serial !== serial) });
  }

  /** Forgets an invite whose token was never shown. */
  withdraw(id: Uint8Array): void {
    this.#invites.delete(toHex(id));
  }

  /** False when there is no such invite. Whom it admitted stays a member: see the roster's revocations for that. */
  revoke(id: Uint8Array): boolean {
    const invite = this.get(id);
    if (invite) this.#put({ ...invite, revoked: true });
    return invite !== undefined;
  }

  encode(): Uint8Array {
    return encodeAs(CONTENT, { nextSerial: this.#nextSerial, invites: this.list() });
  }

  /** Throws `state/corrupt` when the bytes are not what `encode` gave. */
  static decode(data: Uint8Array): InviteBook {
    const content = decodeAs(CONTENT, data);
    if (!content)
      throw new TrellisError("state/corrupt", "the invites file is damaged or is not one", {
        hint: "move it away: open invites are then void and have to be made anew",
      });
    const book = new InviteBook();
    book.#nextSerial = content.nextSerial;
    for (const invite of content.invites) book.#put(invite);
    return book;
  }

  #put(invite: Invite): void {
    this.#invites.set(toHex(invite.id), invite);
  }
}

const WHY: Record<Exclude<InviteState, "open">, string> = {
  used: "this invite has been used up",
  expired: "this invite has expired",
  revoked: "this invite was revoked",
};

export function stateOf(invite: Invite, now: UnixSeconds): InviteState {
  if (invite.revoked) return "revoked";
  if (invite.admitted.length >= invite.uses) return "used";
  return now >= invite.expires ? "expired" : "open";
}

function checkTerms(uses: number, lifetime: number, name: string | undefined): void {
  if (!Number.isInteger(uses) || uses < 1 || uses > USES_MAX)
    throw new TrellisError("invite/terms", `an invite has 1 to ${USES_MAX} uses, not ${uses}`);
  if (!(lifetime > 0 && lifetime <= 10 * 365 * 24 * 3600))
    throw new TrellisError("invite/terms", "an invite lives longer than nothing and at most ten years");
  if (name !== undefined && !isName(name)) throw new TrellisError("invite/name-invalid", `"${name}" is no name`);
}
