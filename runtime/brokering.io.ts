/**
 * The MQTT brokers of a running gateway: where they listen, who calls, and how `mesh/` topics are records. Our own serves members always, and the
 * programs of this machine where Mosquitto does not. Another program on a port costs the broker and nothing else: that is told, and tried again.
 */
import type { JsonObject } from "./api/protocol.ts";
import { utf8 } from "./base/bytes.ts";
import { messageOf, TrellisError } from "./base/errors.ts";
import { formatIp, parseIp } from "./base/ip.ts";
import type { Log } from "./base/log.ts";
import type { Meter } from "./base/meter.ts";
import { type Ms, seconds } from "./base/time.ts";
import type { Roster } from "./identity/roster.ts";
import type { Broker } from "./sync/broker.io.ts";
import type { MeshMessage } from "./sync/broker-memory.io.ts";
import type { Held } from "./sync/holdings.ts";
import { order } from "./sync/merge.ts";
import type { Mosquitto } from "./sync/mosquitto/mosquitto.io.ts";
import { type Installed, installed } from "./sync/mosquitto/program.io.ts";
import type { Replica } from "./sync/replica.ts";
import { type Caller, covers, DEFAULT_RULES, MESH_PREFIX, ruleOf, type TopicRule, topicKey } from "./sync/topics.ts";

/** `local`: for programs of this machine; `mesh`: for other members as well, on the overlay address. */
export type MqttMode = "off" | "local" | "mesh";

export interface MqttOptions {
  readonly mode: MqttMode;
  /** Who serves the programs of this machine. */
  readonly broker: "embedded" | "mosquitto";
  /** Directory for all that Mosquitto reads and writes. */
  readonly folder: string;
  readonly port: number;
  /** Beside the default ones, as `ruleOf` reads them. */
  readonly rules: readonly string[];
}

/** Where Mosquitto is to serve. Throws `broker/missing`, `broker/user` and `broker/rules`. */
export function mosquittoFor({ mode, broker, rules }: MqttOptions): Installed | undefined {
  if (mode === "off" || broker !== "mosquitto") return undefined;
  const apart = rules.find((rule) => !isLocalOrMesh(ruleOf(rule)));
  if (mode === "mesh" && apart !== undefined)
    throw new TrellisError("broker/rules", `mqtt-allow: "${apart}" leads to none of this machine's programs`, {
      hint: `they are at Mosquitto and members at our own broker, which share topics below ${MESH_PREFIX} only`,
    });
  return installed();
}

const OF_MESH: readonly string[] = [`${MESH_PREFIX}#`];
const isLocalOrMesh = ({ who, publish, subscribe }: TopicRule): boolean =>
  who === "local" || [...publish, ...subscribe].every((filter) => OF_MESH.some((mesh) => covers(mesh, filter)));

/** Of our own broker beside Mosquitto: programs that call it share with the others what is a record. */
const sharedRules = (rules: readonly TopicRule[]): readonly TopicRule[] => [
  { who: "local", publish: OF_MESH, subscribe: OF_MESH },
  ...rules.filter(({ who }) => who !== "local"),
];

export interface BrokeringTerms {
  readonly options: MqttOptions;
  readonly mosquitto: Installed | undefined;
  readonly roster: Roster;
  /** Our overlay address. */
  readonly address: string;
  /** Whether a device has it. */
  readonly reachable: boolean;
  /** Throws `sync/closed` while there are no records. */
  replica(): Replica;
  /** Resolves when there is memory for so many bytes more. */
  readonly room: (bytes: number) => Promise<void>;
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
  readonly #rules: readonly TopicRule[];
  #broker: Broker | undefined;
  #mosquitto: Mosquitto | undefined;
  #timer: Timer | undefined;
  #closed = false;

  constructor(terms: BrokeringTerms) {
    this.#terms = terms;
    const { options, address } = terms;
    this.#rules = [...DEFAULT_RULES, ...options.rules.map(ruleOf)];
    if (options.mode !== "off" && !terms.mosquitto) this.#places.set(LOOPBACK, "not opened yet");
    if (options.mode === "mesh") this.#places.set(address, "not opened yet");
  }

  /** Once there are records. */
  async start(): Promise<void> {
    const { mosquitto } = this.#terms;
    if (mosquitto) await this.#startMosquitto(mosquitto);
    if (this.#places.size === 0) return;
    const { room, meter, log } = this.#terms;
    const { Broker } = await import("./sync/broker.io.ts"); // packets pass before it is read
    this.#broker = await Broker.start({
      identify: (address) => this.#identify(address),
      rules: mosquitto ? sharedRules(this.#rules) : this.#rules,
      room,
      publish: (key, value) => this.#terms.replica().write({ kind: "application", key: utf8(key), value }),
      retained: () => this.#retained(),
      log,
      meter,
    });
    await this.#listen(this.#broker);
  }

  async #startMosquitto(parts: Installed): Promise<void> {
    const { options, room, meter, log } = this.#terms;
    const { Mosquitto } = await import("./sync/mosquitto/mosquitto.io.ts");
    this.#mosquitto = new Mosquitto({
      installed: parts,
      folder: options.folder,
      address: LOOPBACK,
      port: options.port,
      rules: this.#rules,
      write: async (key, value) => {
        await room(value?.length ?? 0);
        await this.#terms.replica().write({ kind: "application", key: utf8(key), value });
      },
      read: (key) => this.#read(key),
      keys: () => this.#keys(),
      random: Math.random,
      meter,
      log,
    });
    if (!this.#closed) this.#mosquitto.start();
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

  /** Of all records that say something and are topics. */
  #keys(): string[] {
    const newest = new Map<string, Held>();
    for (const held of this.#terms.replica().list("application"))
      if (order(held, newest.get(held.keyName) ?? held) >= 0) newest.set(held.keyName, held);
    const said = [...newest.values()].filter(({ deleted }) => !deleted);
    return said.map(({ keyName }) => topicKey(keyName)).filter((key) => key !== undefined);
  }

  async *#retained(): AsyncGenerator<MeshMessage> {
    for (const key of this.#keys()) {
      const payload = await this.#read(key);
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
    if (key === undefined) return;
    void this.#broker?.arrived(key, () => this.#read(key));
    this.#mosquitto?.changed(key);
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
    const all = [...(this.#mosquitto ? [[LOOPBACK, this.#mosquitto.reason] as const] : []), ...this.#places];
    const failed = all.map(([, reason]) => reason).filter((reason) => reason !== "");
    const on = all.filter(([, reason]) => reason === "").map(([a]) => (a.includes(":") ? `[${a}]` : a));
    return {
      on: on.map((address) => `${address}:${port}`),
      broker: this.#terms.options.broker,
      reason: this.#terms.options.mode === "off" ? "switched off by the setting mqtt" : (failed[0] ?? null),
    };
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await Promise.all([this.#broker?.close(), this.#mosquitto?.close()]);
  }
}
