/** The relay in the kernel: loaded, attached to the devices that are there, detached at the end. Without it the tunnel relays itself. */
import { readFileSync, writeFileSync } from "node:fs";
import { messageOf } from "../base/errors.ts";
import type { Addon, KernelRelay, RelayHook, RelayObjects, Tunnel } from "./addon.io.ts";
import { hookGroups, type RelayMode } from "./relay-attach.ts";
import { relayCounters } from "./relay-counters.ts";
import type { RelayCounters } from "./relay-layout.ts";

export interface RelaySetup {
  readonly mode: RelayMode;
  /** Undefined when they were not built. */
  readonly objects: RelayObjects | undefined;
}

/** Why the kernel relays nothing. */
interface Refused {
  readonly reason: string;
}

/**
 * A route lookup in BPF is for a packet that arrives on an interface which forwards; ours leave as if from here, so the interface is
 * `lo`. It forwards nothing by that: what arrives on `lo` is for this machine. A daemon that is killed leaves it switched on.
 */
class LoopbackForwarding {
  readonly #changed: string[] = [];

  /** Switches it on; false when the system's settings cannot be written. */
  enable(): boolean {
    for (const family of ["ipv4", "ipv6"]) {
      const path = `/proc/sys/net/${family}/conf/lo/forwarding`;
      try {
        if (readFileSync(path, "utf8").trim() !== "0") continue;
        writeFileSync(path, "1");
        this.#changed.push(path);
      } catch {
        if (family === "ipv4") return false; // a machine may have no IPv6
      }
    }
    return true;
  }

  restore(): void {
    for (const path of this.#changed.splice(0)) writeFileSync(path, "0");
  }
}

export class RelayInKernel {
  readonly #addon: Addon;
  readonly #relay: KernelRelay;
  readonly #forwarding: LoopbackForwarding;
  readonly #groups: readonly (readonly RelayHook[])[];
  readonly #interface: string | undefined;
  readonly #attached = new Map<string, readonly RelayHook[]>();
  #refusal = "";

  private constructor(
    addon: Addon,
    relay: KernelRelay,
    forwarding: LoopbackForwarding,
    mode: "auto" | "xdp",
    only: string | undefined,
  ) {
    this.#addon = addon;
    this.#relay = relay;
    this.#forwarding = forwarding;
    this.#groups = hookGroups(mode);
    this.#interface = only;
  }

  /** Loads the programs, gives them the tunnel's tables and attaches them; to `only` when the tunnel is bound to that interface. */
  static start(
    addon: Addon,
    tunnel: Tunnel,
    { mode, objects }: RelaySetup,
    only: string | undefined,
  ): RelayInKernel | Refused {
    if (mode === "userspace") return { reason: "not wanted" };
    if (!objects) return { reason: "the programs were not built (clang)" };
    let relay: KernelRelay;
    try {
      relay = addon.loadRelay(tunnel.port, objects.tc, mode === "xdp" ? objects.xdp : undefined);
    } catch (error) {
      const code = (error as { code?: string }).code ?? "";
      return { reason: code === "EPERM" ? "no privilege to load BPF (CAP_BPF, CAP_NET_ADMIN)" : messageOf(error) };
    }
    const forwarding = new LoopbackForwarding();
    if (!forwarding.enable()) {
      relay.close();
      return { reason: "route lookups need net.ipv4.conf.lo.forwarding, which cannot be set here" };
    }
    tunnel.mirror(relay);
    const started = new RelayInKernel(addon, relay, forwarding, mode, only);
    started.attach();
    return started;
  }

  /** Attaches to devices that were not there before. */
  attach(): void {
    for (const device of this.#addon.etherDevices()) {
      if (this.#attached.has(device) || (this.#interface !== undefined && device !== this.#interface)) continue;
      this.#attached.set(
        device,
        this.#groups.flatMap((hooks) => this.#attachOne(device, hooks)),
      );
    }
  }

  /** The first of these hooks that the kernel takes, or none. */
  #attachOne(device: string, hooks: readonly RelayHook[]): RelayHook[] {
    for (const hook of hooks) {
      try {
        this.#relay.attach(device, hook);
        return [hook];
      } catch (error) {
        this.#refusal = `${device}, ${hook}: ${messageOf(error)}`;
      }
    }
    return [];
  }

  /** Devices and the hooks they have. */
  get attached(): Readonly<Record<string, readonly RelayHook[]>> {
    return Object.fromEntries([...this.#attached].filter(([, hooks]) => hooks.length > 0));
  }

  /** Empty while the kernel relays on at least one device. */
  get reason(): string {
    const failure = this.#relay.failure();
    if (failure !== "") return `the kernel did not take an entry of the tables (${failure})`;
    return Object.keys(this.attached).length > 0 ? "" : this.#refusal || "no Ethernet device";
  }

  counters(): RelayCounters {
    return relayCounters(this.#relay.counters());
  }

  close(): void {
    this.#relay.close();
    this.#forwarding.restore();
  }
}
