/** What the relay counted, by name, and what of it counts as dropped. */
import { RELAY_DROPS, RELAY_VERDICTS, type RelayCounters } from "./relay-layout.ts";

/** Counters as the addon gives them, in the order of `RELAY_VERDICTS`. */
export const relayCounters = (counts: readonly number[]): RelayCounters =>
  Object.fromEntries(RELAY_VERDICTS.map((verdict, at) => [verdict, counts[at] ?? 0])) as RelayCounters;

/** Drops as `relay.<reason>`, of the kernel and of userspace together: a frame is dropped by one of them only. */
export const relayDrops = (...counters: readonly RelayCounters[]): Record<string, number> =>
  Object.fromEntries(RELAY_DROPS.map((name) => [`relay.${name}`, counters.reduce((sum, c) => sum + c[name], 0)]));
