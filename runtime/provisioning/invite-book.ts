/** The invites this node has issued, with their secrets and what they admitted. */
import { equal, toHex } from "../base/bytes.ts";
import { type Cbor, decodeCbor, encodeCbor } from "../base/cbor.ts";
import { TrellisError } from "../base/errors.ts";
import type { RandomBytes } from "../base/random.ts";
import type { UnixSeconds } from "../base/time.ts";
import { type FieldReader, fieldsOf, parseFields } from "../identity/map.ts";

export interface Invite {
  readonly id: Uint8Array; //     8 bytes
  readonly secret: Uint8Array; // 16
  readonly expires: UnixSeconds;
  /** How many gateways it admits in all. */
  readonly uses: number;
  readonly revoked: boolean;
  /** Node ids it admitted. */
  readonly admitted: readonly Uint8Array[];
}

export type InviteState = "open" | "used" | "expired" | "revoked";

/** Ended invites stay this many, oldest dropped first, so that their holders can be told why they are refused. */
const REMEMBERED = 1000;

const FIELD = { id: 1, secret: 2, expires: 3, uses: 4, revoked: 5, admitted: 6 } as const;

export class InviteBook {
  readonly #invites = new Map<string, Invite>();

  create(random: RandomBytes, expires: UnixSeconds, uses: number): Invite {
    const invite: Invite = { id: random(8), secret: random(16), expires, uses, revoked: false, admitted: [] };
    this.#invites.set(toHex(invite.id), invite);
    if (this.#invites.size > REMEMBERED) this.#invites.delete(this.#invites.keys().next().value as string);
    return invite;
  }

  get(id: Uint8Array): Invite | undefined {
    return this.#invites.get(toHex(id));
  }

  list(): Invite[] {
    return [...this.#invites.values()];
  }

  /** Spends a use on `node`; a node that was already admitted by it spends none. Throws `invite/<state>`. */
  spend(id: Uint8Array, node: Uint8Array, now: UnixSeconds): void {
    const invite = this.get(id);
    if (!invite) throw new TrellisError("invite/unknown", "this gateway has issued no such invite");
    const state = stateOf(invite, now);
    const again = invite.admitted.some((a) => equal(a, node));
    if (again && state !== "revoked") return;
    if (state !== "open") throw new TrellisError(`invite/${state}`, WHY[state], { hint: "ask for a new invite" });
    this.#invites.set(toHex(id), { ...invite, admitted: [...invite.admitted, node] });
  }

  /** False when there is no such invite. */
  revoke(id: Uint8Array): boolean {
    const invite = this.get(id);
    if (invite) this.#invites.set(toHex(id), { ...invite, revoked: true });
    return invite !== undefined;
  }

  encode(): Uint8Array {
    return encodeCbor(
      this.list().map((i) =>
        fieldsOf(
          [FIELD.id, i.id],
          [FIELD.secret, i.secret],
          [FIELD.expires, i.expires],
          [FIELD.uses, i.uses],
          [FIELD.revoked, i.revoked ? 1 : 0],
          [FIELD.admitted, i.admitted],
        ),
      ),
    );
  }

  /** Undefined when the bytes are not what `encode` gave. */
  static decode(data: Uint8Array): InviteBook | undefined {
    const entries = decodeCbor(data);
    if (!Array.isArray(entries)) return undefined;
    const book = new InviteBook();
    for (const entry of entries as Cbor[]) {
      const invite = parseFields(encodeCbor(entry), readInvite);
      if (!invite) return undefined;
      book.#invites.set(toHex(invite.id), invite);
    }
    return book;
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

const readInvite = (f: FieldReader): Invite => ({
  id: f.bytes(FIELD.id, 8),
  secret: f.bytes(FIELD.secret, 16),
  expires: f.integer(FIELD.expires),
  uses: f.integer(FIELD.uses),
  revoked: f.integer(FIELD.revoked) === 1,
  admitted: f.list(FIELD.admitted, 100_000, (v) => (v instanceof Uint8Array && v.length === 32 ? v : undefined)),
});
