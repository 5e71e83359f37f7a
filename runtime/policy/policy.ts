/** A policy: who may open connections to whom. Rules are looked at in order and the first that matches decides; replies follow by state. */
import type { Prefix } from "../base/ip.ts";

export type Action = "allow" | "deny";

/** Who stands at one end. `any` is any member; `self` is the gateway that enforces the policy. */
export type Selector =
  | { readonly kind: "any" }
  | { readonly kind: "self" }
  | { readonly kind: "name"; readonly name: string }
  /** A role or a capability of the member's certificate. */
  | { readonly kind: "role"; readonly role: string }
  /** Canonical text. */
  | { readonly kind: "address"; readonly address: string };

/** Both ends included. */
export interface PortRange {
  readonly first: number;
  readonly last: number;
}

export interface Rule {
  readonly action: Action;
  readonly from: readonly Selector[];
  readonly to: readonly Selector[];
  /** IP protocol numbers; undefined means every protocol. */
  readonly protocols: readonly number[] | undefined;
  /** Of the destination; undefined means every port. */
  readonly ports: readonly PortRange[] | undefined;
  /** As it stands in the document, with single blanks. */
  readonly text: string;
}

export interface Policy {
  /** What happens to members' packets that no rule matches. Who is no member is denied in any case. */
  readonly fallback: Action;
  readonly rules: readonly Rule[];
}

/** What rules can tell about a member. */
export interface Identity {
  readonly name: string;
  /** Overlay address, canonical text. */
  readonly address: string;
  /** Roles and capabilities. */
  readonly roles: readonly string[];
}

/** Addresses behind members: their packets are judged as those of the gateways that announce them. */
export interface PolicySubnet {
  readonly prefix: Prefix;
  /** It is behind this gateway: `self`. */
  readonly own: boolean;
  /** Else of whom; of several each must be allowed, since packets may take the way by any. */
  readonly gateways: readonly Identity[];
}

/** A packet that opens a connection, or belongs to none. */
export interface Attempt {
  readonly from: Identity;
  readonly to: Identity;
  readonly protocol: number;
  /** Of the destination; 0 where the protocol has none. */
  readonly port: number;
}

export const PROTOCOL = { icmp: 1, tcp: 6, udp: 17, icmpv6: 58, dccp: 33, sctp: 132, udplite: 136 } as const;

/** Words of a document and the numbers they stand for. */
export const PROTOCOL_WORDS: Readonly<Record<string, readonly number[]>> = {
  tcp: [PROTOCOL.tcp],
  udp: [PROTOCOL.udp],
  icmp: [PROTOCOL.icmp, PROTOCOL.icmpv6],
  sctp: [PROTOCOL.sctp],
  dccp: [PROTOCOL.dccp],
  udplite: [PROTOCOL.udplite],
};

/** Protocols whose first four bytes are source and destination port. */
export const WITH_PORTS: readonly number[] = [
  PROTOCOL.tcp,
  PROTOCOL.udp,
  PROTOCOL.dccp,
  PROTOCOL.sctp,
  PROTOCOL.udplite,
];

/** `tcp`, `icmp`, or the number. */
export const protocolName = (protocol: number): string =>
  Object.entries(PROTOCOL_WORDS).find(([, numbers]) => numbers.includes(protocol))?.[0] ?? String(protocol);
