/** Boxes that translate addresses (NAT), of nftables, by what they let in (RFC 4787 §5) and which ports they show (§4.1). */

export interface Sides {
  /** Device towards the Internet. */
  readonly outer: string;
  /** Address of the one host behind. */
  readonly inner: string;
}

const box = (...chains: readonly string[]): string => `flush ruleset\ntable ip box {\n${chains.join("\n")}\n}\n`;
/** As any router does: and what it let in for itself would keep the port that the host behind asks for. */
const refuse = (outer: string): string =>
  `chain refuse { type filter hook input priority filter\niifname "${outer}" drop\n}`;
const leave = (outer: string, how: string): string =>
  `chain leave { type nat hook postrouting priority srcnat\noifname "${outer}" masquerade ${how}\n}`;

/** Rules for `nft -f`. The port of the daemon is kept where it may be. */
export const BOXES = {
  /** Lets in exactly the endpoints that were written to. */
  "port-restricted": ({ outer }: Sides) => box(refuse(outer), leave(outer, "")),
  /** The same, and shows each of them another port. */
  symmetric: ({ outer }: Sides) => box(refuse(outer), leave(outer, "fully-random")),
  /** Lets in the addresses that were written to. */
  "address-restricted": ({ outer, inner }: Sides) =>
    box(
      refuse(outer),
      "set talked { type ipv4_addr; flags dynamic,timeout; timeout 60s\n}",
      `chain note { type filter hook forward priority filter\noifname "${outer}" update @talked { ip daddr }\n}`,
      `chain enter { type nat hook prerouting priority dstnat\niifname "${outer}" ip saddr @talked udp dport 51820 dnat to ${inner}\n}`,
      leave(outer, ""),
    ),
} as const;

export type BoxName = keyof typeof BOXES;
