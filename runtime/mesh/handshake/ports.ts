/** What the handshake needs from the rest: who we are, whom we know, who may join. */
import type { Endpoint } from "../../base/endpoint.ts";
import type { Ms } from "../../base/time.ts";
import type { NodeKeys, PublicKeys } from "../../identity/keys.ts";
import type { AeadRates, Datagram, DataSession } from "../types.ts";

/** This node; without a membership it can only join. */
export interface LocalNode {
  readonly keys: NodeKeys;
  readonly rates: AeadRates;
  readonly membership: Membership | undefined;
}

export interface Membership {
  readonly meshId: Uint8Array;
  /** Encoded genesis; its hash is the mesh id. */
  readonly genesis: Uint8Array;
  /** Encoded chain, leaf first; and the hash of the leaf certificate. */
  readonly chain: Uint8Array;
  readonly certificateHash: Uint8Array;
}

/** A member whose chain verified and who is not revoked. */
export interface RemoteMember {
  readonly id: Uint8Array;
  /** Overlay address: the key by which data path and sessions name the peer. */
  readonly address: string;
  readonly name: string;
  readonly keys: PublicKeys;
  readonly certificateHash: Uint8Array;
}

/** Members we know. Nobody is returned who is revoked or expired. */
export interface Directory {
  byCertificateHash(hash: Uint8Array): RemoteMember | undefined;
  /**
   * Verifies an encoded chain against genesis, mesh time and revocations, and remembers the member. `proven`: the member
   * itself has shown it and holds its keys.
   */
  admit(chain: Uint8Array, proven?: boolean): Promise<RemoteMember | undefined>;
  /** Whose chain this is, remembering nothing; undefined unless its signatures hold. A verdict is kept by the chain's hash. */
  identify(chain: Uint8Array): Promise<Identified | undefined>;
}

/** A member, or who was one. */
export interface Identified {
  readonly id: Uint8Array;
  readonly keys: PublicKeys;
  readonly ended: "revoked" | "expired" | undefined;
  /** By which it was revoked. */
  readonly record: Uint8Array | undefined;
}

/** Verifies what a responder shows to a joiner, who has no directory yet: genesis against mesh id, chain against genesis. */
export type VerifyForeign = (
  meshId: Uint8Array,
  genesis: Uint8Array,
  chain: Uint8Array,
) => Promise<RemoteMember | undefined>;

/** The invite side of a responder. Synchronous look-up of the secret, then one atomic use. */
export interface Admission {
  /** The secret of an invite that exists, whatever its state (used, expired, revoked): its holder is told which. */
  secretOf(inviteId: Uint8Array): Uint8Array | undefined;
  /** Spends one use and issues a chain, or says why not. Durable before it resolves. */
  admit(request: JoinRequest): Promise<JoinAnswer>;
}

export interface JoinRequest {
  readonly inviteId: Uint8Array;
  readonly keys: PublicKeys;
  readonly name: string;
  readonly source: Endpoint;
}

export type JoinAnswer =
  | { readonly accepted: true; readonly chain: Uint8Array }
  | { readonly accepted: false; readonly code: string; readonly message: string };

/** A finished exchange: both sides hold these. */
export interface Established {
  readonly pattern: "known-peer" | "first-contact";
  readonly role: "initiator" | "responder";
  readonly peer: RemoteMember;
  readonly endpoint: Endpoint;
  readonly data: DataSession;
  readonly controlSendKey: Uint8Array;
  readonly controlReceiveKey: Uint8Array;
  /** Exporter value naming the session in logs, 8 bytes. */
  readonly sessionId: Uint8Array;
  readonly took: Ms;
  /** Whether the peer has proven that it holds the keys: only then may we seal to it. */
  readonly confirmed: boolean;
  /** When we joined by it: the chain that was issued to us, and the mesh's genesis. */
  readonly joined: { readonly chain: Uint8Array; readonly genesis: Uint8Array } | undefined;
}

/** An exchange we started ended without a session; `told` is the responder's proven answer, if any. */
export interface Failed {
  readonly type: "failed";
  readonly exchange: string;
  /** Node id that was called. */
  readonly peer: Uint8Array;
  readonly code: string;
  readonly message: string;
  readonly told: boolean;
  /** With `member/revoked`: the record, for us to judge. */
  readonly record: Uint8Array | undefined;
}

export type HandshakeAction =
  | { readonly type: "send"; readonly datagram: Datagram }
  | { readonly type: "established"; readonly session: Established }
  /** A repeated last message: the peer does not know yet that we hold the session, so seal something to it. */
  | { readonly type: "repeated"; readonly localIndex: number }
  | Failed;
