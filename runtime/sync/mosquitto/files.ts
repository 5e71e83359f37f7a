/** What a Mosquitto of ours is configured by. Everything lies in one directory, which is its working directory: paths are relative to it. */
import { covers, type TopicRule } from "../topics.ts";

/** What Mosquitto itself writes: its database and the socket for the daemon alone. Nobody else may enter it. */
export const DATA = "data";
export const INNER_SOCKET = `${DATA}/inner.sock`;
export const CONF = "mosquitto.conf";
const INNER_ACL = "inner.acl";
const LOCAL_ACL = "local.acl";

/** How many messages its queues dropped since it was started. */
export const DROPPED_TOPIC = "$SYS/broker/publish/messages/dropped";
/** Between the daemon and itself. */
export const MARK_TOPIC = "$trellis/mark";

/** As our own broker's, with room for topic and properties. Larger packets end their connection. */
const PACKET_MAX: number = 1024 ** 2 + 128 * 1024;
/** What waits for one client: above it, Mosquitto drops. */
const QUEUE_MESSAGES = 20_000;
const QUEUE_BYTES: number = 16 * 1024 ** 2;
const CONNECTIONS_MAX = 256;

/** `open`: whether programs of this machine are let in yet; a reload (SIGHUP) changes that. */
export const confOf = (address: string, port: number, open: boolean): string =>
  lines(
    "per_listener_settings true",
    "log_dest stderr",
    "log_timestamp false",
    ...["error", "warning", "notice"].map((type) => `log_type ${type}`),
    "connection_messages false",
    "set_tcp_nodelay true",
    "persistence true",
    `persistence_location ${DATA}/`,
    "persistent_client_expiration 7d",
    `max_packet_size ${PACKET_MAX}`,
    `max_queued_messages ${QUEUE_MESSAGES}`,
    `max_queued_bytes ${QUEUE_BYTES}`,
    `listener 0 ${INNER_SOCKET}`,
    "allow_anonymous true",
    `acl_file ${INNER_ACL}`,
    `listener ${port} ${address}`,
    `allow_anonymous ${open}`,
    `max_connections ${CONNECTIONS_MAX}`,
    `acl_file ${LOCAL_ACL}`,
  );

/** By name. Who calls by loopback is a program of this gateway, so it is the rules for `local` that count. */
export function aclsOf(rules: readonly TopicRule[]): ReadonlyMap<string, string> {
  const local = rules.filter(({ who }) => who === "local");
  const granted = (word: string, filters: readonly string[]): string[] =>
    filters.filter((filter) => !covers(filter, MARK_TOPIC)).map((filter) => `topic ${word} ${filter}`);
  return new Map([
    [INNER_ACL, lines("topic readwrite #", `topic read ${DROPPED_TOPIC}`, `topic readwrite ${MARK_TOPIC}`)],
    [
      LOCAL_ACL,
      lines(...local.flatMap((rule) => [...granted("write", rule.publish), ...granted("read", rule.subscribe)])),
    ],
  ]);
}

const lines = (...all: readonly string[]): string => `${all.join("\n")}\n`;

const LEVELS_MAX = 200;

/** Mosquitto hangs up on who says others: control characters, what is no character (MQTT 5 §1.5.4 lets it), too many levels. */
export const isTopicOfMosquitto = (topic: string): boolean =>
  !/[\p{Cc}\u{fdd0}-\u{fdef}]/u.test(topic) &&
  [...topic].every((c) => ((c.codePointAt(0) as number) & 0xfffe) !== 0xfffe) &&
  topic.split("/").length <= LEVELS_MAX;

/** The last error of what it said when it ended; the last line where it names none. */
export function reasonOf(said: readonly string[]): string {
  const errors = said.filter((line) => line.startsWith("Error: "));
  const last = (errors.at(-1) ?? said.at(-1) ?? "").replace(/^Error: /, "");
  return last === "" ? "it ended without a word" : last;
}
