/** The addresses at which others could reach this machine. */
import { networkInterfaces } from "node:os";
import { type InterfaceAddress, loadAddon } from "./addon.io.ts";

/** At most four, IPv4 first; loopback only when there is nothing else. `skip` is the overlay's own device. */
export function underlayAddresses(only: string | undefined, skip: string | undefined): string[] {
  const all = interfaceAddresses().filter((a) => a.interface !== skip && (only === undefined || a.interface === only));
  const outside = all.filter((a) => !a.loopback && !a.address.startsWith("fe80:"));
  const usable = outside.length > 0 ? outside : all.filter((a) => a.address === "127.0.0.1");
  return usable
    .map((a) => a.address)
    .sort((a, b) => Number(a.includes(":")) - Number(b.includes(":")))
    .slice(0, 4);
}

/** The runtime's own list lacks interfaces without a carrier: a cable that is plugged in a moment later. */
function interfaceAddresses(): InterfaceAddress[] {
  const { addon } = loadAddon();
  if (addon) return addon.interfaceAddresses();
  return Object.entries(networkInterfaces()).flatMap(([name, list]) =>
    (list ?? []).map(({ address, internal }) => ({ interface: name, address, loopback: internal })),
  );
}
