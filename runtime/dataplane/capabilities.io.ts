/** Asks this machine what the capability table wants to know. Probing makes a TUN device for a moment; nothing stays. */
import { existsSync } from "node:fs";
import { messageOf } from "../base/errors.ts";
import { systemResolver } from "../names/resolved.io.ts";
import {
  type Addon,
  type AddonOutcome,
  type FoundRelay,
  ingressObject,
  loadAddon,
  meshObject,
  relayObjects,
  steeringObject,
} from "./addon.io.ts";
import type { Facts, RootKeyPlace } from "./capabilities.ts";

/** What the data path cannot know by itself. */
export interface KnownElsewhere {
  readonly provider: Facts["provider"];
  readonly rootKey: RootKeyPlace;
  /** In the kernel, of daemons that do not come back for it. */
  readonly left: readonly FoundRelay[];
  /** Whether a service manager watches the daemon. */
  readonly serviceManager: boolean;
  /** Seconds. */
  readonly unix: number;
  /** Seconds: the moment of the build, or a persisted mesh time. */
  readonly floor: number;
}

export function gatherFacts(known: KnownElsewhere, outcome: AddonOutcome = loadAddon()): Facts {
  const { addon, reason } = outcome;
  return {
    addonReason: reason ?? "",
    host: addon?.probe(),
    tunDevice: existsSync("/dev/net/tun"),
    offers: addon?.aeadOffers() ?? [],
    ingress: tryLoading(addon, ingressObject(), (a, object) => a.loadIngressFilter(object).close()),
    steering: tryLoading(addon, steeringObject(), (a, object) => a.checkSteering(object)),
    relay: tryLoading(addon, relayObjects(), (a, { tc, xdp }) => a.loadRelay(1, tc, xdp).close()),
    mesh: tryLoading(addon, meshObject(), (a, object) => a.loadMeshFilter(object).close()),
    left: known.left,
    provider: known.provider,
    serviceManager: known.serviceManager,
    resolver: systemResolver(),
    rootKey: known.rootKey,
    clock: { unix: known.unix, floor: known.floor },
  };
}

/** Loads programs and lets them go. The first line says enough for a table; the daemon's log has the verifier's words. */
function tryLoading<Objects>(
  addon: Addon | undefined,
  objects: Objects | undefined,
  load: (addon: Addon, objects: Objects) => void,
): Facts["ingress"] {
  if (!objects) return { built: false, refusal: "" };
  if (!addon) return { built: true, refusal: "needs the addon" };
  try {
    load(addon, objects);
    return { built: true, refusal: "" };
  } catch (error) {
    return { built: true, refusal: messageOf(error).split("\n")[0] ?? "refused" };
  }
}
