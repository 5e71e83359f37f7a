import { readFileSync } from "node:fs";
import { call } from "../api/client.io.ts";
import { TrellisError } from "../base/errors.ts";
import { flag, oneOf, path } from "../config/parsers.ts";
import { KIND_NAMES, type KindName } from "../sync/kinds.ts";
import { command, type Globals, option } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { pause } from "./live.ts";
import { facts, shorten, shortId, size, table } from "./show.ts";

const EVERY = 500; // ms

export const sync = command({
  name: "sync",
  doc: "records: what every gateway holds of all",
  positionals: {
    action: { doc: "what to do, see the examples", choices: ["status", "records", "get", "put", "watch"] },
    key: { doc: "get, put: the record's key", optional: true, completes: {} },
    value: { doc: "put: its value", optional: true, completes: {} },
  },
  options: {
    kind: option<KindName | undefined>({
      key: "kind",
      fallback: undefined,
      shown: "all; application for get",
      unit: "",
      doc: "records, get, watch: of this kind",
      parse: oneOf(...KIND_NAMES),
    }),
    file: option<string | undefined>({
      key: "file",
      fallback: undefined,
      shown: "the word VALUE",
      unit: "",
      doc: "put: take the value from this file; - is the standard input",
      parse: path,
    }),
    delete: option({ key: "delete", fallback: false, unit: "", doc: "put: delete what stands there", parse: flag }),
  },
  examples: [
    ["trellis sync status", "how many records, with whom they are exchanged, and whether all is here"],
    ["trellis sync put site/temperature 21.5", "durable here when it returns; every member gets it, sealed and signed"],
    ["trellis sync get site/temperature", "what was written last by any member, as it is"],
    ["trellis sync put site/plan --file plan.pdf", "up to 1 MB"],
    ["trellis sync put site/plan --delete", "deletes it everywhere"],
    ["trellis sync records --kind application", "a line per record, the newest first"],
    ["trellis sync watch --json", "records as they come, one a line"],
  ],
  async run(args) {
    const { action, key, kind } = args;
    if (action === "status") return status(args);
    if (action === "records") return records(args, kind);
    if (action === "watch") return watch(args, kind);
    if (key === undefined)
      throw new TrellisError("usage/missing", `sync ${action} needs a key`, { hint: `trellis sync ${action} site/x` });
    if (action === "get") return get(args, key, kind ?? "application");
    return put(args, key, givenValue(args.value, args.file, args.delete));
  },
});

/** Undefined deletes. */
function givenValue(word: string | undefined, file: string | undefined, remove: boolean): Uint8Array | undefined {
  const given = [word !== undefined, file !== undefined, remove].filter((g) => g).length;
  if (given !== 1)
    throw new TrellisError("usage/missing", "sync put needs a value, --file FILE or --delete, and one of them alone", {
      hint: "trellis sync --help",
    });
  if (remove) return undefined;
  if (file === undefined) return new TextEncoder().encode(word);
  try {
    return new Uint8Array(readFileSync(file === "-" ? 0 : file));
  } catch (cause) {
    throw new TrellisError("sync/file", `cannot read ${file}`, { cause, hint: "is it a file that you may read?" });
  }
}

interface BrokerStatus {
  readonly url: string;
  readonly protocol: string | null;
  readonly members: number;
  readonly reason: string | null;
}

interface Status {
  readonly records: number | null;
  readonly digest: string | null;
  readonly pending: number;
  readonly reason: string | null;
  readonly neighbours: readonly string[];
  /** Of them those that are met at brokers. */
  readonly atBrokers: readonly string[];
  readonly brokers: readonly BrokerStatus[];
  readonly kinds: readonly { readonly kind: string; readonly records: number; readonly deleted: number }[];
  readonly flash: { readonly perDay: number; readonly lastDay: number } | null;
}

async function status(g: Globals): Promise<void> {
  const s = await call<Status>(socketOf(g), "sync-status");
  print(g, s, () => statusLines(s));
}

