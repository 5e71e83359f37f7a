/**
 * Everything that can be set, once: command line (`--port`), environment (`TRELLIS_PORT`), file (`port = 51820`) and help
 * are read from these rows, so they cannot disagree.
 */
import { LEVELS, type Level } from "../base/log.ts";
import { brokerAddresses } from "./broker-address.ts";
import { linkTerms } from "./link-terms.ts";
import {
  deviceName,
  flag,
  integer,
  interfaceName,
  interfaceNames,
  oneOf,
  type Parser,
  path,
  subnets,
  text,
} from "./parsers.ts";
import { topicRules } from "./topic-rules.ts";

export interface Setting<T> {
  /** The same word in all three places. */
  readonly key: string;
  readonly fallback: T;
  /** How the fallback is called where its value says nothing. */
  readonly shown?: string;
  /** Empty where there is none. */
  readonly unit: string;
  readonly doc: string;
  readonly parse: Parser<T>;
}

export const setting = <T>(row: Setting<T>): Setting<T> => row;

/** What every command takes. */
export const GLOBAL = {
  json: setting({ key: "json", fallback: false, unit: "", doc: "print JSON", parse: flag }),
  stateDir: setting({
    key: "state-dir",
    fallback: "",
    shown: "/var/lib/trellis, or ~/.local/state/trellis without root",
    unit: "",
    doc: "where keys and state lie",
    parse: path,
  }),
  logLevel: setting<Level>({
    key: "log-level",
    fallback: "info",
    unit: "",
    doc: "how much to log",
    parse: oneOf(...LEVELS),
  }),
};

const brokerFile = (key: string, doc: string): Setting<string | undefined> =>
  setting({ key, fallback: undefined, shown: "none", unit: "", doc, parse: path });

/** Brokers of others, at which members meet that reach each other in no other way. */
const BROKER = {
  broker: setting<readonly string[]>({
    key: "broker",
    fallback: [],
    shown: "none",
    unit: "",
    doc: "MQTT brokers of others by which records travel as well, sealed: mqtts://HOST:PORT, or mqtt:// without TLS; with commas between",
    parse: brokerAddresses,
  }),
  brokerUser: setting<string | undefined>({
    key: "broker-user",
    fallback: undefined,
    shown: "none",
    unit: "",
    doc: "user name at these brokers",
    parse: text,
  }),
  brokerPasswordFile: brokerFile("broker-password-file", "file with the password at these brokers, in its first line"),
  brokerCa: {
    ...brokerFile("broker-ca", "file with the authorities (PEM) that brokers' certificates must be signed by"),
    shown: "those of the system",
  },
  brokerCert: brokerFile("broker-cert", "file with our certificate (PEM) for these brokers"),
  brokerKey: brokerFile("broker-key", "file with the key (PEM) of that certificate"),
};

