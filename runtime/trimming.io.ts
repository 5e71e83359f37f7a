/**
 * Keeps the daemon's memory near what a gateway has to spare. The engine lets its heap grow by 32 MB before it collects, whatever the machine has, and
 * code that only the start needed stays mapped: where the whole comes near the limit the one is collected, and the other given back.
 */

import { fullGC } from "bun:jsc";
import { openSync, readSync } from "node:fs";
import { messageOf } from "./base/errors.ts";
import type { Log } from "./base/log.ts";
import type { Ms } from "./base/time.ts";
import type { Addon } from "./dataplane/addon.io.ts";

const MB = 1024 ** 2;
/** Of the 120 MB that a gateway may take: above it something is done. A daemon without load stays below it. */
export const TRIM_ABOVE: number = 84 * MB;
/**
 * Instead of it for so long after the beginning, or until much is taken in: a start takes up to 100 MB, and to hold it below 84 was a tenth of the CPU
 * time that ten gateways needed to reach each other.
 */
export const START: { readonly span: Ms; readonly above: number } = { span: 10_000, above: 108 * MB };
/** Between two looks; the shorter one within `NEAR` of that limit, and for a while after: pages that were given back hide what comes next. */
const LOOK: Ms = 250;
const LOOK_NEAR: Ms = 10;
const NEAR: number = 8 * MB;
const NEAR_FOR: Ms = 2_000;
/** So much that is taken in is worth a look of its own: where the process has a lot to do none may come in time. */
const INTAKE: number = MB / 4;
/** Collecting takes at most this share of the time; the larger one above `TIGHT`. */
const SHARE = 0.25;
const SHARE_TIGHT = 0.5;
const TIGHT: number = 96 * MB;
/** A heap is collected when the process has grown by so much since the last time: what stays large for good is not collected over and over. */
const GROWN: number = 2 * MB;
/** Mapped pages are given back when there are so many more than after the last time. */
const MAPPED_STEP: number = 4 * MB;

/** Bytes that are resident: all, and those of mapped files. */
export interface Resident {
  readonly all: number;
  readonly mapped: number;
}

export interface TrimmingDeps {
  readonly resident: () => Resident;
  readonly collect: () => void;
  /** Gives back code that is not in use. */
  readonly release: () => void;
  /** Has the store's tables given back as they become many, for so long. */
  readonly watch: (span: Ms) => void;
  readonly now: () => Ms;
}

export class Trimming {
  readonly #deps: TrimmingDeps;
  #startUntil: Ms;
  /** Of mapped files, after they were given back last. */
  #mapped = 0;
  #notBefore: Ms = Number.NEGATIVE_INFINITY;
  /** The least that it was since it was collected. */
  #least = 0;
  #tight: PromiseWithResolvers<void> | undefined;
  #nearUntil: Ms = Number.NEGATIVE_INFINITY;
  /** Bytes that were taken in since the last look. */
  #taken = 0;

  constructor(deps: TrimmingDeps) {
    this.#deps = deps;
    this.#startUntil = deps.now() + START.span;
  }

  /** Does what there is to do; gives the time until the next look. */
  look(): Ms {
    const { resident, collect, release, watch, now } = this.#deps;
    this.#taken = 0;
    let is = resident();
    const limit = now() < this.#startUntil ? START.above : TRIM_ABOVE;
    if (is.all > limit - NEAR) {
      this.#nearUntil = now() + NEAR_FOR;
      watch(NEAR_FOR);
    }
    if (is.all > limit && is.mapped > this.#mapped + MAPPED_STEP) {
      release();
      is = resident();
      this.#mapped = is.mapped;
    }
    this.#least = Math.min(this.#least, is.all);
    const due = is.all > limit && is.all > this.#least + GROWN;
    const tight = due && is.all > TIGHT;
    if (tight) this.#tight ??= Promise.withResolvers();
    const start = now();
    if (due && start >= this.#notBefore) {
      collect();
      const end = now();
      this.#notBefore = end + (end - start) * (1 / (tight ? SHARE_TIGHT : SHARE) - 1);
      this.#least = resident().all;
      this.#untighten();
    } else if (!tight) this.#untighten();
    return now() < this.#nearUntil ? LOOK_NEAR : LOOK;
  }

  /**
   * To be awaited before so many bytes more are taken in. Where it is tight, resolves after the next collection: what that frees is used again before
   * the process grows.
   */
  async room(bytes: number): Promise<void> {
    this.#taken += bytes;
    if (this.#taken >= INTAKE) {
      this.#startUntil = Number.NEGATIVE_INFINITY;
      this.look();
    }
    await this.#tight?.promise;
  }

  #untighten(): void {
    this.#tight?.resolve();
    this.#tight = undefined;
  }
}

const PAGE = 4_096;
const LINE = 128;

/** For as long as this process lives. */
export function keepTrim(addon: Pick<Addon, "releaseCode" | "releaseTablesFor"> | undefined, log: Log): Trimming {
  const statm = openSync("/proc/self/statm", "r"); // proc(5): pages
  const line = Buffer.alloc(LINE);
  const giveBack = (what: string, from: () => void): void => {
    try {
      from();
    } catch (thrown) {
      log.debug(`pages of ${what} are not given back`, { error: messageOf(thrown) });
    }
  };
  const trimming = new Trimming({
    resident() {
      const [, all = 0, mapped = 0] = line
        .toString("latin1", 0, readSync(statm, line, 0, LINE, 0))
        .split(" ")
        .map(Number);
      return { all: all * PAGE, mapped: mapped * PAGE };
    },
    collect: fullGC,
    release: () => giveBack("the program", () => addon?.releaseCode()),
    watch: (span) => giveBack("tables", () => addon?.releaseTablesFor(span)),
    now: () => performance.now(),
  });
  const again = (): void => {
    setTimeout(again, trimming.look()).unref();
  };
  again();
  return trimming;
}
