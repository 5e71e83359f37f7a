/** What the mesh core is told and what it answers. The core reads no clock and opens no socket. */
import type { Endpoint } from "../base/endpoint.ts";
import type { Ms } from "../base/time.ts";
import type { AeadName } from "../crypto/provider.ts";

/** How fast this machine seals and opens 1,400-byte packets, MB/s, each at most 65,535; 0 means "not offered". */
export interface AeadRates {
  readonly aes256Gcm: number;
  readonly chacha20Poly1305: number;
}

export interface Datagram {
  readonly endpoint: Endpoint;
  readonly payload: Uint8Array;
}

/** Keys of one data session, for the data path. Control frames have keys of their own that never leave the core. */
export interface DataSession {
  /** Chosen by us: what arriving data frames carry. Random, non-zero, unique on this node. */
  readonly localIndex: number;
  /** Chosen by the peer: what our data frames carry. */
  readonly remoteIndex: number;
  readonly aead: AeadName;
  readonly sendKey: Uint8Array;
  readonly receiveKey: Uint8Array;
}

/** What the shell must do, in order. */
export type MeshAction =
  | { readonly type: "send"; readonly datagram: Datagram }
  /** Accept data frames of this session from now on; `peer` is its overlay address. */
  | {
      readonly type: "installSession";
      readonly peer: string;
      readonly session: DataSession;
      readonly endpoint: Endpoint;
    }
  /** Seal to this peer with this session from now on (make before break). */
  | { readonly type: "useSession"; readonly peer: string; readonly localIndex: number }
  | { readonly type: "removeSession"; readonly localIndex: number }
  | { readonly type: "setEndpoint"; readonly peer: string; readonly endpoint: Endpoint }
  /** The peer is gone or revoked: every session, route and queued packet of it goes. */
  | { readonly type: "removePeer"; readonly peer: string }
  /** Something the operator may want to know; also what `join` and `ping` wait for. */
  | { readonly type: "notice"; readonly notice: MeshNotice }
  /** Durable state changed (roster, revocations): the shell writes it. */
  | { readonly type: "persist" };

export type MeshNotice =
  | {
      readonly kind: "sessionUp";
      readonly peer: string;
      readonly name: string;
      readonly took: Ms;
      readonly pattern: "known-peer" | "first-contact";
    }
  | { readonly kind: "sessionDown"; readonly peer: string; readonly name: string; readonly reason: string }
  | { readonly kind: "joined"; readonly name: string; readonly chain: Uint8Array }
  | { readonly kind: "joinFailed"; readonly code: string; readonly message: string }
  | { readonly kind: "admitted"; readonly name: string; readonly peer: string; readonly inviteId: string }
  | { readonly kind: "revoked"; readonly name: string; readonly peer: string }
  | { readonly kind: "pong"; readonly token: number; readonly peer: string; readonly roundTrip: Ms };

/** What the data path noticed. */
export type DataPlaneEvent =
  /** Authenticated traffic of this session came from a new source. */
  | { readonly type: "moved"; readonly localIndex: number; readonly endpoint: Endpoint }
  /** The session has sealed so many packets that it wants new keys (2^26 soft limit). */
  | { readonly type: "exhausted"; readonly localIndex: number }
  /** An inner packet for this overlay address found no session. At most one per address per second. */
  | { readonly type: "wanted"; readonly peer: string };
