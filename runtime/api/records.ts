/** Records for the control socket's clients: bytes as base64, keys as text where they are. */
import { letGo, toHex, utf8 } from "../base/bytes.ts";
import { TrellisError } from "../base/errors.ts";
import type { Roster } from "../identity/roster.ts";
import type { Held } from "../sync/holdings.ts";
import { KIND_NAMES, KINDS, type KindName } from "../sync/kinds.ts";
import { order } from "../sync/merge.ts";
import type { Replica, Value } from "../sync/replica.ts";
import type { EventLog } from "./event-log.ts";
import type { Json, JsonObject } from "./protocol.ts";
import type { Handler } from "./server.io.ts";

export interface RecordsPort {
  view(): JsonObject;
  /** Resolves when the store is read, for a command that came right after the daemon's start. Rejects with `sync/closed`. */
  replica(): Promise<Replica>;
  /** Resolves when there is memory for so many bytes more. */
  readonly room: (bytes: number) => Promise<void>;
  readonly roster: Roster;
  readonly changes: EventLog;
}

/** Of one answer; the newest come first. */
const SHOWN = 2_000;

export const recordMethods = (port: RecordsPort): Readonly<Record<string, Handler>> => ({
  "sync-status": () => status(port),
  "sync-records": (p) => list(port, p),
  "sync-get": (p) => get(port, p),
  "sync-put": (p) => put(port, p),
  "sync-changes": async ({ after }) => port.changes.after(typeof after === "number" ? after : undefined),
});

/** `key` is null for one that is no text. */
export function shownKey(keyName: string): { readonly key: string | null; readonly keyHex: string } {
  const bytes = Uint8Array.fromHex(keyName);
  try {
    const key = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    return { key: /\p{C}/u.test(key) ? null : key, keyHex: keyName };
  } catch {
    return { key: null, keyHex: keyName };
  }
}

const nameOf = ({ roster }: RecordsPort, id: Uint8Array): string => roster.byId(id)?.name ?? toHex(id);

/** Does not wait: it says what keeps the store from opening. */
async function status(port: RecordsPort): Promise<Json> {
  const view = port.view();
  const replica = view.records === null ? undefined : await port.replica();
  const kinds = KIND_NAMES.map((kind) => {
    const held = replica?.list(kind) ?? [];
    return { kind, records: held.length, deleted: held.filter((h) => h.deleted).length, doc: KINDS[kind].doc };
  });
  return { ...view, kinds };
}

async function list(port: RecordsPort, p: JsonObject): Promise<Json> {
  const kinds = p.kind === undefined ? KIND_NAMES : [kindOrThrow(p.kind)];
  const replica = await port.replica();
  const all = kinds.flatMap((kind) => replica.list(kind)).sort((a, b) => order(b, a));
  return { total: all.length, records: all.slice(0, SHOWN).map((held) => show(port, held)) };
}

const show = (port: RecordsPort, { id, kind, author, keyName, version, deleted }: Held): Json => ({
  id,
  kind,
  ...shownKey(keyName),
  author: nameOf(port, author),
  version,
  deleted,
});

/** What counts of a key, by what the kind says: of all authors, or the newest. */
async function get(port: RecordsPort, p: JsonObject): Promise<Json> {
  const kind = p.kind === undefined ? "application" : kindOrThrow(p.kind);
  const key = utf8(String(p.key));
  const replica = await port.replica();
  const newest = KINDS[kind].view === "newest" ? await replica.get(kind, key) : undefined;
  const values = KINDS[kind].view === "newest" ? (newest ? [newest] : []) : await replica.each(kind, key);
  return { kind, key: String(p.key), values: values.map((value) => showValue(port, value)) };
}

const showValue = (port: RecordsPort, { author, version, value }: Value): Json => ({
  author: nameOf(port, author),
  version,
  value: value.toBase64(),
});

/** Answers when it is durable. Without a value what stands there is deleted. */
async function put(port: RecordsPort, p: JsonObject): Promise<Json> {
  const key = utf8(String(p.key));
  const replica = await port.replica();
  if (typeof p.value === "string") await port.room(p.value.length);
  const value = typeof p.value === "string" ? valueOrThrow(p.value) : undefined;
  const bytes = value?.length ?? null;
  await replica.write({ kind: "application", key, value });
  if (value) letGo(value); // it was sealed
  return { kind: "application", key: String(p.key), bytes };
}

function valueOrThrow(base64: string): Uint8Array {
  try {
    return Uint8Array.fromBase64(base64);
  } catch (cause) {
    throw new TrellisError("sync/value", "the value is no base64", { cause });
  }
}

function kindOrThrow(word: Json): KindName {
  const found = KIND_NAMES.find((kind) => kind === word);
  if (found) return found;
  throw new TrellisError("sync/kind", `there is no kind "${String(word)}"`, { hint: KIND_NAMES.join(", ") });
}
