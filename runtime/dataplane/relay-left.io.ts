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

const isOf = ({ programs }: RelayRemains, { id }: FoundRelay): boolean =>
  programs.some(({ tc, xdp }) => tc === id || xdp === id);

/**
 * Those on ports that nobody has, and those beside the programs of `remains` on their port; without these themselves, which their gateway knows of.
 */
export function leftRelays(addon: Addon, remains: RelayRemains): FoundRelay[] {
  const bound = boundPorts();
  const found = addon.findRelays();
  const own = found.filter((relay) => isOf(remains, relay));
  const isBesideOwn = (relay: FoundRelay): boolean =>
    own.some(({ device, port }) => device === relay.device && port === relay.port);
  return found.filter((relay) => !own.includes(relay) && (!bound.has(relay.port) || isBesideOwn(relay)));
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
export function replaceLeft(addon: Addon, port: number, only: string | undefined, remains: RelayRemains): number {
  const isLeft = (relay: FoundRelay): boolean => relay.port === port && !isOf(remains, relay);
  const left = addon.findRelays().filter((relay) => isLeft(relay) && (only === undefined || relay.device === only));
  return removeLeft(addon, left);
}
