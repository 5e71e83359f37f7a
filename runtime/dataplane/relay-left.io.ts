/**
 * Programs of the relay that daemons have left which do not come back for them: killed, with their state directory lost. Nobody remembers those, so
 * they are looked for on the devices. That takes CAP_SYS_ADMIN, which a service has not: then none are found, and what is there does no harm (bpf/relay_packet.h).
 */
import { readFileSync } from "node:fs";
import type { Addon, FoundRelay } from "./addon.io.ts";
import type { RelayRemains } from "./relay-memory.io.ts";

/** Ports that UDP sockets of this network namespace have. */
function boundPorts(): ReadonlySet<number> {
  const ports = new Set<number>();
  for (const table of ["udp", "udp6"]) {
    for (const [, port] of readTable(table).matchAll(/^\s*\d+: [0-9A-F]+:([0-9A-F]{4}) /gm))
      ports.add(Number(`0x${port}`));
  }
  return ports;
}

function readTable(name: string): string {
  try {
    return readFileSync(`/proc/net/${name}`, "utf8");
  } catch {
    return ""; // a machine without that family
  }
}

/** Those on ports that nobody has; without those that the gateway of `remains` comes back for. */
export function leftRelays(addon: Addon, { programs }: RelayRemains): FoundRelay[] {
  const bound = boundPorts();
  const isOwn = (id: number): boolean => programs.some(({ tc, xdp }) => tc === id || xdp === id);
  return addon.findRelays().filter(({ id, port }) => !bound.has(port) && !isOwn(id));
}

/** Takes these away; how many there were. */
export function removeLeft(addon: Addon, left: readonly FoundRelay[]): number {
  for (const { device, hook, id } of left) addon.detachRelay(device, hook, id);
  return left.length;
}

/**
 * Those on `port`, which is ours by now: whoever had it is gone. `only`: on that interface alone, since our sockets are bound to it, and others may
 * have the port on others. How many there were.
 */
export function replaceLeft(addon: Addon, port: number, only: string | undefined, { programs }: RelayRemains): number {
  const isOwn = (id: number): boolean => programs.some(({ tc, xdp }) => tc === id || xdp === id);
  const left = addon
    .findRelays()
    .filter((found) => found.port === port && !isOwn(found.id) && (only === undefined || found.device === only));
  return removeLeft(addon, left);
}
