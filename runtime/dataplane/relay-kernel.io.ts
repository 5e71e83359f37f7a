/** The relay in the kernel: loaded, attached to the devices that are there, detached at the end. Without it the tunnel relays itself. */
import { readFileSync, writeFileSync } from "node:fs";
import { messageOf } from "../base/errors.ts";
import type { Addon, IngressFilter, KernelRelay, RelayHook, RelayObjects, Tunnel } from "./addon.io.ts";
import type { HookGroups } from "./relay-attach.ts";
import { relayCounters } from "./relay-counters.ts";
import type { RelayCounters } from "./relay-layout.ts";

export interface RelaySetup {
  /** None: the kernel relays nothing. */
  readonly hooks: HookGroups;
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
  readonly #hooks: HookGroups;
  readonly #interface: string | undefined;
  readonly #attached = new Map<number, { readonly device: string; readonly hooks: readonly RelayHook[] }>();
  #refusal = "";
  #counted: RelayCounters | undefined; // once it is closed

  private constructor(
    addon: Addon,
    relay: KernelRelay,
    forwarding: LoopbackForwarding,
    hooks: HookGroups,
    only: string | undefined,
  ) {
    this.#addon = addon;
    this.#relay = relay;
    this.#forwarding = forwarding;
    this.#hooks = hooks;
    this.#interface = only;
  }

  /** Loads the programs, gives them the tunnel's tables and attaches them; to `only` when the tunnel is bound to that interface. */
  static start(
    addon: Addon,
    tunnel: Tunnel,
    { hooks, objects }: RelaySetup,
    only: string | undefined,
    filter: IngressFilter | undefined,
  ): RelayInKernel | Refused {
    if (hooks.length === 0) return { reason: "not wanted" };
    if (!objects) return { reason: "the programs were not built (clang)" };
    let relay: KernelRelay;
    try {
      const xdp = hooks.flat().includes("xdp") ? objects.xdp : undefined;
      relay = addon.loadRelay(tunnel.port, objects.tc, xdp, filter);
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
    const started = new RelayInKernel(addon, relay, forwarding, hooks, only);
    started.attach();
    return started;
  }

  /** Attaches to devices that were not there before, and forgets those that went. */
  attach(): void {
    const there = this.#addon.etherDevices();
    for (const index of this.#attached.keys()) if (!there.some((d) => d.index === index)) this.#attached.delete(index);
    for (const { name: device, index } of there) {
      if (this.#attached.has(index) || (this.#interface !== undefined && device !== this.#interface)) continue;
      this.#attached.set(index, { device, hooks: this.#hooks.flatMap((group) => this.#attachOne(device, group)) });
    }
  }

  /** The first of these hooks that the kernel takes, or none. */
  #attachOne(device: string, group: readonly RelayHook[]): RelayHook[] {
    for (const hook of group) {
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
    const used = [...this.#attached.values()].filter(({ hooks }) => hooks.length > 0);
    return Object.fromEntries(used.map(({ device, hooks }) => [device, hooks]));
  }

  /** Empty while the kernel relays on at least one device. */
  get reason(): string {
    if (this.#counted) return "closed";
    const failure = this.#relay.failure();
    if (failure !== "") return `the kernel did not take an entry of the tables (${failure})`;
    return Object.keys(this.attached).length > 0 ? "" : this.#refusal || "no Ethernet device";
  }

  counters(): RelayCounters {
    return this.#counted ?? relayCounters(this.#relay.counters());
  }

  close(): void {
    if (this.#counted) return;
    this.#counted = this.counters();
    this.#relay.close();
    this.#forwarding.restore();
  }
}
