/** What the kernel's interfaces mean for the underlay. */
import { ownerOf } from "./links.ts";

export interface InterfaceAddress {
  /** As inet_ntop(3) writes it, without a scope. */
  readonly address: string;
  readonly prefixLength: number;
  /** IPv6 that its owner replaces within a day (RFC 8981). */
  readonly temporary: boolean;
}

/** `addresses` are those that others may use: not tentative, not deprecated. */
export interface NetworkInterface {
  readonly name: string;
  /** One that goes and comes back gets another. */
  readonly index: number;
  readonly alias: string;
  readonly up: boolean;
  readonly loopback: boolean;
  readonly multicast: boolean;
  readonly pointToPoint: boolean;
  readonly addresses: readonly InterfaceAddress[];
}

/** Those that carry the underlay: `only` that one, or all that are up, are no loopback and carry no overlay. */
export const underlayInterfaces = (all: readonly NetworkInterface[], only: string | undefined): NetworkInterface[] =>
  all.filter((i) => i.up && !i.loopback && !isOverlay(i) && (only === undefined || i.name === only));

const isOverlay = ({ alias }: NetworkInterface): boolean => ownerOf(alias) !== undefined;

/**
 * Under which others could reach this machine: at most `most`, IPv4 and IPv6 in turn so that neither pushes the other out. A carrier is
 * not asked for: a cable may be plugged in a moment later. Loopback only when there is nothing else.
 */
export function reachableAddresses(
  all: readonly NetworkInterface[],
  only: string | undefined,
  most: number,
): readonly string[] {
  const outside = underlayInterfaces(all, only)
    .flatMap((i) => i.addresses)
    .filter((a) => !a.temporary && !a.address.startsWith("fe80:"))
    .map((a) => a.address);
  const v4 = outside.filter((a) => !a.includes(":"));
  const v6 = outside.filter((a) => a.includes(":"));
  if (outside.length === 0) return all.flatMap((i) => i.addresses.map((a) => a.address)).filter((a) => a === LOOPBACK);
  const inTurn = Array.from({ length: Math.max(v4.length, v6.length) }, (_, i) => [v4[i], v6[i]]).flat();
  return inTurn.filter((a) => a !== undefined).slice(0, most);
}

export const LOOPBACK = "127.0.0.1";

/** An interface that beacons are sent on, and the addresses that each one is sent from. */
export interface BeaconLink {
  readonly name: string;
  readonly index: number;
  readonly sources: readonly string[];
}

/** Of IPv4 on one interface: who is in another subnet of the link may reach that one only. */
const V4_SOURCES = 2;

/** Links with others on them, but for those of `except`. */
export function beaconLinks(
  all: readonly NetworkInterface[],
  only: string | undefined,
  except: readonly string[],
): readonly BeaconLink[] {
  return underlayInterfaces(all, only)
    .filter((i) => i.multicast && !i.pointToPoint && !except.includes(i.name))
    .map(({ name, index, addresses }) => {
      const texts = addresses.map((a) => a.address);
      const v4 = texts.filter((a) => !a.includes(":")).slice(0, V4_SOURCES);
      return { name, index, sources: [...v4, ...texts.filter((a) => a.startsWith("fe80:")).slice(0, 1)] };
    })
    .filter((link) => link.sources.length > 0);
}
