/**
 * What of the relay outlives its process, in a file: the kernel goes on relaying when the daemon is killed, and the next one must find
 * what it is to take over. Of an earlier boot it says nothing.
 */
import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import type { Addon, RelayPrograms } from "./addon.io.ts";
import { bootId } from "./boot.io.ts";

/** In the state directory. */
export const RELAY_MEMORY = "relay.json";

export interface RelayRemains {
  /** Oldest first. */
  readonly programs: readonly RelayPrograms[];
  /** Families whose switch for forwarding from `lo` was turned on for the relay. */
  readonly forwarding: readonly ("ipv4" | "ipv6")[];
}

const NOTHING: RelayRemains = { programs: [], forwarding: [] };

export class RelayMemory {
  readonly #file: string;
  readonly #boot = bootId();

  constructor(file: string) {
    this.#file = file;
  }

  /** Nothing when what is there is none of ours: then nothing is taken over, and nothing undone. */
  read(): RelayRemains {
    try {
      const { boot, programs, forwarding } = JSON.parse(readFileSync(this.#file, "utf8")) as RelayRemains & {
        boot: string;
      };
      const isWhole = programs.every(isPrograms) && forwarding.every((family) => /^ipv[46]$/.test(family));
      return boot === this.#boot && isWhole ? { programs, forwarding } : NOTHING;
    } catch {
      return NOTHING;
    }
  }

  /** Throws what the file system throws. */
  write(remains: RelayRemains): void {
    if (remains.programs.length === 0 && remains.forwarding.length === 0) rmSync(this.#file, { force: true });
    else {
      writeFileSync(`${this.#file}.new`, JSON.stringify({ boot: this.#boot, ...remains }), { mode: 0o600 });
      renameSync(`${this.#file}.new`, this.#file); // whoever is killed here must not forget what is attached
    }
  }
}

const isPrograms = ({ tc, xdp, mark }: RelayPrograms): boolean =>
  Number.isSafeInteger(tc) && tc > 0 && Number.isSafeInteger(xdp) && xdp >= 0 && /^(?!0{16})[0-9a-f]{16}$/.test(mark);

const loopbackForwarding = (family: "ipv4" | "ipv6"): string => `/proc/sys/net/${family}/conf/lo/forwarding`;

/** Undefined where the machine has no such family. */
export function loopbackForwards(family: "ipv4" | "ipv6"): boolean | undefined {
  const path = loopbackForwarding(family);
  return existsSync(path) ? readFileSync(path, "utf8").trim() === "1" : undefined;
}

/** Throws where the system's settings cannot be written. */
export function setLoopbackForwarding(family: "ipv4" | "ipv6", value: "0" | "1"): void {
  try {
    writeFileSync(loopbackForwarding(family), value);
  } catch (cause) {
    throw new Error(`route lookups need net.${family}.conf.lo.forwarding, which cannot be set here`, { cause });
  }
}

/** Takes away what a killed daemon left; false when there was nothing. */
export function removeRemains(addon: Addon, memory: RelayMemory): boolean {
  const { programs, forwarding } = memory.read();
  for (const each of programs) addon.removeRelay(each);
  // Where it could not be set there is nothing to undo.
  for (const family of forwarding) if (loopbackForwards(family)) setLoopbackForwarding(family, "0");
  memory.write(NOTHING);
  return programs.length > 0;
}
