/** What a gateway tells each member over their session: the subnets it announces, all of them. */
import { decodeAs, encodeAs, field, listOf, record, text } from "../base/cbor-shape.ts";
import { formatPrefix, isCanonicalPrefix, type Prefix, parsePrefix } from "../base/ip.ts";

/** As many as a certificate holds. */
export const ANNOUNCED_MAX = 16;

interface Announced {
  readonly prefixes: readonly string[];
}

const SHAPE = record<Announced>({ prefixes: field(1, listOf(text(isCanonicalPrefix), ANNOUNCED_MAX)) });

export const encodeAnnounced = (announced: readonly Prefix[]): Uint8Array =>
  encodeAs(SHAPE, { prefixes: announced.map(formatPrefix) });

/** Undefined for anything else. Never throws. */
export const decodeAnnounced = (data: Uint8Array): readonly Prefix[] | undefined =>
  decodeAs(SHAPE, data)?.prefixes.map((given) => parsePrefix(given) as Prefix);
