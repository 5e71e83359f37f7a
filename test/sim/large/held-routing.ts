/**
 * Link state of a gateway in a mesh that begins as if all had been together for long. Until it is let go it tells its neighbours nothing
 * and hears nothing of them, but makes its own lists; then it knows everybody's at once. That spares each list its way to everybody,
 * which of a thousand gateways that start from nothing costs more than an hour of their life.
 */
import { equal } from "../../../runtime/base/bytes.ts";
import type { Ms } from "../../../runtime/base/time.ts";
import type { LinkState } from "../../../runtime/mesh/ports.ts";
import type { SignedList } from "../../../runtime/mesh/routing/link-list.ts";
import type { Routing } from "../../../runtime/mesh/routing/routing.ts";
import type { Label, RoutingAction, RoutingEvent } from "../../../runtime/mesh/routing/types.ts";

export class HeldRouting implements LinkState {
  readonly #inner: Routing;
  #neighbours: Set<Label> | undefined = new Set();
  #known: readonly Uint8Array[] | undefined;

  constructor(inner: Routing) {
    this.#inner = inner;
  }

  /** With the next event it knows these and speaks to its neighbours. */
  letGo(lists: readonly Uint8Array[]): void {
    this.#known = lists;
  }

  async handle(event: RoutingEvent, now: Ms): Promise<RoutingAction[]> {
    const inner = this.#inner;
    const out: RoutingAction[] = [];
    if (this.#known) {
      const neighbours = [...(this.#neighbours ?? [])];
      const known = { type: "known", lists: this.#known } as const;
      this.#known = this.#neighbours = undefined;
      out.push(...(await inner.handle(known, now)));
      for (const neighbour of neighbours)
        out.push(...(await inner.handle({ type: "session", neighbour, up: true }, now)));
    }
    if (this.#neighbours && event.type === "session") {
      if (event.up) this.#neighbours.add(event.neighbour);
      else this.#neighbours.delete(event.neighbour);
    } else if (!this.#neighbours || (event.type !== "message" && event.type !== "digest"))
      out.push(...(await inner.handle(event, now)));
    return out;
  }

  deadline(): Ms | undefined {
    return this.#known ? Number.NEGATIVE_INFINITY : this.#inner.deadline();
  }

  get digest(): Uint8Array {
    return this.#inner.digest;
  }

  get load(): Readonly<Record<string, number>> {
    return this.#inner.load;
  }

  lists = (): readonly Uint8Array[] => this.#inner.lists();
  edges: Routing["edges"] = () => this.#inner.edges();
  route: Routing["route"] = (destination) => this.#inner.route(destination);
  routeTo: Routing["routeTo"] = (destination) => this.#inner.routeTo(destination);
  subnetsOf: Routing["subnetsOf"] = (origin) => this.#inner.subnetsOf(origin);
}

/** Of each list one copy for all that hold it. */
export class SharedLists {
  readonly #lists = new Map<string, SignedList>();

  keep = (list: SignedList): SignedList => {
    const known = this.#lists.get(list.key);
    if (known?.version === list.version && equal(known.signature, list.signature)) return known;
    if (!known || known.version < list.version) this.#lists.set(list.key, list);
    return list;
  };
}
