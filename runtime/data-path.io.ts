/** Opens the data path that this machine allows, and says what it lacks. */
import type { Log } from "./base/log.ts";
import { ingressObject, loadAddon, meshObject, relayObjects, steeringObject } from "./dataplane/addon.io.ts";
import { type NativeDataPlane, openNative, wireRates } from "./dataplane/native.io.ts";
import type { DataPlane, DataPlaneHandlers, DataPlaneOptions } from "./dataplane/port.ts";
import { HOOKS, type RelayMode } from "./dataplane/relay-attach.ts";
import { openUserspace } from "./dataplane/userspace.io.ts";
import type { Policing } from "./policing.io.ts";

export async function openDataPlane(
  options: DataPlaneOptions,
  handlers: DataPlaneHandlers,
  mode: RelayMode,
  memory: string,
  policing: Policing,
  log: Log,
): Promise<DataPlane> {
  if (options.device === undefined) return await openUserspace(options, handlers);
  const { addon, reason } = loadAddon();
  if (!addon) {
    log.warn("no tunnel: the native addon is not there; control traffic only", { reason });
    return await openUserspace({ ...options, device: undefined }, handlers);
  }
  const relay = { hooks: HOOKS[mode], objects: relayObjects(), memory };
  const objects = { ingress: ingressObject(), steering: steeringObject() };
  const rates = wireRates(addon.measureAead());
  const guard = (device: string): void => policing.guard(addon, meshObject(), device);
  const plane = await openNative(addon, options, handlers, rates, objects, relay, guard);
  if (!plane.sparse.steered) log.warn("sparse flows wait behind bulk flows", { reason: plane.sparse.reason });
  sayWhoRelays(plane.kernelRelay, mode, log);
  return plane;
}

function sayWhoRelays({ reason, attached, replaced }: NativeDataPlane["kernelRelay"], mode: RelayMode, log: Log): void {
  if (replaced > 0)
    log.warn("programs of a gateway that is gone were on our port; they are removed", { programs: replaced });
  if (reason === "") log.info("the kernel relays frames of others", { on: Object.keys(attached).join(" ") });
  else if (mode !== "userspace") log.warn("the daemon itself relays frames of others", { reason });
}
