/**
 * Settings of the kernel by which this machine forwards between the mesh and its networks, and as they were before. What was changed is
 * remembered in a file, so that a daemon that was killed and is started again can still undo it.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { TrellisError } from "../base/errors.ts";
import { bootId } from "./boot.io.ts";

const ROOT = "/proc/sys/net";

export interface ForwardingWanted {
  /** Devices that IPv4 is forwarded from. */
  readonly v4: readonly string[];
  /** IPv6 knows one switch for all devices. */
  readonly v6: boolean;
}

interface Memory {
  readonly boot: string;
  readonly before: readonly (readonly [path: string, value: string])[];
}

export class Forwarding {
  readonly #file: string;
  /** In the order in which they were changed. */
  #before = new Map<string, string>();
  /** A daemon that forwarded here was killed since the machine started. */
  readonly wasKilled: boolean;

  constructor(file: string) {
    this.#file = file;
    const memory = readMemory(file);
    this.wasKilled = memory !== undefined && memory.boot === bootId();
    if (memory && this.wasKilled) this.#before = new Map(memory.before);
  }

  /** Makes it so, and gives what had to be changed, as `net/ipv4/conf/eth1/forwarding = 1`. Throws `subnets/forwarding`. */
  enable({ v4, v6 }: ForwardingWanted): string[] {
    const changed: string[] = [];
    this.#write();
    const set = (setting: string, value: string): void => {
      if (this.#set(`${ROOT}/${setting}`, value)) changed.push(`net/${setting} = ${value}`);
    };
    for (const device of v4) set(`ipv4/conf/${device}/forwarding`, "1");
    if (v6 && settingAt(`${ROOT}/ipv6/conf/all/forwarding`) !== "1") {
      const listed = existsSync(`${ROOT}/ipv6/conf`) ? readdirSync(`${ROOT}/ipv6/conf`) : [];
      const devices = listed.filter((name) => name !== "all");
      // A router takes no advertisements of others unless told so twice: the machine would lose its own way out.
      for (const device of devices) {
        if (settingAt(`${ROOT}/ipv6/conf/${device}/accept_ra`) === "1") set(`ipv6/conf/${device}/accept_ra`, "2");
        this.#remember(`${ROOT}/ipv6/conf/${device}/forwarding`); // the switch for all turns these too
      }
      set("ipv6/conf/all/forwarding", "1");
    }
    return changed;
  }

  /** Undoes it, and gives what was turned back. */
  restore(): string[] {
    const turned: string[] = [];
    for (const [path, value] of [...this.#before].reverse()) {
      if (!existsSync(path) || settingAt(path) === value) continue; // the device is gone
      try {
        writeFileSync(path, value);
        turned.push(`${path.slice("/proc/sys/".length)} = ${value}`);
      } catch {
        // gone between the two
      }
    }
    this.#before.clear();
    rmSync(this.#file, { force: true });
    return turned;
  }

  #set(path: string, value: string): boolean {
    if (settingAt(path) === value) return false;
    this.#remember(path);
    try {
      writeFileSync(path, value);
    } catch (cause) {
      throw new TrellisError("subnets/forwarding", `this machine cannot be made to forward: ${path} is not writable`, {
        cause,
        hint: "run as root with /proc/sys/net visible and writable (systemd: ReadWritePaths=/proc/sys/net), or set it before (sysctl)",
      });
    }
    return true;
  }

  #remember(path: string): void {
    const value = settingAt(path);
    if (this.#before.has(path) || value === undefined) return;
    this.#before.set(path, value);
    this.#write();
  }

  #write(): void {
    const memory: Memory = { boot: bootId(), before: [...this.#before] };
    writeFileSync(this.#file, JSON.stringify(memory), { mode: 0o600 });
  }
}

function settingAt(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8").trim();
  } catch {
    return undefined; // no such device or family
  }
}

/** Undefined for what is none: then nothing is undone that we do not know of. */
function readMemory(file: string): Memory | undefined {
  try {
    const memory = JSON.parse(readFileSync(file, "utf8")) as Memory;
    const isWhole = memory.before.every(([path, value]) => path.startsWith(`${ROOT}/`) && /^\d+$/.test(value));
    return typeof memory.boot === "string" && isWhole ? memory : undefined;
  } catch {
    return undefined;
  }
}
