/**
 * Path MTU discovery by probes of our own (RFC 8899, DPLPMTUD): relays and many routers send no errors. Sizes are whole IP packets, bytes.
 *
 *   base      a probe of 1280 must be answered        -> search; after three that are not: error
 *   search    the largest first, then halving         -> complete, when what passes and what does not are close
 *   complete  the size found is confirmed every 15 s
 *             while data flows, else every 10 minutes -> search, when it does not pass any more
 *             after 30 s, then at doubled pauses up to
 *             10 minutes, a larger one is tried       -> search
 *             (of a way through the mesh neither, but
 *             while data flows and when it begins to)
 *   error     nobody answers, which tells nothing     -> base, after a pause
 *
 * With each probe goes one of 1280. A size does not pass when none of its probes was answered and most of the small ones were: loss and full
 * queues are no sign of a small path, and to believe they were would put more packets into the queue.
 */
import { type Ms, minutes, seconds } from "../base/time.ts";

/** What every IPv6 path carries (RFC 8200 §5). */
export const BASE_PLPMTU = 1280;
export const MAX_PROBES = 3;
/** What was confirmed before, and the largest, are given up later than what is between. */
export const MAX_CONFIRMATIONS = 6;
export const PROBE_TIMER: Ms = seconds(1);
export const CONFIRM_TIMER: Ms = seconds(15);
export const CONFIRM_IDLE: Ms = minutes(10);
export const RAISE_FIRST: Ms = seconds(30);
export const RAISE_TIMER: Ms = minutes(10);
export const ERROR_PAUSE: Ms = seconds(10);
/** Until then a new path is taken to carry no more than is known; later no less than we may send, unless we know better. */
export const CAUTION: Ms = seconds(8);
/** A search that is as close as this is over. */
export const CLOSE_ENOUGH = 8;

export type PathState = "base" | "search" | "complete" | "error";

interface Probing {
  readonly size: number;
  sent: number;
  /** Answers to the small ones beside it. */
  small: number;
}

export class PathMtu {
  readonly #most: number;
  readonly #byUseAlone: boolean;
  readonly #cautionUntil: Ms;
  #state: PathState = "base";
  #size = BASE_PLPMTU;
  /** Smallest size that does not pass, as far as this search knows. */
  #ceiling: number;
  /** Something that we may send does not pass. */
  #bounded = false;
  #probing: Probing | undefined;
  #due: Ms;
  #raiseAt: Ms = Number.POSITIVE_INFINITY;
  #raisePause: Ms = RAISE_FIRST;
  #confirmed: Ms = Number.NEGATIVE_INFINITY;
  #carried: Ms = Number.NEGATIVE_INFINITY;

  /** `most`: no packet of ours is larger; at least BASE_PLPMTU. `byUseAlone`: what was found stands until data flows again. */
  constructor(most: number, now: Ms, byUseAlone = false) {
    this.#most = most;
    this.#byUseAlone = byUseAlone;
    this.#ceiling = most + 1;
    this.#due = now;
    this.#cautionUntil = now + CAUTION;
  }

  get state(): PathState {
    return this.#state;
  }

  /** The largest that has passed; BASE_PLPMTU before anything has. */
  get size(): number {
    return this.#size;
  }

  /** What may be sent now; undefined: anything. */
  limit(now: Ms): number | undefined {
    if (this.#size >= this.#most) return undefined;
    return this.#bounded || now < this.#cautionUntil ? this.#size : undefined;
  }

  /** When `next` has something to do. */
  get due(): Ms {
    return this.#due;
  }

  /** Data flows on this path. */
  carried(now: Ms): void {
    const wasIdle = now >= this.#carried + CONFIRM_IDLE;
    if (wasIdle && this.#byUseAlone) this.#raiseAt = Math.max(this.#raiseAt, now + RAISE_FIRST); // what was found comes first
    this.#carried = now;
    if (this.#state === "complete" && !this.#probing) this.#due = Math.min(this.#due, this.#confirmAt(now));
  }

  /** The sizes of the probes to send now. */
  next(now: Ms): readonly number[] {
    if (now < this.#due) return [];
    const last = this.#probing;
    if (last && last.sent >= this.#patienceFor(last.size)) this.#unanswered(last, now);
    if (now < this.#due) return [];
    this.#probing ??= { size: this.#candidate(now), sent: 0, small: 0 };
    this.#probing.sent++;
    this.#due = now + PROBE_TIMER;
    const { size } = this.#probing;
    return size === BASE_PLPMTU ? [size] : [size, BASE_PLPMTU];
  }

  /** A probe of this size has arrived. */
  passed(size: number, now: Ms): void {
    const probing = this.#probing;
    if (!probing) return;
    if (size !== probing.size) {
      if (size === BASE_PLPMTU) probing.small++;
      return; // otherwise a late answer, or none of ours
    }
    this.#probing = undefined;
    this.#size = size;
    this.#confirmed = now;
    if (this.#state === "complete") this.#due = this.#confirmAt(now);
    else this.#settle(now);
  }

  /** When the size found is confirmed, or a larger one is tried. */
  #confirmAt(now: Ms): Ms {
    const isUsed = now < this.#carried + CONFIRM_TIMER;
    if (!isUsed && this.#byUseAlone) return Number.POSITIVE_INFINITY;
    const pause = isUsed ? CONFIRM_TIMER : CONFIRM_IDLE;
    return Math.max(now, Math.min(this.#confirmed + pause, this.#raiseAt));
  }

  #patienceFor(size: number): number {
    return this.#state === "complete" || (this.#state === "search" && size === this.#most)
      ? MAX_CONFIRMATIONS
      : MAX_PROBES;
  }

  #candidate(now: Ms): number {
    if (this.#state === "error") this.#state = "base";
    if (this.#state === "base") return BASE_PLPMTU;
    if (this.#state === "complete") {
      if (now < this.#raiseAt) return this.#size;
      this.#state = "search";
      this.#ceiling = this.#most + 1;
      return this.#most;
    }
    return this.#ceiling > this.#most ? this.#most : Math.floor((this.#size + this.#ceiling) / 2);
  }

  #unanswered({ size, sent, small }: Probing, now: Ms): void {
    this.#probing = undefined;
    if (this.#state !== "base" && small >= Math.ceil((2 * sent) / 3)) {
      this.#tooLarge(size, now);
      return;
    }
    if (this.#state === "base") this.#state = "error";
    this.#due = now + ERROR_PAUSE;
  }

  #tooLarge(size: number, now: Ms): void {
    if (size <= this.#size) this.#size = BASE_PLPMTU;
    this.#ceiling = Math.min(this.#ceiling, size);
    this.#bounded = true;
    this.#settle(now);
  }

  /** Ends the search when nothing worth a probe is left. */
  #settle(now: Ms): void {
    this.#state = "search";
    this.#due = now;
    const untried = this.#ceiling > this.#most || this.#ceiling - this.#size > CLOSE_ENOUGH;
    if (untried && this.#size < this.#most) return;
    this.#state = "complete";
    this.#raiseAt = this.#size >= this.#most ? Number.POSITIVE_INFINITY : now + this.#raisePause;
    this.#raisePause = this.#size >= this.#most ? RAISE_FIRST : Math.min(2 * this.#raisePause, RAISE_TIMER);
    this.#confirmed = now;
    this.#due = this.#confirmAt(now);
  }
}
