/** What the mesh core is told and what it answers. The core reads no clock and opens no socket. */
import type { Endpoint } from "../base/endpoint.ts";
import type { Prefix } from "../base/ip.ts";
import type { Ms } from "../base/time.ts";
import type { AeadName } from "../crypto/provider.ts";
import type { EdgeView, RouteView } from "./routing/types.ts";

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
  /** Keys of the relay tag (SipHash-2-4, 16 bytes), for what this peer and we relay to each other. */
  readonly hopSendKey: Uint8Array;
  readonly hopReceiveKey: Uint8Array;
}

/** What the data path needs to tell first messages of strangers from noise, and to give and take cookies as the core does (SPEC.md). */
export interface AdmissionKeys {
  /** Key of the mac of first messages to us, 16 bytes. */
  readonly macKey: Uint8Array;
  /** Cookie secrets that are honoured, 16 bytes each, the one in use first. Valid while the action is carried out: then copied or gone. */
  readonly cookieSecrets: readonly Uint8Array[];
}

/** What the shell must do, in order. */
export type MeshAction =
  | { readonly type: "send"; readonly datagram: Datagram }
  /** As `DataPlane.limitFrames`. */
  | { readonly type: "limitFrames"; readonly peer: string; readonly bytes: number }
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
  /** As `DataPlane.setPlaces`. */
  | { readonly type: "setPlaces"; readonly peer: string; readonly places: readonly Endpoint[] }
  /** As `DataPlane.setRoute`: frames for `destination` go to the neighbour `primary`, or to `backup` while it is silent. */
  | {
      readonly type: "setRoute";
      readonly destination: string;
      readonly primary: string | undefined;
      readonly backup: string | undefined;
    }
  /** The peer is gone or revoked: every session, route and queued packet of it goes. */
  | { readonly type: "removePeer"; readonly peer: string }
  /** The keys have changed; a data path without the kernel's help ignores them. */
  | { readonly type: "admission"; readonly keys: AdmissionKeys }
  /** Something the operator may want to know; also what `join` and `ping` wait for. */
  | { readonly type: "notice"; readonly notice: MeshNotice }
  /** A payload that the peer posted; in order, each once. */
  | { readonly type: "message"; readonly peer: string; readonly protocol: string; readonly data: Uint8Array }
  /** Durable before any later action is carried out; given back as `MeshDeps.epoch` after a restart. */
  | { readonly type: "epoch"; readonly epoch: number }
  /** All that this member, an overlay address, announces; whether it may is for the shell to say. */
  | { readonly type: "subnets"; readonly gateway: string; readonly subnets: readonly Prefix[] }
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
  /** A gateway that we called has said why it will have no session with us; `name` is its own. */
  | { readonly kind: "refused"; readonly name: string; readonly code: string; readonly message: string }
  | { readonly kind: "revoked"; readonly name: string; readonly peer: string }
  /** A `post` that could not be sent: no session, or too much waits already. */
  | { readonly kind: "undelivered"; readonly peer: string; readonly protocol: string }
  /** The peer began anew: what was posted to it and not received yet is lost. */
  | { readonly kind: "streamReset"; readonly peer: string }
  | { readonly kind: "pong"; readonly token: number; readonly peer: string; readonly roundTrip: Ms };

/** What the data path noticed. */
export type DataPlaneEvent =
  /** Authenticated traffic of this session came from a new source. */
  | { readonly type: "moved"; readonly localIndex: number; readonly endpoint: Endpoint }
  /** The session has sealed so many packets that it wants new keys (2^26 soft limit). */
  | { readonly type: "exhausted"; readonly localIndex: number }
  /** An inner packet for this overlay address found no session. At most one per address per second. */
  | { readonly type: "wanted"; readonly peer: string }
  /** Sessions, by local index, that have carried packets since this was last told. About once a second. */
  | { readonly type: "carried"; readonly sessions: readonly number[] }
  /** Round trips of links that carry what goes to their peer, from the data path's own questions; `shut`: none does, caps are reached. */
  | {
      readonly type: "measured";
      readonly links: readonly { readonly peer: string; readonly roundTrip: Ms; readonly shut?: boolean }[];
    }
  /** A neighbour does not answer the data path's questions; or it does, for the first time or again. */
  | { readonly type: "silent" | "alive"; readonly peer: string }
  /** The same of one of its places: it answers there for the first time or again, or it has stopped to. */
  | { readonly type: "linkSilent" | "linkAlive"; readonly peer: string; readonly endpoint: Endpoint }
  /** A neighbour's daemon takes nothing, though its kernel answers and relays; or it takes what is for it again. The core does nothing about it. */
  | { readonly type: "standsStill" | "goesOn"; readonly peer: string }
  /** What goes to the peer directly goes over this one of its links from now on. */
  | { readonly type: "carries"; readonly peer: string; readonly endpoint: Endpoint }
  /** A neighbour has asked whether we live from where it was not known to be. */
  | { readonly type: "place"; readonly peer: string; readonly endpoint: Endpoint };

/** What an invite token tells the core; `endpoints` are tried in turn. */
export interface JoinInvite {
  readonly meshId: Uint8Array; //   32 bytes
  readonly issuerId: Uint8Array; // 32
  readonly inviteId: Uint8Array; // 8
  readonly secret: Uint8Array; //   16
  readonly endpoints: readonly Endpoint[];
}

