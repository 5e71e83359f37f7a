/**
 * Keeps what Mosquitto retains below `mesh/` equal to the records, in both directions. Mosquitto acknowledges before it tells us, and knows no
 * versions: so the records decide. A local publication is written as a record in the order in which it came; once that is done, or failed, what
 * the record then says is published again unless it is certain that Mosquitto retains just that.
 */
import { equal } from "../../base/bytes.ts";
import { messageOf, TrellisError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Meter } from "../../base/meter.ts";
import { keyOf, MESH_PREFIX } from "../topics.ts";
import { isTopicOfMosquitto } from "./files.ts";

/** What came below `mesh/`. */
export interface Publication {
  readonly topic: string;
  readonly payload: Uint8Array;
  /** Whether Mosquitto keeps it, and for good. */
  readonly kept: boolean;
}

export interface CouplingDeps {
  /** Retained; nothing clears the topic. Resolves when Mosquitto has it. Throws `broker/refused`, or another error when the connection ended. */
  readonly publish: (topic: string, payload: Uint8Array) => Promise<void>;
  /** Whether local publications may come later than what we published after them. */
  readonly congested: () => boolean;
  /** As `BrokerDeps.publish`. */
  readonly write: (key: string, payload: Uint8Array | undefined) => Promise<void>;
  /** The record's value; `later`: it cannot be read yet, and is told then. */
  readonly read: (key: string) => Promise<Uint8Array | "later" | undefined>;
  readonly meter: Meter;
  readonly log: Log;
}

const NOTHING = new Uint8Array(0);

/** Of a topic on which something is going on. */
interface Busy {
  /** Local publications that are being written. */
  writing: number;
  /** What Mosquitto retains, if that is certain: the last local publication, with nothing of ours beside it. */
  retained: Uint8Array | undefined;
  /** It is to be looked whether Mosquitto has what the record says. */
  due: boolean;
  settling: Promise<void> | undefined;
  /** Ours that Mosquitto has not acknowledged. */
  unanswered: number;
}

export class Coupling {
  readonly #deps: CouplingDeps;
  readonly #busy = new Map<string, Busy>();

  constructor(deps: CouplingDeps) {
    this.#deps = deps;
  }

  /** A program of this machine published. Resolves when it is a record, or was refused and taken back. */
  async heard({ topic, payload, kept }: Publication): Promise<void> {
    const key = keyOf(topic);
    if (key === undefined) return;
    const { write, congested, meter, log } = this.#deps;
    const busy = this.#of(key);
    busy.retained = kept && busy.unanswered === 0 && !congested() ? payload : undefined;
    busy.writing++;
    try {
      await write(key, payload.length === 0 ? undefined : payload);
      meter.count("broker.taken");
    } catch (thrown) {
      meter.count("broker.failed");
      log.warn("a message of the mesh was not taken", { topic, error: messageOf(thrown) });
    } finally {
      busy.writing--;
    }
    await this.tell(key);
  }

  /** A record is another one now: Mosquitto hears it, once what is being written to its topic is. Resolves when it has. */
  async tell(key: string): Promise<void> {
    const busy = this.#of(key);
    busy.due = true;
    if (busy.writing > 0) return; // that tells it
    busy.settling ??= this.#settle(key, busy);
    await busy.settling;
  }

  /** What Mosquitto retained before we came. Whether the record says the same, or cannot be read yet. */
  async found(topic: string, payload: Uint8Array): Promise<boolean> {
    const key = keyOf(topic);
    if (key === undefined) return true;
    const value = await this.#deps.read(key);
    if (value === "later" || equal(value ?? NOTHING, payload)) return true;
    this.#deps.meter.count("broker.overruled");
    this.#deps.log.info("what Mosquitto retained is not what the record says, which counts", { topic });
    await this.tell(key);
    return false;
  }

  async #settle(key: string, busy: Busy): Promise<void> {
    while (busy.due && busy.writing === 0) {
      busy.due = false;
      const read = await this.#deps.read(key);
      if (busy.due || busy.writing > 0) busy.due = true;
      else if (read !== "later") await this.#settleOn(MESH_PREFIX + key, read ?? NOTHING, busy);
    }
    busy.settling = undefined; // in the same breath as the last look at `due`
    if (!busy.due) this.#busy.delete(key);
  }

  async #settleOn(topic: string, value: Uint8Array, busy: Busy): Promise<void> {
    const { retained } = busy;
    busy.retained = undefined;
    if (!retained || !equal(retained, value)) await this.#publish(topic, value, busy);
  }

  async #publish(topic: string, value: Uint8Array, busy: Busy): Promise<void> {
    const { publish, meter, log } = this.#deps;
    if (!isTopicOfMosquitto(topic)) return meter.count("broker.unspeakable");
    busy.unanswered++;
    try {
      await publish(topic, value);
    } catch (thrown) {
      if (!(thrown instanceof TrellisError)) return; // the next connection begins with all that is not there
      meter.count("broker.untold");
      log.warn("Mosquitto did not take a record", { topic, error: messageOf(thrown) });
    } finally {
      busy.unanswered--;
    }
  }

  #of(key: string): Busy {
    const known = this.#busy.get(key);
    if (known) return known;
    const fresh = { writing: 0, retained: undefined, due: false, settling: undefined, unanswered: 0 };
    this.#busy.set(key, fresh);
    return fresh;
  }
}
