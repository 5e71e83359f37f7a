/**
 * Brokers of others, at which members meet: connections to them, and the rendezvous over all of these. A broker that is away costs nothing but what
 * would have come by it; that is shown, and it is tried again.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import type { JsonObject } from "./api/protocol.ts";
import { TrellisError } from "./base/errors.ts";
import type { Log } from "./base/log.ts";
import type { Meter } from "./base/meter.ts";
import { type BrokerAddress, brokerAddress } from "./config/broker-address.ts";
import type { CryptoProvider } from "./crypto/provider.ts";
import type { Loaded } from "./membership.ts";
import { type Credentials, MqttLink } from "./sync/rendezvous/mqtt-link.io.ts";
import { Rendezvous } from "./sync/rendezvous/rendezvous.ts";
import { systemClock, systemRandom } from "./system.io.ts";

/** Settings, as they stand in `config/settings.ts`; the files count for all brokers. */
export interface BrokerOptions {
  readonly urls: readonly string[];
  readonly user: string | undefined;
  readonly passwordFile: string | undefined;
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

export interface MeetingTerms {
  readonly options: BrokerOptions;
  readonly loaded: Loaded;
  readonly crypto: CryptoProvider;
  readonly meter: Meter;
  readonly log: Log;
  /** As `RendezvousDeps.deliver`. */
  deliver(from: string, message: Uint8Array): void;
  /** As `RendezvousDeps.revoked`. */
  revoked(record: Uint8Array): void;
  /** As `RendezvousDeps.admitted`. */
  admitted(chain: Uint8Array): void;
}

const MUTE = "it brings back nothing of what we publish: may we write to and read trellis/# there?";

export class Meeting {
  readonly rendezvous: Rendezvous;
  readonly #terms: MeetingTerms;
  readonly #addresses: readonly BrokerAddress[];
  readonly #links = new Map<string, MqttLink>();
  /** By URL: why there is no connection; empty where there is one. */
  readonly #reasons = new Map<string, string>();

  /** Throws `broker/credentials` and `broker/file`. */
  constructor(terms: MeetingTerms) {
    this.#terms = terms;
    const { crypto, meter, loaded } = terms;
    const { roster, keys, membership } = loaded;
    this.#addresses = [...new Set(terms.options.urls)].map(brokerAddress).filter((a) => a !== undefined);
    checkCredentials(terms.options);
    this.rendezvous = new Rendezvous({
      crypto,
      random: systemRandom,
      meter,
      now: systemClock.now,
      genesis: membership.genesis,
      self: { id: keys.id, agreement: keys.secrets.x25519 },
      agreementKey: (id) => roster.byId(id)?.keys.x25519,
      publish: (broker, topic, payload) => {
        if (this.#links.get(broker)?.publish(topic, payload) !== true) meter.count("brokers.unsent");
      },
      deliver: terms.deliver,
      revocations: () => roster.revocationRecords(),
      revoked: terms.revoked,
      roll: {
        get revision() {
          return roster.revision;
        },
        chains: () => roster.list().map(({ chain }) => chain),
      },
      admitted: terms.admitted,
    });
  }

  start(): void {
    const { log, options } = this.#terms;
    const { mesh, own } = this.rendezvous.topics;
    for (const address of this.#addresses) {
      const { url } = address;
      if (options.passwordFile && !address.tls)
        log.warn("the password goes over the network as it is: no TLS", { url });
      this.#reasons.set(url, "connecting");
      const link = new MqttLink({
        address,
        clientId: `trellis${randomBytes(8).toString("hex")}`, // 3.1.1 lets a broker refuse more than 23
        topics: [mesh, own],
        credentials: () => readCredentials(options),
        random: () => randomBytes(4).readUInt32LE() / 2 ** 32,
        up: () => {
          this.#reasons.set(url, "");
          log.info("a broker is connected", { url });
          this.rendezvous.up(url);
        },
        down: (reason) => {
          if (this.#reasons.get(url) !== reason) log.warn("no connection to a broker; tried again", { url, reason });
          this.#reasons.set(url, reason);
          this.rendezvous.down(url);
        },
        received: (topic, payload) => this.rendezvous.receive(url, topic, payload),
      });
      this.#links.set(url, link);
    }
  }

  /** For `status`: one for each broker. */
  view(): JsonObject[] {
    return this.#addresses.map(({ url }) => ({
      url,
      protocol: this.#links.get(url)?.protocol ?? null,
      members: this.rendezvous.presentAt(url),
      reason: this.#reasons.get(url) || (this.rendezvous.isMute(url) ? MUTE : null),
    }));
  }

  close(): void {
    for (const link of this.#links.values()) link.close();
  }
}

/** Throws `broker/credentials` for what cannot be meant, and `broker/file`. */
function checkCredentials(options: BrokerOptions): void {
  const { user, passwordFile, cert, key, urls } = options;
  const wrong =
    (passwordFile !== undefined && user === undefined && "broker-password-file takes broker-user as well") ||
    ((cert === undefined) !== (key === undefined) && "broker-cert and broker-key go together");
  if (wrong) throw new TrellisError("broker/credentials", wrong, { hint: "trellis run --help" });
  if (urls.length > 0) readCredentials(options);
}

/** Throws `broker/file`. */
const readCredentials = ({ user, passwordFile, ca, cert, key }: BrokerOptions): Credentials => ({
  user,
  password: readOf("broker-password-file", passwordFile, firstLine),
  ca: readOf("broker-ca", ca, isPem("CERTIFICATE")),
  cert: readOf("broker-cert", cert, isPem("CERTIFICATE")),
  key: readOf("broker-key", key, isPem("PRIVATE KEY")),
});

function readOf(
  setting: string,
  file: string | undefined,
  take: (bytes: Buffer) => Buffer | undefined,
): Buffer | undefined {
  if (file === undefined) return undefined;
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (cause) {
    const hint = "is it there, and may the daemon read it?";
    throw new TrellisError("broker/file", `${setting}: cannot read ${file}`, { cause, hint });
  }
  const taken = take(bytes);
  if (taken) return taken;
  throw new TrellisError("broker/file", `${setting}: ${file} is not what it should hold`, {
    hint: "a password is a line of text, certificates and keys are PEM without a passphrase",
  });
}

const firstLine = (bytes: Buffer): Buffer | undefined => {
  const line = bytes.toString().split(/\r?\n/)[0] as string;
  return line === "" ? undefined : Buffer.from(line);
};

const isPem =
  (what: string) =>
  (bytes: Buffer): Buffer | undefined =>
    bytes.includes(`${what}-----`) && !bytes.includes("ENCRYPTED") ? bytes : undefined;