export type MeshCommand =
  /** Learn where a node is and keep a session with it; also for a node of which only the id is known. */
  | { readonly type: "connect"; readonly id: Uint8Array; readonly endpoint: Endpoint }
  /** A roster member by its overlay address; answered by the notice `pong` with this token, or never. */
  | { readonly type: "ping"; readonly peer: string; readonly token: number }
  /** New keys with a peer that has a session, now. */
  | { readonly type: "rekey"; readonly peer: string }
  /** A signed revocation record: takes effect here and is handed on. Refused ones are counted (`mesh.revocation.refused`). */
  | { readonly type: "revoke"; readonly record: Uint8Array }
  /** Answered by the notice `joined` or `joinFailed`. */
  | { readonly type: "join"; readonly invite: JoinInvite; readonly name: string }
  /** A chain from elsewhere, for instance one that this node issued. */
  | { readonly type: "admit"; readonly chain: Uint8Array }
  /** Sends up to 128 KiB to the same protocol at a peer with a session, in order and repeated until it arrives. */
  | { readonly type: "post"; readonly peer: string; readonly protocol: string; readonly data: Uint8Array }
  /** Where this gateway can be reached, as far as it knows; all neighbours are told. */
  | { readonly type: "addresses"; readonly endpoints: readonly Endpoint[] }
  /** A beacon on one of our links: who has this node id may be there. */
  | { readonly type: "sighted"; readonly id: Uint8Array; readonly endpoint: Endpoint; readonly fresh: boolean }
  /** All that this gateway announces from now on; its link list says so, signed. */
  | { readonly type: "announce"; readonly subnets: readonly Prefix[] }
  /** Overlay addresses of all whose standing still matters at once, while data goes to them through the mesh. */
  | { readonly type: "attend"; readonly peers: ReadonlySet<string> }
  /** Says goodbye to every peer; for a clean stop. */
  | { readonly type: "leave" };

export type MeshEvent =
  | { readonly type: "datagrams"; readonly batch: readonly Datagram[] }
  | { readonly type: "tick" }
  | { readonly type: "dataPlane"; readonly event: DataPlaneEvent }
  | { readonly type: "command"; readonly command: MeshCommand };

/**
 * `up`: keys and heard lately. `silent`: keys, but nothing heard. `connecting`: a handshake runs. `idle`: no keys, since nothing
 * is to be sent to it. `down`: no keys, and not reached.
 */
export type PeerState = "up" | "silent" | "connecting" | "idle" | "down";

/** One roster member as `trellis peers` shows it. Ages are milliseconds; undefined where there is nothing to tell. */
export interface PeerView {
  readonly name: string;
  readonly id: Uint8Array;
  readonly address: string;
  /** Over the underlay; undefined when it is not known or the way leads through the mesh. */
  readonly endpoint: Endpoint | undefined;
  /** Overlay address of the neighbour through which it is spoken to. */
  readonly via: string | undefined;
  readonly state: PeerState;
  /** Since there has been a session without a break. */
  readonly sessionAge: Ms | undefined;
  /** Since the handshake that gave the keys in use. */
  readonly handshakeAge: Ms | undefined;
  readonly handshakeTook: Ms | undefined;
  readonly lastSeen: Ms | undefined;
  readonly roundTrip: Ms | undefined;
  /** Largest IP packet that is known to reach it the way it is spoken to, bytes. */
  readonly pathMtu: number | undefined;
  readonly wireVersion: number;
  readonly suite: string;
  readonly aead: AeadName | undefined;
  readonly pattern: "known-peer" | "first-contact" | undefined;
  /** Whether its session stands all the time, and not only while something is to be sent. */
  readonly kept: boolean;
  readonly sessionId: Uint8Array | undefined;
  readonly localIndex: number | undefined;
  readonly rekeys: number;
  readonly control: { readonly sent: number; readonly received: number };
}

/** The way that packets to a member take, in overlay addresses. */
export interface Way {
  /** The member itself is the last; empty when there is no way. */
  readonly hops: readonly string[];
  readonly cost: number | undefined;
  readonly primary: string | undefined;
  /** Takes over while the primary is silent. */
  readonly backup: string | undefined;
  readonly why: RouteView["why"];
}

/** A link and what both its ends, overlay addresses, say of it; as `EdgeView`. */
export interface Edge {
  readonly ends: readonly [string, string];
  readonly values: EdgeView["values"];
  readonly cost: number | undefined;
}

/**
 * none: seen as we are. independent: one outer port for all, which others can be told. address: another one for each address that we
 * write to. symmetric: another one for each endpoint. varying: another one for each, and too few were asked at one address to tell
 * the last two apart. single: there is a box, and only one peer to tell of it.
 */
export type NatKind = "none" | "single" | "independent" | "address" | "varying" | "symmetric";

export interface NatView {
  readonly family: "IPv4" | "IPv6";
  readonly kind: NatKind;
  /** Where we are seen, each once. */
  readonly outer: readonly string[];
  /** How many peers said so. */
  readonly observers: number;
}

export interface Observation {
  /** Node id of who says it, hex. */
  readonly peer: string;
  /** Where it is spoken to: boxes may show another outer port to each address. */
  readonly at: Endpoint;
  readonly seen: Endpoint;
  readonly since: Ms;
}

export interface Reachability {
  /** What the others are told. */
  readonly own: readonly string[];
  readonly nat: readonly NatView[];
  readonly observed: readonly Observation[];
}
