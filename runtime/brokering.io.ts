/**
 * The MQTT broker of a running gateway: where it listens, who calls, and how its `mesh/` topics are records. Another program on its port costs
 * the broker and nothing else: that is told, and tried again.
 */
import type { JsonObject } from "./api/protocol.ts";
import { utf8 } from "./base/bytes.ts";
import { messageOf, TrellisError } from "./base/errors.ts";
import { formatIp, parseIp } from "./base/ip.ts";
import type { Log } from "./base/log.ts";
import type { Meter } from "./base/meter.ts";
import { type Ms, seconds } from "./base/time.ts";
import type { Roster } from "./identity/roster.ts";
import { Broker } from "./sync/broker.io.ts";
import type { MeshMessage } from "./sync/broker-memory.io.ts";
import type { Held } from "./sync/holdings.ts";
import type { Replica } from "./sync/replica.ts";
import { type Caller, DEFAULT_RULES, MESH_PREFIX, ruleOf, topicKey } from "./sync/topics.ts";

/** `local`: for programs of this machine; `mesh`: for other members as well, on the overlay address. */
export type MqttMode = "off" | "local" | "mesh";

export interface MqttOptions {
  readonly mode: MqttMode;
  readonly port: number;
  /** Beside the default ones, as `ruleOf` reads them. */
  readonly rules: readonly string[];
}

export interface BrokeringTerms {
  readonly options: MqttOptions;
  readonly roster: Roster;
  /** Our overlay address. */
  readonly address: string;
  /** Whether a device has it. */
  readonly reachable: boolean;
  /** Throws `sync/closed` while there are no records. */
  replica(): Replica;
  readonly meter: Meter;
  readonly log: Log;
}

const LOOPBACK = "127.0.0.1";
const AGAIN: Ms = seconds(10);
/** Records that came before their group key: told once it is here. */
const UNREAD_MAX = 10_000;

export class Brokering {
  readonly #terms: BrokeringTerms;
  /** By address: why it is not served; empty when it is. */
  readonly #places = new Map<string, string>();
  readonly #unread = new Set<string>();
  #broker: Broker | undefined;
  #timer: Timer | undefined;
  #closed = false;

  constructor(terms: BrokeringTerms) {
    this.#terms = terms;
    const { options, address } = terms;
    if (options.mode !== "off") this.#places.set(LOOPBACK, "not opened yet");
    if (options.mode === "mesh") this.#places.set(address, "not opened yet");
  }

  /** Once there are records. */
  async start(): Promise<void> {
    if (this.#places.size === 0) return;
    const { options, meter, log } = this.#terms;
    this.#broker = await Broker.start({
      identify: (address) => this.#identify(address),
      rules: [...DEFAULT_RULES, ...options.rules.map(ruleOf)],
      publish: (key, value) => this.#terms.replica().write({ kind: "application", key: utf8(key), value }),
      retained: () => this.#retained(),
      log,
      meter,
    });
    await this.#listen(this.#broker);
  }

  async #listen(broker: Broker): Promise<void> {
    const { options, reachable, address, log } = this.#terms;
    for (const [place, before] of this.#places) {
      if (before === "") continue;
      try {
        if (place === address && !reachable) throw new Error("there is no overlay device");
        await broker.listen(place, options.port);
        this.#places.set(place, "");
        log.info("MQTT is served", { address: place, port: options.port });
      } catch (thrown) {
        const reason =
          thrown instanceof TrellisError ? `${thrown.message}: ${messageOf(thrown.cause)}` : messageOf(thrown);
        if (reason !== before) log.warn("MQTT is not served; tried again", { reason, address: place });
        this.#places.set(place, reason);
      }
    }
    if (this.#closed || [...this.#places.values()].every((reason) => reason === "")) return;
    this.#timer = setTimeout(() => void this.#listen(broker), AGAIN);
  }

  /** Overlay addresses are proven by the sessions that their packets come over; one that comes by the cable gets no answer. */
  #identify(source: string): Caller | undefined {
    const ip = parseIp(source.split("%")[0] as string);
    const address = ip && formatIp(ip);
    if (address === LOOPBACK || address === this.#terms.address) return { name: "local", local: true, roles: [] };
    const member = address === undefined ? undefined : this.#terms.roster.byAddress(address);
    return member && { name: member.name, local: false, roles: member.certificate.roles };
  }

  async *#retained(): AsyncGenerator<MeshMessage> {
    const seen = new Set<string>();
    for (const { keyName } of this.#terms.replica().list("application")) {
      if (seen.has(keyName)) continue;
      seen.add(keyName);
      const key = topicKey(keyName);
      const payload = key === undefined ? undefined : await this.#read(key);
      if (payload && payload !== "later") yield { topic: MESH_PREFIX + key, payload };
    }
  }

  /** Records came in or were written here: who subscribed to their topics hears it. */
  changed(records: readonly Held[]): void {
    for (const { kind, keyName } of records) if (kind === "application") this.#tell(topicKey(keyName));
  }

  /** To be called some times a second: what came without its group key may be readable now. */
  look(): void {
    const unread = [...this.#unread];
    this.#unread.clear();
    for (const key of unread) this.#tell(key);
  }

  #tell(key: string | undefined): void {
    if (key !== undefined) void this.#broker?.arrived(key, () => this.#read(key));
  }

  async #read(key: string): Promise<Uint8Array | "later" | undefined> {
    try {
      return (await this.#terms.replica().get("application", utf8(key)))?.value;
    } catch (thrown) {
      if (this.#unread.size < UNREAD_MAX) this.#unread.add(key);
      if (!(thrown instanceof TrellisError))
        this.#terms.log.error("a record cannot be read", { error: messageOf(thrown) });
      return "later";
    }
  }

  /** For `status`. */
  view(): JsonObject {
    const { port } = this.#terms.options;
    const failed = [...this.#places.values()].filter((reason) => reason !== "");
    const on = [...this.#places].filter(([, reason]) => reason === "").map(([a]) => (a.includes(":") ? `[${a}]` : a));
    return {
      on: on.map((address) => `${address}:${port}`),
      reason: this.#places.size === 0 ? "switched off by the setting mqtt" : (failed[0] ?? null),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#broker?.close();
  }
}
