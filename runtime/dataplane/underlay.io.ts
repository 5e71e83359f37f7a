/** The interfaces of this machine, and when they change. */
import { networkInterfaces } from "node:os";
import { seconds } from "../base/time.ts";
import { type InterfaceWatch, loadAddon } from "./addon.io.ts";
import { type NetworkInterface, reachableAddresses } from "./interfaces.ts";

/** Without the addon nothing tells of changes: then they are looked up so often. */
const LOOK_AGAIN = seconds(5);
/** Addresses that an invite names, and that the others are told. */
const ADDRESSES_MAX = 4;

/** The runtime's own list, which serves without the addon, lacks interfaces without a carrier. */
export function interfaces(): readonly NetworkInterface[] {
  const { addon } = loadAddon();
  if (addon) return addon.interfaces();
  return Object.entries(networkInterfaces()).map(([name, list = []], index) => ({
    name,
    index: index + 1,
    alias: "",
    up: true,
    loopback: list.some((a) => a.internal),
    multicast: false,
    pointToPoint: false,
    addresses: list.map(({ address, cidr }) => ({
      address,
      prefixLength: Number(cidr?.split("/")[1] ?? 0),
      temporary: false,
    })),
  }));
}

/** The addresses at which others could reach this machine; `only` by this interface. */
export const underlayAddresses = (only: string | undefined, all = interfaces()): readonly string[] =>
  reachableAddresses(all, only, ADDRESSES_MAX);

/** Calls whenever interfaces or addresses have changed, or may have. */
export function watchUnderlay(onChange: () => void): InterfaceWatch {
  const { addon } = loadAddon();
  if (addon) return addon.watchInterfaces(onChange);
  const timer = setInterval(onChange, LOOK_AGAIN);
  return { close: () => clearInterval(timer) };
}
