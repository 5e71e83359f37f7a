/** Subnets of other gateways in the data path, and the kernel's routes that lead there. */
import { messageOf } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import type { Addon } from "./addon.io.ts";
import type { DataPlane } from "./port.ts";

export interface SubnetRoute {
  /** Overlay addresses, in the order in which they are used. */
  readonly gateways: readonly string[];
  /** It is behind this machine: the kernel leads there by itself. */
  readonly own: boolean;
  /** What our own packets carry; undefined leaves it to the kernel. */
  readonly source: string | undefined;
}

interface Installed extends SubnetRoute {
  /** Why the kernel does not lead there. */
  readonly problem: string | undefined;
}

export class SubnetRoutes {
  readonly #plane: DataPlane;
  readonly #addon: Addon | undefined;
  readonly #log: Log;
  readonly #installed = new Map<string, Installed>();

  constructor(plane: DataPlane, addon: Addon | undefined, log: Log) {
    this.#plane = plane;
    this.#addon = addon;
    this.#log = log;
  }

  get(prefix: string): Installed | undefined {
    return this.#installed.get(prefix);
  }

  /** These, and no others. A route that somebody else's stood in the way of is tried again. */
  set(wanted: ReadonlyMap<string, SubnetRoute>): void {
    for (const prefix of this.#installed.keys()) if (!wanted.has(prefix)) this.#remove(prefix);
    for (const [prefix, route] of wanted) {
      const before = this.#installed.get(prefix);
      if (before?.gateways.join() !== route.gateways.join()) this.#plane.setSubnet(prefix, route.gateways);
      const leads = before && !before.problem && before.own === route.own && before.source === route.source;
      this.#installed.set(prefix, { ...route, problem: leads ? undefined : this.#lead(prefix, route) });
    }
  }

  /** Why it was not possible. */
  #lead(prefix: string, { own, source }: SubnetRoute): string | undefined {
    const { device } = this.#plane;
    if (device === undefined || !this.#addon) return "there is no overlay device";
    try {
      if (own) this.#addon.removeRoute(device, prefix);
      else this.#addon.addRoute(device, this.#plane.port, prefix, source);
      return undefined;
    } catch (thrown) {
      const taken = (thrown as { code?: string }).code === "EEXIST";
      return taken ? "this machine has another route there, which counts" : messageOf(thrown);
    }
  }

  #remove(prefix: string): void {
    this.#plane.setSubnet(prefix, []);
    this.#unlead(prefix);
    this.#installed.delete(prefix);
  }

  #unlead(prefix: string): void {
    try {
      if (this.#plane.device !== undefined) this.#addon?.removeRoute(this.#plane.device, prefix);
    } catch (thrown) {
      this.#log.warn("a route is left", { subnet: prefix, reason: messageOf(thrown) }); // until the device goes
    }
  }

  /** Nothing of it is left in the kernel, nor of a daemon that was killed. */
  clean(): void {
    for (const prefix of this.#installed.keys()) this.#unlead(prefix);
    this.#installed.clear();
    try {
      if (this.#plane.device !== undefined) this.#addon?.endRoutes(this.#plane.device);
    } catch (thrown) {
      this.#log.warn("a rule for routes is left", { reason: messageOf(thrown) });
    }
  }
}
