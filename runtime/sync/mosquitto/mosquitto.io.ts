/**
 * A Mosquitto beside the daemon, for programs of this machine: started, coupled to the records, started again when it or our connection to it has ended.
 * Nobody is let in before we listen, so that nothing is published below `mesh/` that no record comes of.
 */
import { join } from "node:path";
import { messageOf, TrellisError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import type { Meter } from "../../base/meter.ts";
import { type Ms, seconds } from "../../base/time.ts";
import { Backoff } from "../rendezvous/backoff.ts";
import { keyOf, MESH_PREFIX, type TopicRule } from "../topics.ts";
import { Coupling, type CouplingDeps } from "./coupling.ts";
import { aclsOf, CONF, confOf, DROPPED_TOPIC, INNER_SOCKET, MARK_TOPIC } from "./files.ts";
import { type Message, Mqtt5Client } from "./mqtt5-client.io.ts";
import { type Installed, Program } from "./program.io.ts";

export interface MosquittoTerms extends Pick<CouplingDeps, "write" | "read"> {
  readonly installed: Installed;
  /** For all that it reads and writes. */
  readonly folder: string;
  readonly address: string;
  readonly port: number;
  readonly rules: readonly TopicRule[];
  /** Keys of all records that say something and are topics. */
  readonly keys: () => Iterable<string>;
  /** From 0 to below 1. */
  readonly random: () => number;
  readonly meter: Meter;
  readonly log: Log;
}

const ALL = `${MESH_PREFIX}#`;
const LISTENS_WITHIN: Ms = seconds(10);
const LOOK: Ms = 50;
const MARK_AGAIN: Ms = seconds(1);
/** Records that are told at the same time. */
const TOLD_AT_ONCE = 16;

/** A connection, and what was seen on it. */
interface Session {
  readonly coupling: Coupling;
  readonly client: Mqtt5Client;
  readonly ended: Promise<string>;
}

export class Mosquitto {
  readonly #terms: MosquittoTerms;
  readonly #backoff: Backoff;
  readonly #closing = Promise.withResolvers<"closed">();
  #reason = "not started yet";
  #hint: string | undefined;
  #running: Promise<void> | undefined;
  #program: Program | undefined;
  #session: Session | undefined;
  #closed = false;
  /** By the Mosquitto that runs. */
  #dropped = 0;
  #coupling = false;

  constructor(terms: MosquittoTerms) {
    this.#terms = terms;
    this.#backoff = new Backoff(terms.random);
  }

  start(): void {
    this.#running = this.#run();
  }

  /** Why programs are not served; empty when they are. */
  get reason(): string {
    return this.#reason;
  }

  /** A record is another one now, or is gone. */
  changed(key: string): void {
    void this.#session?.coupling.tell(key);
  }

  /** What has come by then is written before it resolves. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#closing.resolve("closed");
    await this.#program?.stop();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#closed) {
      const reason = await this.#live();
      if (this.#closed) return;
      if (reason !== this.#reason)
        this.#terms.log.warn("MQTT is not served; tried again", { reason, hint: this.#hint });
      this.#reason = reason;
      await Promise.race([this.#closing.promise, Bun.sleep(this.#backoff.failed(Date.now()))]);
    }
  }

  /** One life of it: why that is over. */
  async #live(): Promise<string> {
    const { installed, folder, address, port, rules, log, meter } = this.#terms;
    let program: Program | undefined;
    this.#hint = undefined;
    try {
      const files = new Map([...aclsOf(rules), [CONF, confOf(address, port, false)]]);
      program = await Program.start(folder, installed, files, log);
      this.#program = program;
      if (this.#closed) return "closed";
      const session = await this.#enter(program);
      this.#session = session;
      const over = Promise.race([program.ended, session.ended]);
      await Promise.race([this.#couple(session), failed(over)]);
      program.reload(confOf(address, port, true));
      await this.#untilServed(program);
      this.#reason = "";
      this.#backoff.succeeded(Date.now());
      log.info("MQTT is served by Mosquitto", { address, port });
      const reason = await over;
      meter.count("broker.ended");
      return reason;
    } catch (thrown) {
      this.#hint = thrown instanceof TrellisError ? thrown.hint : undefined;
      return messageOf(thrown);
    } finally {
      await program?.stop();
      this.#session?.client.close();
      await this.#session?.client.dealtWith();
      this.#session = undefined;
    }
  }

  /** Connects as soon as it listens. */
  async #enter(program: Program): Promise<Session> {
    const { address, port, write, read, meter, log } = this.#terms;
    const over = Promise.withResolvers<string>();
    this.#dropped = 0;
    const connect = async (): Promise<Mqtt5Client> =>
      await Mqtt5Client.connect({
        at: { path: program.reach(INNER_SOCKET) },
        received: (message) => this.#receive(coupling, message),
        closed: over.resolve,
      });
    const ended = program.ended.then((reason) => {
      throw new TrellisError("broker/listen", `Mosquitto cannot serve ${address} port ${port}: ${reason}`, {
        hint: "does another broker run there? Debian's package starts one: systemctl disable --now mosquitto",
      });
    });
    const client = await Promise.race([again(connect, program), ended]);
    const coupling: Coupling = new Coupling({
      publish: (topic, payload) => client.publish(topic, payload, true),
      congested: () => client.congested,
      ...{ write, read, meter, log },
    });
    return { coupling, client, ended: over.promise };
  }

  /** Makes what is retained there what the records say. */
  async #couple(session: Session): Promise<void> {
    if (this.#coupling) return;
    this.#coupling = true;
    try {
      await this.#align(session);
    } finally {
      this.#coupling = false;
    }
  }

  async #align({ client, coupling }: Session): Promise<void> {
    // The same again where there is one: Mosquitto 2.0 then leaves the subscription as it is.
    await client.subscribe([{ topic: ALL, qos: 1, nl: true, rap: true, rh: 2 }]);
    const alike = await this.#look(coupling);
    const missing = [...this.#terms.keys()].filter((key) => !alike.has(key));
    for (let i = 0; i < missing.length; i += TOLD_AT_ONCE)
      await Promise.all(missing.slice(i, i + TOLD_AT_ONCE).map((key) => coupling.tell(key)));
    await client.subscribe([{ topic: DROPPED_TOPIC, qos: 0 }]);
  }

  /**
   * Goes through what is retained there, by a connection on which it is told from what comes just now by its flag; a mark that is sent behind it says
   * when it is all here. Gives the keys of which it is what the record says.
   */
  async #look(coupling: Coupling): Promise<ReadonlySet<string>> {
    const alike = new Set<string>();
    const over = Promise.withResolvers<void>();
    const received = async ({ topic, payload, retain }: Message): Promise<void> => {
      const key = keyOf(topic);
      if (topic === MARK_TOPIC) over.resolve();
      else if (retain && key !== undefined && (await coupling.found(topic, payload))) alike.add(key);
    };
    const looking = await Mqtt5Client.connect({
      at: { path: join(this.#terms.folder, INNER_SOCKET) },
      received,
      closed: (reason) => over.reject(new Error(reason)),
    });
    try {
      await looking.subscribe([{ topic: ALL, qos: 1, rap: false, rh: 0 }]);
      await looking.subscribe([{ topic: MARK_TOPIC, qos: 1 }]);
      for (let here = false; !here; ) {
        await looking.publish(MARK_TOPIC, new Uint8Array(0), false); // again where the queue was full
        here = await Promise.race([over.promise.then(() => true), Bun.sleep(MARK_AGAIN).then(() => false)]);
      }
      await looking.dealtWith();
    } finally {
      looking.close();
    }
    return alike;
  }

  async #receive(coupling: Coupling, { topic, payload, retain, expires }: Message): Promise<void> {
    if (topic === DROPPED_TOPIC) this.#drops(Number(new TextDecoder().decode(payload)));
    else await coupling.heard({ topic, payload, kept: retain && !expires });
  }

  /** A publication of which we did not hear may be among them: it is taken back if it is no record. */
  #drops(total: number): void {
    const fresh = total - this.#dropped;
    this.#dropped = total;
    if (fresh <= 0 || !this.#session) return;
    this.#terms.meter.count("broker.dropped", fresh);
    this.#terms.log.warn("Mosquitto dropped messages: somebody reads slower than others publish", { messages: fresh });
    void this.#couple(this.#session).catch(() => {}); // the connection has ended, which is told elsewhere
  }

  /** Whether it has read its configuration again shows to who knocks. */
  async #untilServed(program: Program): Promise<void> {
    const { address: host, port } = this.#terms;
    const probe = { at: { host, port }, received: async () => {}, closed: () => {} };
    (await again(() => Mqtt5Client.connect(probe), program)).close();
  }
}

/** Until it succeeds, or cannot any more. */
async function again<T>(attempt: () => Promise<T>, program: Program): Promise<T> {
  for (const started = Date.now(); ; await Bun.sleep(LOOK))
    try {
      return await attempt();
    } catch (thrown) {
      if (program.isOver || Date.now() > started + LISTENS_WITHIN) throw thrown;
    }
}

const failed = async (over: Promise<string>): Promise<never> => {
  throw new Error(await over);
};
