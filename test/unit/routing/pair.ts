/** Routing of a few gateways whose messages the test carries by hand. */
import { concat, equal } from "../../../runtime/base/bytes.ts";
import { Meter } from "../../../runtime/base/meter.ts";
import type { Ms } from "../../../runtime/base/time.ts";
import type { HybridSignature } from "../../../runtime/crypto/hybrid-signature.ts";
import { native } from "../../../runtime/crypto/native.ts";
import { Routing } from "../../../runtime/mesh/routing/routing.ts";
import type { Label, RoutingAction, RoutingDeps, RoutingEvent } from "../../../runtime/mesh/routing/types.ts";
import { seededRandom } from "../../help/seeded.ts";

export const MESH = new Uint8Array(32).fill(7);
export const labelOf = (name: string): Label => native.sha256(new TextEncoder().encode(name)).subarray(0, 8).toHex();

/** Only the origin can make it, as far as a test goes. */
export function signature(origin: Label, message: Uint8Array): HybridSignature {
  const tag = native.sha256(concat(Uint8Array.fromHex(origin), message));
  return { ed25519: concat(tag, new Uint8Array(32)), mlDsa65: concat(tag, new Uint8Array(3309 - 32)) };
}

export function depsOf(own: Label, epoch: number, seed = own): RoutingDeps {
  return {
    crypto: native,
    random: seededRandom(seed),
    meter: new Meter(),
    mesh: MESH,
    own,
    epoch,
    sign: async (message) => signature(own, message),
    verify: async (origin, message, s) => equal(s.mlDsa65, signature(origin, message).mlDsa65),
  };
}

export class Lab {
  now: Ms = 0;
  readonly members: readonly Label[];
  readonly #routings = new Map<Label, Routing>();
  readonly deps = new Map<Label, RoutingDeps>();
  /** Links over which messages go, as `a-b` and `b-a`. */
  readonly #links = new Set<string>();
  /** Whom nothing reaches. */
  readonly deaf = new Set<Label>();
  readonly persisted = new Map<Label, number>();
  /** Every message that was sent, in order. */
  readonly sent: { readonly from: Label; readonly to: Label; readonly data: Uint8Array }[] = [];

  constructor(...names: readonly string[]) {
    this.members = names.map(labelOf);
    for (const label of this.members) this.#begin(label, 0);
  }

  of(name: string): Routing {
    return this.#routings.get(labelOf(name)) as Routing;
  }

  meterOf(name: string): Meter {
    return (this.deps.get(labelOf(name)) as RoutingDeps).meter;
  }

  async begin(): Promise<void> {
    for (const label of this.members) await this.#feed(label, { type: "members", added: this.members, removed: [] });
  }

  /** A new life, with what its disk says. */
  async restart(name: string, epoch: number): Promise<void> {
    const label = labelOf(name);
    for (const other of this.members) if (this.#links.has(`${label}-${other}`)) await this.#cut(label, other);
    this.#begin(label, epoch);
    await this.#feed(label, { type: "members", added: this.members, removed: [] });
  }

  async connect(a: string, b: string, value = 1, back = value): Promise<void> {
    const [from, to] = [labelOf(a), labelOf(b)];
    this.#links.add(`${from}-${to}`).add(`${to}-${from}`);
    for (const [x, y, v] of [
      [from, to, value],
      [to, from, back],
    ] as const) {
      await this.#feed(x, { type: "session", neighbour: y, up: true });
      await this.#feed(x, { type: "link", neighbour: y, value: v });
    }
  }

  async disconnect(a: string, b: string): Promise<void> {
    await this.#cut(labelOf(a), labelOf(b));
  }

  async feed(name: string, event: RoutingEvent): Promise<void> {
    await this.#feed(labelOf(name), event);
  }

  /** As if `from` had sent it. */
  async inject(from: string, to: string, data: Uint8Array): Promise<void> {
    await this.#feed(labelOf(to), { type: "message", neighbour: labelOf(from), data });
  }

  /** Time passes, tick by tick as the gateways want them. */
  async pass(ms: Ms): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      const due = [...this.#routings].map(([label, r]) => [r.deadline() ?? Number.POSITIVE_INFINITY, label] as const);
      const [at, label] = due.reduce((x, y) => (y[0] < x[0] ? y : x));
      if (at > end) break;
      this.now = Math.max(this.now, at);
      await this.#feed(label, { type: "tick" });
    }
    this.now = end;
  }

  async #cut(a: Label, b: Label): Promise<void> {
    this.#links.delete(`${a}-${b}`);
    this.#links.delete(`${b}-${a}`);
    for (const [x, y] of [
      [a, b],
      [b, a],
    ] as const) {
      await this.#feed(x, { type: "link", neighbour: y, value: 0 });
      await this.#feed(x, { type: "session", neighbour: y, up: false });
    }
  }

  #begin(label: Label, epoch: number): void {
    const deps = depsOf(label, epoch, `${label}/${epoch}/${this.now}`);
    this.deps.set(label, deps);
    this.#routings.set(label, new Routing(deps, this.now));
  }

  async #feed(label: Label, event: RoutingEvent): Promise<void> {
    const actions: RoutingAction[] = await (this.#routings.get(label) as Routing).handle(event, this.now);
    for (const action of actions) {
      if (action.type === "persist") this.persisted.set(label, action.epoch);
      if (action.type !== "tell") continue;
      this.sent.push({ from: label, to: action.neighbour, data: action.data });
      if (!this.#links.has(`${label}-${action.neighbour}`) || this.deaf.has(action.neighbour)) continue;
      await this.#feed(action.neighbour, { type: "message", neighbour: label, data: action.data });
    }
  }
}
