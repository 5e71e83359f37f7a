/** What kind of address translation lies between us and others, by where they see us (RFC 4787 §4.1). */
import { type Endpoint, endpointKey } from "../../base/endpoint.ts";
import type { NatKind, NatView } from "../types.ts";

interface Seen {
  /** Where the observer is. */
  readonly at: Endpoint;
  readonly seen: Endpoint;
}

/** `seen` is of one family and not empty; `own`: our interfaces' endpoints. */
export function natOf(family: NatView["family"], seen: readonly Seen[], own: readonly Endpoint[]): NatView {
  const isOwn = (s: Seen): boolean => own.some((o) => endpointKey(o) === endpointKey(s.seen));
  const mapped = seen.filter((s) => !isOwn(s));
  const shown = mapped.length > 0 ? mapped : seen;
  const outer = [...new Set(shown.map((s) => endpointKey(s.seen)))].sort();
  return { family, kind: kindOf(mapped), outer, observers: shown.length };
}

/** Those that see us as we are have no box between; they say nothing of one towards others. */
function kindOf(mapped: readonly Seen[]): NatKind {
  if (mapped.length === 0) return "none";
  const outer = (list: readonly Seen[]): number => new Set(list.map((s) => endpointKey(s.seen))).size;
  const addresses = new Set(mapped.map((s) => s.at.address));
  if (outer(mapped) === 1) return addresses.size > 1 ? "independent" : "single";
  const shared = [...addresses].map((a) => mapped.filter((s) => s.at.address === a)).filter((list) => list.length > 1);
  if (shared.length === 0) return "varying";
  return shared.some((list) => outer(list) > 1) ? "symmetric" : "address";
}
