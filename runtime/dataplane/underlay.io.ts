/** The addresses at which others could reach this machine. */
import { networkInterfaces } from "node:os";

/** At most four, IPv4 first; loopback only when there is nothing else. `skip` is the overlay's own device. */
export function underlayAddresses(only: string | undefined, skip: string | undefined): string[] {
  const all = Object.entries(networkInterfaces())
    .filter(([name]) => name !== skip && (only === undefined || name === only))
    .flatMap(([, list]) => list ?? []);
  const outside = all.filter((a) => !a.internal && !a.address.startsWith("fe80:"));
  const usable = outside.length > 0 ? outside : all.filter((a) => a.address === "127.0.0.1");
  return usable
    .sort((a, b) => Number(a.family === "IPv6") - Number(b.family === "IPv6"))
    .slice(0, 4)
    .map((a) => a.address);
}
