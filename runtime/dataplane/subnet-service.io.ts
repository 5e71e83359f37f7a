/** The subnets behind this machine: whether it has a way to them, and that it forwards there, with its own address in front if asked. */
import { TrellisError } from "../base/errors.ts";
import { formatIp, formatPrefix, type Prefix } from "../base/ip.ts";
import type { Log } from "../base/log.ts";
import type { Addon, FoundRoute } from "./addon.io.ts";
import { Forwarding } from "./forwarding.io.ts";
import { endMasquerade, hasNft, masquerade } from "./masquerade.io.ts";

export interface ServiceTerms {
  /** The overlay's; undefined without one. */
  readonly device: string | undefined;
  readonly addon: Addon | undefined;
  readonly masquerade: boolean;
  /** A file that remembers how the kernel was set before. */
  readonly memory: string;
  readonly log: Log;
}

export interface Served {
  readonly prefix: Prefix;
  /** Why it cannot be served now. */
  readonly problem: string | undefined;
}

export class SubnetService {
  readonly #terms: ServiceTerms;
  readonly #forwarding: Forwarding;
  /** Undefined: what stands there is of a daemon that was killed. */
  #masqueraded: string | undefined = "";

  constructor(terms: ServiceTerms) {
    this.#terms = terms;
    this.#forwarding = new Forwarding(terms.memory);
  }

  /**
   * What a daemon that was killed has left does not count. It stays until `serve` replaces it at one stroke: a flow that is forwarded once
   * without the rules is never masqueraded after.
   */
  clean(): void {
    if (this.#forwarding.wasKilled && hasNft()) this.#masqueraded = undefined;
  }

  /** Throws `subnets/no-device` or `subnets/masquerade` when this machine can serve none at all. */
  async check(): Promise<void> {
    const { device, masquerade: hides } = this.#terms;
    if (device === undefined)
      throw new TrellisError("subnets/no-device", "subnets cannot be announced without an overlay device", {
        hint: "`trellis doctor` says what this machine lacks; or run without --announce",
      });
    if (hides && !hasNft()) await masquerade(device, []); // it says what to do
  }

  get masquerades(): boolean {
    return Boolean(this.#masqueraded);
  }

  /** Forwards to those of these that this machine has a way to, and to no others. Throws `subnets/forwarding` and `subnets/masquerade`. */
  async serve(wanted: readonly Prefix[]): Promise<readonly Served[]> {
    const { addon, device } = this.#terms;
    const ways = wanted.map((prefix) => {
      const way = addon && wayTo(addon, prefix);
      return { prefix, way, problem: whyNot(way, device) };
    });
    const served = ways.flatMap(({ prefix, way, problem }) => (way && problem === undefined ? [{ prefix, way }] : []));
    if (served.length === 0) this.#stopForwarding();
    await this.#hide(device, this.#terms.masquerade ? served.map((s) => formatPrefix(s.prefix)) : []);
    if (served.length > 0) this.#forward(device as string, served);
    return ways.map(({ prefix, problem }) => ({ prefix, problem }));
  }

  #forward(device: string, served: readonly { readonly prefix: Prefix; readonly way: FoundRoute }[]): void {
    const v4 = served.filter((s) => s.prefix.address.length === 4).map((s) => s.way.device);
    const v6 = served.some((s) => s.prefix.address.length === 16);
    const changed = this.#forwarding.enable({ v4: v4.length > 0 ? [...new Set([device, ...v4])] : [], v6 });
    if (changed.length > 0)
      this.#terms.log.warn("this machine forwards now, until the gateway stops", { set: changed.join(", ") });
  }

  #stopForwarding(): void {
    const turned = this.#forwarding.restore();
    if (turned.length > 0) this.#terms.log.info("forwarding is as it was before", { set: turned.join(", ") });
  }

  async #hide(device: string | undefined, subnets: readonly string[]): Promise<void> {
    if (device === undefined || subnets.join() === this.#masqueraded) return;
    if (subnets.length > 0) await masquerade(device, subnets);
    else await endMasquerade(device);
    this.#masqueraded = subnets.join();
  }

  /** Nothing of it is left in the kernel. */
  async close(): Promise<void> {
    this.#stopForwarding();
    await this.#hide(this.#terms.device, []);
  }
}

/** Addresses in a subnet that are asked about: the first may be this machine's own. */
const ASKED = [1, 2, 3];

/** Where this machine sends packets to a subnet. */
function wayTo(addon: Addon, { address, length }: Prefix): FoundRoute | undefined {
  const whole = 8 * address.length;
  if (length === whole) return addon.findRoute(formatIp(address));
  const found = ASKED.filter((n) => n < 2 ** Math.min(8, whole - length)).map((n) => {
    const at = Uint8Array.from(address);
    at[at.length - 1] = (at.at(-1) as number) + n;
    return addon.findRoute(formatIp(at));
  });
  return found.find((way) => way !== undefined && way.prefixLength < whole) ?? found[0];
}

function whyNot(way: FoundRoute | undefined, device: string | undefined): string | undefined {
  if (!way || way.prefixLength === 0) return "this machine has no route there of its own";
  if (way.device === device) return "this machine reaches it through the mesh only";
  return way.dead ? `${way.device} has no carrier` : undefined;
}