/** What the daemon takes. */
export const RUN = {
  port: setting({
    key: "port",
    fallback: 51_820,
    unit: "",
    doc: "UDP port of the underlay; 0 lets the kernel choose",
    parse: integer(0, 65_535),
  }),
  interface: setting<string | undefined>({
    key: "interface",
    fallback: undefined,
    shown: "all of them",
    unit: "",
    doc: "bind the underlay to this interface",
    parse: interfaceName,
  }),
  device: setting<string | undefined>({
    key: "device",
    fallback: "mesh0",
    unit: "",
    doc: "TUN device; none: control traffic only",
    parse: deviceName,
  }),
  mtu: setting({
    key: "mtu",
    fallback: 1388,
    unit: "bytes",
    doc: "largest inner packet", // IPv6 needs 1280 (RFC 8200 §5)
    parse: integer(1280, 65_535),
  }),
  workers: setting({
    key: "workers",
    fallback: 0,
    unit: "threads",
    doc: "workers of the data path; 0 chooses by cores",
    parse: integer(0, 64),
  }),
  relay: setting<"auto" | "xdp" | "userspace">({
    key: "relay",
    fallback: "auto",
    unit: "",
    doc: "where frames of others are relayed: in the kernel by tc; there in XDP too, where the driver takes it; or by the daemon alone",
    parse: oneOf("auto", "xdp", "userspace"),
  }),
  discovery: setting({
    key: "discovery",
    fallback: true,
    unit: "",
    doc: "find members on local links by multicast beacons; --no-discovery: do not",
    parse: flag,
  }),
  quietOn: setting<readonly string[]>({
    key: "quiet-on",
    fallback: [],
    shown: "none",
    unit: "",
    doc: "interfaces without beacons, with commas between",
    parse: interfaceNames,
  }),
  links: setting<readonly string[]>({
    key: "links",
    fallback: [],
    shown: "none",
    unit: "",
    doc: "what links over an interface cost: NAME.cost=MS of round trip, NAME.metered: last resort, NAME.cap=BYTES a day; with commas between. In a file: [links.NAME]",
    parse: linkTerms,
  }),
  policy: setting<"enforce" | "ignore">({
    key: "policy",
    fallback: "enforce",
    unit: "",
    doc: "the stored policy: enforced, or no start; or ignored, and everything allowed",
    parse: oneOf("enforce", "ignore"),
  }),
  names: setting<"auto" | "local" | "off">({
    key: "names",
    fallback: "auto",
    unit: "",
    doc: "NAME.MESH.internal: answered on the overlay address, and systemd-resolved told to ask there; local: answered only; off: neither",
    parse: oneOf("auto", "local", "off"),
  }),
  announce: setting<readonly string[]>({
    key: "announce",
    fallback: [],
    shown: "none",
    unit: "",
    doc: "subnets behind this gateway that others shall reach through it, as far as its certificate allows it; this machine then forwards",
    parse: subnets(16),
  }),
  masquerade: setting({
    key: "masquerade",
    fallback: false,
    unit: "",
    doc: "hosts in the announced subnets see this gateway's address in place of those in the mesh, and need no routes back; takes nftables",
    parse: flag,
  }),
  mqtt: setting<"off" | "local" | "mesh">({
    key: "mqtt",
    fallback: "local",
    unit: "",
    doc: "an MQTT broker for programs of this machine on 127.0.0.1 (local), for other members on the overlay address too (mesh), or for nobody (off)",
    parse: oneOf("off", "local", "mesh"),
  }),
  mqttBroker: setting<"embedded" | "mosquitto">({
    key: "mqtt-broker",
    fallback: "embedded",
    unit: "",
    doc: "which broker serves 127.0.0.1: our own, MQTT 3.1.1; or Mosquitto, if installed, run by the daemon: MQTT 5, and what waits outlives a restart",
    parse: oneOf("embedded", "mosquitto"),
  }),
  mqttPort: setting({
    key: "mqtt-port",
    fallback: 1883,
    unit: "",
    doc: "TCP port of the broker",
    parse: integer(1, 65_535),
  }),
  mqttAllow: setting<readonly string[]>({
    key: "mqtt-allow",
    fallback: [],
    shown: "local all, members read mesh/#",
    unit: "",
    doc: 'what else callers may do, with commas between: "role:sensor publish readings/+, member subscribe alarms/#"',
    parse: topicRules,
  }),
  ...BROKER,
};

export const SETTINGS = { ...GLOBAL, ...RUN };

export type Rows = Readonly<Record<string, Setting<unknown>>>;
export type Settled<R extends Rows> = { readonly [K in keyof R]: R[K]["fallback"] };

/** `state-dir` is `TRELLIS_STATE_DIR`. */
export const variableOf = (key: string): string => `TRELLIS_${key.toUpperCase().replaceAll("-", "_")}`;

/** The fallback, for people. */
export const shownFallback = ({ fallback, shown }: Setting<unknown>): string => shown ?? String(fallback);
