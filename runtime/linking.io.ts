/** What the operator says of interfaces: handed to the data path, counted by the day, and shown with the links. */
import type { Handler } from "./api/server.io.ts";
import { endpointKey } from "./base/endpoint.ts";
import { messageOf } from "./base/errors.ts";
import type { Log } from "./base/log.ts";
import { minutes } from "./base/time.ts";
import { type LinkTerms, linkTermsOf } from "./config/link-terms.ts";
import type { Addon } from "./dataplane/addon.io.ts";
import { Carried, Measured } from "./dataplane/carried.ts";
import { counted, type DayCount, limitOf } from "./dataplane/day-count.ts";
import type { DataPlane, LinkView } from "./dataplane/port.ts";
import type { DataPlaneEvent } from "./mesh/types.ts";
import type { OwnHome } from "./provisioning/home.io.ts";
import { systemClock } from "./system.io.ts";

/** Counts are on disk after so long at the latest; what is missing is counted at the next start, unless the machine was started anew. */
const KEPT = minutes(5);

type Meter = Pick<Addon, "interfaceBytes">;

export class Linking {
  readonly #home: OwnHome;
  readonly #plane: DataPlane;
  readonly #terms: readonly LinkTerms[];
  readonly #meter: Meter | undefined;
  readonly #log: Log;
  readonly #counts: Map<string, DayCount>;
  readonly #carried = new Carried();
  readonly #measured = new Measured();
  #set = "";
  #saveAt = systemClock.now() + KEPT;

  private constructor(
    home: OwnHome,
    plane: DataPlane,
    terms: readonly LinkTerms[],
    meter: Meter | undefined,
    log: Log,
    counts: Map<string, DayCount>,
  ) {
    [this.#home, this.#plane, this.#terms, this.#meter, this.#log] = [home, plane, terms, meter, log];
    this.#counts = counts;
    this.#count();
  }

  /** `words` as the setting has them. Without a meter there are no caps. */
  static async open(
    home: OwnHome,
    plane: DataPlane,
    words: readonly string[],
    meter: Meter | undefined,
    log: Log,
  ): Promise<Linking> {
    const terms = linkTermsOf(words);
    const counts = terms.some((t) => t.cap !== undefined) ? await home.linkCounts() : [];
    return new Linking(home, plane, terms, meter, log, new Map(counts.map((c) => [c.interface, c])));
  }

  /** From time to time: what has changed of links and sessions, for the core. */
  look(): DataPlaneEvent[] {
    this.#count();
    if (systemClock.now() >= this.#saveAt) void this.#save();
    const links = this.#measured.look(this.#plane.links());
    const sessions = this.#carried.look(this.#plane.stats().sessions);
    return [
      ...(links.length > 0 ? [{ type: "measured", links } as const] : []),
      ...(sessions.length > 0 ? [{ type: "carried", sessions } as const] : []),
    ];
  }

  methods(nameAt: (address: string) => string): Readonly<Record<string, Handler>> {
    return {
      links: async () => ({
        links: this.#plane
          .links()
          .map((link) => showLink(link, nameAt))
          .sort((a, b) => a.name.localeCompare(b.name) || Number(b.carries) - Number(a.carries)),
        interfaces: this.#terms.map((t) => ({
          interface: t.interface,
          cost: t.cost,
          metered: t.metered,
          cap: t.cap ?? null,
          today: this.#counts.get(t.interface)?.bytes ?? null,
        })),
      }),
    };
  }

  async close(): Promise<void> {
    this.#count();
    await this.#save();
  }

  #count(): void {
    const day = new Date(1000 * systemClock.unix()).toISOString().slice(0, 10);
    for (const { interface: name, cap } of this.#terms) {
      const counter = cap === undefined ? undefined : this.#meter?.interfaceBytes(name);
      if (counter !== undefined) this.#counts.set(name, counted(this.#counts.get(name), day, counter));
    }
    const terms = this.#terms.map(({ interface: name, cost, metered, cap }) => {
      const count = this.#counts.get(name);
      return { name, cost, metered, limit: cap === undefined || !count ? undefined : limitOf(count, cap) };
    });
    const text = JSON.stringify(terms);
    if (text === this.#set || terms.length === 0) return;
    this.#set = text;
    this.#plane.setTerms(terms);
  }

  async #save(): Promise<void> {
    this.#saveAt = systemClock.now() + KEPT;
    if (!this.#terms.some((t) => t.cap !== undefined)) return;
    try {
      await this.#home.saveLinkCounts([...this.#counts].map(([name, count]) => ({ interface: name, ...count })));
    } catch (thrown) {
      this.#log.warn("what has gone over capped interfaces is not stored", { error: messageOf(thrown) });
    }
  }
}

function stateOf(l: LinkView): string {
  if (l.silent) return "silent";
  if (l.capped) return "over cap";
  return l.carries ? "carries" : "ready";
}

const showLink = (l: LinkView, nameAt: (address: string) => string) => ({
  name: nameAt(l.peer),
  address: l.peer,
  interface: l.interface ?? null,
  endpoint: endpointKey(l.endpoint),
  state: stateOf(l),
  carries: l.carries,
  roundTripMs: l.roundTripMs ?? null,
  jitterMs: l.jitterMs ?? null,
  lostOut: l.lostOut,
  lostIn: l.lostIn,
  cost: l.cost,
  metered: l.metered,
  capped: l.capped,
  frames: l.frames,
  bytes: l.bytes,
});