function statusLines(s: Status): string[] {
  if (s.records === null) return [`no records: ${s.reason}`];
  const kinds = s.kinds.filter((k) => k.records > 0).map((k) => `${k.kind} ${k.records}`);
  const shown = (name: string): string => (s.atBrokers.includes(name) ? `${name} (by broker)` : name);
  return facts([
    ["records", `${s.records}${kinds.length > 0 ? `: ${kinds.join(", ")}` : ""}`],
    ["coming", s.pending === 0 ? "nothing" : `${s.pending}`],
    ["digest", shortId(s.digest ?? "")],
    ["exchanged with", s.neighbours.length > 0 ? s.neighbours.map(shown).join(", ") : NOBODY],
    ...s.brokers.map((b, i): [string, string] => [i === 0 ? "brokers" : "", brokerText(b)]),
    ["written", s.flash ? `${size(s.flash.lastDay)} in the last day, at most ${size(s.flash.perDay)}` : "-"],
  ]);
}

const NOBODY = "nobody: no session over the underlay, nobody at a broker";

const brokerText = ({ url, protocol, members, reason }: BrokerStatus): string =>
  [
    url,
    ...(protocol === null
      ? ["not connected"]
      : [`${protocol}, ${members} ${members === 1 ? "other" : "others"} there`]),
    ...(reason === null ? [] : [reason]),
  ].join(": ");

interface Row {
  readonly kind: string;
  readonly key: string | null;
  readonly keyHex: string;
  readonly author: string;
  readonly version: number;
  readonly deleted: boolean;
}

async function records(g: Globals, kind: string | undefined): Promise<void> {
  const answer = await call<{ total: number; records: readonly Row[] }>(
    socketOf(g),
    "sync-records",
    kind === undefined ? {} : { kind },
  );
  const { total, records: rows } = answer;
  print(g, answer, () => [
    ...table(
      ["kind", "key", "author", "version", ""],
      rows.map((r) => [r.kind, shownKey(r), shorten(r.author, 16), String(r.version), r.deleted ? "deleted" : ""]),
    ),
    ...(rows.length < total ? [`${total - rows.length} more are older`] : []),
  ]);
}

const shownKey = ({ key, keyHex }: Row): string => shorten(key ?? `0x${keyHex}`, 40);

interface Found {
  readonly values: readonly { readonly author: string; readonly version: number; readonly value: string }[];
}

async function get(g: Globals, key: string, kind: string): Promise<void> {
  const found = await call<Found>(socketOf(g), "sync-get", { kind, key });
  const [first, ...more] = found.values;
  if (!first)
    throw new TrellisError("sync/none", `nobody has written ${kind} "${key}", or it was deleted`, {
      hint: "trellis sync records",
    });
  if (g.json) return print(g, found, () => []);
  if (more.length === 0) process.stdout.write(Uint8Array.fromBase64(first.value));
  else for (const { author, value } of found.values) console.log(`${author}: ${textOf(value)}`);
}

const textOf = (base64: string): string => new TextDecoder().decode(Uint8Array.fromBase64(base64));

async function put(g: Globals, key: string, value: Uint8Array | undefined): Promise<void> {
  const params = value ? { key, value: value.toBase64() } : { key };
  const done = await call<{ bytes: number | null }>(socketOf(g), "sync-put", params);
  print(g, done, () => [value ? `${key}: ${value.length} bytes are durable here` : `${key} is deleted`]);
}

interface Change extends Row {
  readonly at: number;
  readonly record: string;
}

async function watch(g: Globals, kind: string | undefined): Promise<void> {
  let after: number | undefined;
  for (;;) {
    const told: { next: number; skipped: number; events: readonly Change[] } = await call(
      socketOf(g),
      "sync-changes",
      after === undefined ? {} : { after },
    );
    if (told.skipped > 0) console.error(`${told.skipped} more were too fast to be told`);
    after = told.next;
    for (const change of told.events)
      if (kind === undefined || change.record === kind) print(g, change, () => [sentence(change)]);
    await pause(EVERY);
  }
}

const sentence = (c: Change): string =>
  `${new Date(c.at).toISOString().slice(11, 23)}  ${c.record} ${shownKey(c)} ${c.deleted ? "deleted" : "written"} by ${c.author}`;
