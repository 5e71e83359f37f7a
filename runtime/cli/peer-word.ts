import type { Positional } from "./command.ts";

/** A member, by whatever the person has at hand. */
export const peerWord = {
  doc: "name, overlay address, or beginning of the node id",
  completes: "peer",
} as const satisfies Positional;
