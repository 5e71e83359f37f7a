/** Whether a peer is still there: when it is asked, and who between is suspected when it does not answer. */
import { type Ms, seconds } from "../base/time.ts";
import { laterFor, silentAt } from "./life-signs.ts";
import { isThrough } from "./neighbours.ts";
import type { Outbox } from "./outbox.ts";
import type { Peer } from "./peers.ts";
import type { MeshDeps } from "./ports.ts";
import { type Avoided, SUSPECT_AFTER, Suspicion } from "./suspicion.ts";
import type { Ways } from "./ways.ts";

const ASK_AGAIN = seconds(2);
/** A peer that data goes to through the mesh is asked so often: only the end shows whether those between do what they should. */
const WATCH_EVERY = seconds(3);
const WATCH_AGAIN = seconds(1);
const IN_USE = seconds(5);
/** The same of one that others can take over from. */
const URGE_EVERY: Ms = 150;
/** With so many questions unanswered it stands still; where a twentieth is lost each way that happens by accident once in hours. */
const URGED_MAX = 5;
/** No token that `ping` is given. */
const NOBODY_WAITS = 0;

const isWatched = (p: Peer): boolean =>
  p.endpoint !== undefined && isThrough(p.endpoint) && p.usedAt + IN_USE > p.lastHeard;

export class Watching {
  readonly #deps: Pick<MeshDeps, "settings" | "meter">;
  readonly #out: Outbox;
  readonly #ways: Ways;
  readonly #suspicion = new Suspicion();

  constructor(deps: Pick<MeshDeps, "settings" | "meter">, out: Outbox, ways: Ways) {
    this.#deps = deps;
    this.#out = out;
    this.#ways = ways;
  }

  /** When to ask: one whose frames have failed to come may have lost a few, or be gone. */
  askAt(p: Peer): Ms {
    const { settings } = this.#deps;
    const pause = isWatched(p) ? WATCH_EVERY : settings.askAfter + (this.#isLed(p) ? laterFor(p) : 0);
    const at = Math.max(p.lastHeard + pause, p.nextAsk);
    return p.current && at < silentAt(p, settings) ? at : Number.POSITIVE_INFINITY;
  }

  async ask(p: Peer, now: Ms): Promise<void> {
    p.nextAsk = now + (isWatched(p) ? WATCH_AGAIN : ASK_AGAIN);
    p.askedSince = Math.min(p.askedSince, now);
    await this.#suspect(p, p.asked, now);
    this.#out.tell(p, { kind: "ping", token: NOBODY_WAITS, unanswered: p.asked++ }, now);
  }

  /** When to ask whether one that others can take over from still takes what is sent to it. */
  urgeAt(p: Peer): Ms {
    const isDue = p.current && p.attended && isWatched(p);
    const at = Math.max(p.lastHeard, p.nextUrge);
    return isDue && at < silentAt(p, this.#deps.settings) ? at : Number.POSITIVE_INFINITY;
  }

  urge(p: Peer, now: Ms): void {
    p.nextUrge = now + URGE_EVERY;
    p.urged++;
    this.#out.tell(p, { kind: "ping", token: NOBODY_WAITS }, now);
  }

  standsStill(p: Readonly<Peer>): boolean {
    return p.attended && p.urged > URGED_MAX;
  }

  /** It is heard; whether it hears us it says as well: `unanswered` questions of its own. */
  async heard(p: Peer, unanswered: number, now: Ms): Promise<void> {
    p.lastHeard = now;
    p.asked = 0;
    p.askedSince = Number.POSITIVE_INFINITY;
    p.urged = 0;
    if (unanswered >= SUSPECT_AFTER) return await this.#suspect(p, unanswered, now);
    if (p.member) await this.#avoid(this.#suspicion.heard(p.member.address, now), now);
  }

  forget(address: string): void {
    this.#suspicion.forget(address);
  }

  /** Whether link state leads to it. */
  #isLed({ member }: Peer): boolean {
    return member !== undefined && this.#ways.to(member.address) !== undefined;
  }

  /** Perhaps somebody on the way to it drops our frames. */
  async #suspect(p: Peer, unanswered: number, now: Ms): Promise<void> {
    if (unanswered < SUSPECT_AFTER || !p.member || !p.endpoint || !isThrough(p.endpoint)) return;
    const between = this.#ways.explain(p.member.address)?.hops.slice(0, -1) ?? [];
    await this.#avoid(this.#suspicion.silent(p.member.address, between, unanswered, now), now);
  }

  async #avoid(avoided: readonly Avoided[], now: Ms): Promise<void> {
    for (const { relay, until } of avoided) {
      if (until > now) this.#deps.meter.count("mesh.suspected");
      await this.#ways.distrust(relay, until, now);
    }
  }
}
