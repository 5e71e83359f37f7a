/** The relay in the kernel: loaded, attached to the devices that are there, detached at the end. Without it the tunnel relays itself. */
import { messageOf } from "../base/errors.ts";
import { type Ms, seconds } from "../base/time.ts";
import type { Addon, IngressFilter, KernelRelay, RelayHook, RelayObjects, RelayPrograms, Tunnel } from "./addon.io.ts";
import type { HookGroups } from "./relay-attach.ts";
import { relayCounters } from "./relay-counters.ts";
import type { RelayCounters } from "./relay-layout.ts";
import { replaceLeft } from "./relay-left.io.ts";
import {
  loopbackForwards,
  RelayMemory,
  type RelayRemains,
  removeRemains,
  setLoopbackForwarding,
} from "./relay-memory.io.ts";

export interface RelaySetup {
  /** None: the kernel relays nothing. */
  readonly hooks: HookGroups;
  /** Undefined when they were not built. */
  readonly objects: RelayObjects | undefined;
  /** File that says what the kernel has of it. */
  readonly memory: string;
}

/** Why the kernel relays nothing. */
interface Refused {
  readonly reason: string;
}

const FAMILIES = ["ipv4", "ipv6"] as const;
/** So long, ms, the relay of a daemon that is gone goes on behind ours: until all neighbours have met us and told their links. */
const SUCCESSION: Ms = seconds(30);

export class RelayInKernel {
  readonly #addon: Addon;
  readonly #relay: KernelRelay;
  readonly #memory: RelayMemory;
  readonly #hooks: HookGroups;
  readonly #interface: string | undefined;
  readonly #attached = new Map<number, { readonly device: string; readonly hooks: readonly RelayHook[] }>();
  /** Programs on our port that daemons of lost gateways had left. */
  replaced = 0;
  #remains: RelayRemains = { programs: [], forwarding: [] };
  #succession: Timer | undefined;
  #refusal = "";
  #counted: RelayCounters | undefined; // once it is closed

  private constructor(
    addon: Addon,
    relay: KernelRelay,
    memory: RelayMemory,
    hooks: HookGroups,
    only: string | undefined,
  ) {
    this.#addon = addon;
    this.#relay = relay;
    this.#memory = memory;
    this.#hooks = hooks;
    this.#interface = only;
  }

  /**
   * Loads the programs, gives them the tunnel's tables and attaches them; to `only` when the tunnel is bound to that interface. What a
   * killed daemon left relays on behind them for a while.
   */
  static start(
    addon: Addon,
    tunnel: Tunnel,
    { hooks, objects, memory }: RelaySetup,
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
    const started = new RelayInKernel(addon, relay, new RelayMemory(memory), hooks, only);
    try {
      started.#remember();
    } catch (error) {
      started.close();
      return { reason: messageOf(error) };
    }
    tunnel.mirror(relay);
    started.replaced = replaceLeft(addon, tunnel.port, only, started.#remains);
    const before = started.#succeed();
    started.attach();
    if (before) addon.removeRelay(before); // a clsact filter of before that ours has not replaced: it was on another port
    return started;
  }

  /**
   * What is about to be in the kernel, before it is. A route lookup in BPF is for a packet that arrives on an interface which forwards;
   * ours leave as if from here, so the interface is `lo`. It forwards nothing by that: what arrives on `lo` is for this machine. Throws what
   * writing the memory or the system's setting throws.
   */
  #remember(): void {
    const { programs, forwarding } = this.#memory.read();
    for (const older of programs.slice(0, -1)) this.#addon.removeRelay(older);
    const lacking = FAMILIES.filter((family) => loopbackForwards(family) === false);
    this.#remains = {
      programs: [...programs.slice(-1), this.#relay.programs()],
      forwarding: [...forwarding, ...lacking],
    };
    this.#memory.write(this.#remains);
    for (const family of lacking) setLoopbackForwarding(family, "1");
  }

  /** Gives what was there before and is not to go on. */
  #succeed(): RelayPrograms | undefined {
    const before = this.#remains.programs.at(-2);
    if (before && this.#relay.succeed(before)) {
      this.#succession = setTimeout(() => this.retire(), SUCCESSION);
      this.#succession.unref();
      return undefined;
    }
    this.#forgetBefore();
    return before;
  }

  /** What a killed daemon left relays no more: by now, or since somebody is no member any more. */
  retire(): void {
    clearTimeout(this.#succession);
    if (this.#counted || this.#remains.programs.length < 2) return;
    this.#relay.retire();
    this.#forgetBefore();
  }

  #forgetBefore(): void {
    this.#remains = { ...this.#remains, programs: this.#remains.programs.slice(-1) };
    try {
      this.#memory.write(this.#remains);
    } catch {
      // then the next start looks for what is gone
    }
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

  /** The programs relay on until the next daemon has taken over. */
  leave(): void {
    if (this.#counted) return;
    this.#counted = this.counters();
    clearTimeout(this.#succession);
    this.#relay.leave();
  }

  close(): void {
    if (this.#counted) return;
    this.#counted = this.counters();
    clearTimeout(this.#succession);
    this.#relay.close();
    removeRemains(this.#addon, this.#memory);
  }
}
