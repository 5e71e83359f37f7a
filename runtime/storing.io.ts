/** What a running gateway writes of what it learns. A disk that is full or gone costs durability until it is mended, nothing else. */
import { messageOf, TrellisError } from "./base/errors.ts";
import type { Log } from "./base/log.ts";
import { seconds } from "./base/time.ts";
import type { Roster } from "./identity/roster.ts";
import type { OwnHome } from "./provisioning/home.io.ts";

/** Where others were met is on disk after so long at the latest: whoever is started again knows whom to call. */
const ENDPOINTS_KEPT = seconds(10);
/** Until a write that failed is tried again. */
const AGAIN = seconds(30);

export class Storing {
  readonly #home: OwnHome;
  readonly #roster: Roster;
  readonly #log: Log;
  /** One write at a time, and none beside an event. */
  readonly #push: (write: () => Promise<void>) => Promise<unknown>;
  #again: Timer | undefined;

  constructor(home: OwnHome, roster: Roster, log: Log, push: (write: () => Promise<void>) => Promise<unknown>) {
    this.#home = home;
    this.#roster = roster;
    this.#log = log;
    this.#push = push;
  }

  /** Members, revocations, and where they were met. */
  async save(): Promise<void> {
    this.close();
    try {
      await this.#home.saveRoster(this.#roster);
    } catch (thrown) {
      const hint = thrown instanceof TrellisError ? thrown.hint : undefined;
      this.#log.error("members and revocations are not stored; tried again later", { error: messageOf(thrown), hint });
      this.#saveIn(AGAIN);
    }
  }

  saveSoon(): void {
    this.#saveIn(ENDPOINTS_KEPT);
  }

  /** Without it the others would notice that we begin at an old number, and tell us a newer one: it costs time only. */
  async saveEpoch(epoch: number): Promise<void> {
    try {
      await this.#home.saveEpoch(epoch);
    } catch (thrown) {
      this.#log.warn("the number of this start is not stored", { error: messageOf(thrown) });
    }
  }

  close(): void {
    clearTimeout(this.#again);
    this.#again = undefined;
  }

  /** Unless it is to happen anyway. */
  #saveIn(ms: number): void {
    this.#again ??= setTimeout(() => void this.#push(() => this.save()), ms);
  }
}
