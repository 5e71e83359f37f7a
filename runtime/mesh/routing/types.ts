/** What routing is told and what it answers. It reads no clock, signs through its caller and sends through its caller. */
import type { Meter } from "../../base/meter.ts";
import type { RandomBytes } from "../../base/random.ts";
import type { Ms } from "../../base/time.ts";
import type { HybridSignature } from "../../crypto/hybrid-signature.ts";
import type { CryptoProvider } from "../../crypto/provider.ts";
import type { SignedList } from "./link-list.ts";

/** A gateway's overlay label as 16 lower-case hex digits: the last 8 bytes of its overlay address. */
export type Label = string;

/** 0: down. 1 to 7: up, each class some three times as dear as the one before (`COSTS`). */
export type LinkValue = number;
export const VALUES = 8;

/** What a class adds to a way. A way is a sum of these, so one link of a class equals three of the next cheaper one. */
export const COSTS: readonly number[] = [0, 1, 3, 9, 27, 81, 243, 729];

/** A subnet that a gateway announces: 4 or 16 bytes, no bit set behind `length`. */
export interface Subnet {
  readonly address: Uint8Array;
  readonly length: number;
}

export type RoutingEvent =
  /** How the link to a neighbour is from here. It counts at once for a down; for anything else when the neighbour says so too. */
  | { readonly type: "link"; readonly neighbour: Label; readonly value: LinkValue }
  /** There is a stream to this neighbour, or it began anew: what was told before may be lost. */
  | { readonly type: "session"; readonly neighbour: Label; readonly up: boolean }
  /** A message of this neighbour, in the order in which it sent them. */
  | { readonly type: "message"; readonly neighbour: Label; readonly data: Uint8Array }
  /** What `Routing.lists` gave in an earlier run, so that a restart costs a comparison and not every list. Each is verified. */
  | { readonly type: "known"; readonly lists: readonly Uint8Array[] }
  /** The neighbour's `digest`, which may come over an unreliable way. */
  | { readonly type: "digest"; readonly neighbour: Label; readonly digest: Uint8Array }
  /** Only members count: their lists, links and sessions with them. We are one from the start. */
  | { readonly type: "members"; readonly added: readonly Label[]; readonly removed: readonly Label[] }
  /** What we announce from now on, all of it; at most SUBNETS_MAX. */
  | { readonly type: "subnets"; readonly subnets: readonly Subnet[] }
  /** We believe that this member drops what it should relay; ways around it are preferred until then. */
  | { readonly type: "distrust"; readonly relay: Label; readonly until: Ms }
  | { readonly type: "tick" };

/** What the caller must do, in order. */
export type RoutingAction =
  /** Over the reliable stream. What cannot be sent may be dropped: digests find out. */
  | { readonly type: "tell"; readonly neighbour: Label; readonly data: Uint8Array }
  /** As `DataPlane.setRoute`; a primary that is the destination itself is a neighbour. */
  | {
      readonly type: "route";
      readonly destination: Label;
      readonly primary: Label | undefined;
      readonly backup: Label | undefined;
    }
  /** All that this member announces has changed: see `subnetsOf`. */
  | { readonly type: "subnets"; readonly origin: Label }
  /** Must be durable before any later action of the same list is carried out; given back as `RoutingDeps.epoch` after a restart. */
  | { readonly type: "persist"; readonly epoch: number };

export interface RoutingDeps {
  readonly crypto: CryptoProvider;
  readonly random: RandomBytes;
  readonly meter: Meter;
  /** Mesh id, 32 bytes. */
  readonly mesh: Uint8Array;
  readonly own: Label;
  /** What was last persisted; 0 on the first start. */
  readonly epoch: number;
  /** Signs with the node's keys under `LABEL.linkList`. */
  sign(message: Uint8Array): Promise<HybridSignature>;
  /** Whether this member (we may be it) signed that; false for who is none. Never throws. */
  verify(origin: Label, message: Uint8Array, signature: HybridSignature): Promise<boolean>;
  /** What to keep in place of a list that was accepted: an equal one. A simulation of many gateways shares one among them. */
  readonly keep?: ((list: SignedList) => SignedList) | undefined;
}

/** Neighbours; `backup` takes over while `primary` is silent. */
export interface Route {
  readonly primary: Label;
  readonly backup: Label | undefined;
}

/** One link as both its ends tell it; an end that tells nothing of it is undefined. */
export interface EdgeView {
  readonly ends: readonly [Label, Label];
  readonly values: readonly [LinkValue | undefined, LinkValue | undefined];
  /** Undefined: no way leads over it. */
  readonly cost: number | undefined;
}

export interface RouteView {
  readonly destination: Label;
  /** From the first hop to the destination; empty when there is no way. */
  readonly hops: readonly Label[];
  /** Undefined without a way, and for a neighbour that is reached although the lists do not say so. */
  readonly cost: number | undefined;
  readonly primary: Label | undefined;
  readonly backup: Label | undefined;
  /** Whether the backup also stands in for a primary that is gone altogether; undefined without one. */
  readonly protects: "node" | "link" | undefined;
  readonly why: "shortest" | "direct" | "around-distrusted" | "self" | "not-a-member" | "no-way";
}
