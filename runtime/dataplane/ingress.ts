/** What the ingress filter (`bpf/ingress.bpf.c`) does with a datagram: kept, or dropped before the daemon is woken, and why. */

/** In the order of the counters. `bpf/layout.gen.h` gets them as `INGRESS_PASS`, `INGRESS_SHORT` and so on. */
export const INGRESS_VERDICTS = ["pass", "short", "type", "version", "reserved", "fragment", "oversize"] as const;

export type IngressVerdict = (typeof INGRESS_VERDICTS)[number];

/** Datagrams by verdict. */
export type IngressCounters = Readonly<Record<IngressVerdict, number>>;

/** Length of the AEAD tag that ends every sealed frame. */
export const SEALED_TAG_SIZE = 16;

/** Fragments of one handshake message: the acknowledgement's bitmap has 32 bits. */
export const MAX_FRAGMENTS = 32;
