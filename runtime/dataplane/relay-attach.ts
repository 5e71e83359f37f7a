/** Where the relay's programs are attached, so that relaying costs no device its offloads. */
import type { RelayHook } from "./addon.io.ts";

/** `auto`: tc, on every device. `xdp`: in the driver too, where it takes the program. `userspace`: nothing in the kernel. */
export type RelayMode = "auto" | "xdp" | "userspace";

/** Of each group a device gets the first hook that the kernel takes. */
export type HookGroups = readonly (readonly RelayHook[])[];

/**
 * XDP sees single frames before the kernel has
 * spent anything on them, but takes segmentation from the other end of a veth; tc sees what segmentation and GRO have joined. So XDP
 * is for those who ask for it, and what it cannot do (a next hop on a device without it) tc does behind it.
 */
export const HOOKS: Record<RelayMode, HookGroups> = {
  auto: [["tcx", "clsact"]],
  xdp: [["xdp"], ["tcx", "clsact"]],
  userspace: [],
};
