/** Which value counts: command line before environment before file before default. */
import { TrellisError } from "../base/errors.ts";
import { nearest } from "../base/nearest.ts";
import { wordsOf } from "./link-terms.ts";
import type { Given } from "./parsers.ts";
import { type Rows, type Setting, type Settled, variableOf } from "./settings.ts";

export type Origin = "command line" | "environment" | "file" | "default";

export interface Source {
  readonly name: Origin;
  /** How a person finds the value again: `--port`, `TRELLIS_PORT`, `port in /etc/trellis/trellis.conf`. */
  readonly place: (key: string) => string;
  /** What was given, by the settings' keys. */
  readonly values: Readonly<Record<string, unknown>>;
}

export const fromCommandLine = (values: Readonly<Record<string, unknown>>): Source => ({
  name: "command line",
  place: (key) => `--${key}`,
  values,
});

/** Defaults that depend on the machine. */
export const fromMachine = (values: Readonly<Record<string, unknown>>): Source => ({
  name: "default",
  place: (key) => `the default of ${key}`,
  values,
});

/** A variable that is set to nothing counts as not set. */
export const fromEnvironment = (environment: Readonly<Record<string, string | undefined>>, rows: Rows): Source => ({
  name: "environment",
  place: variableOf,
  values: Object.fromEntries(
    Object.values(rows).map(({ key }) => [key, environment[variableOf(key)] || undefined] as const),
  ),
});

/** Throws `config/unknown-key` and `config/value`: a file is right as a whole, whichever settings a command needs. */
export function fromFile(file: string, values: Readonly<Record<string, unknown>>, rows: Rows): Source {
  const keys = Object.values(rows).map((row) => row.key);
  const stranger = Object.keys(values).find((key) => !keys.includes(key));
  if (stranger !== undefined) {
    const meant = nearest(stranger, keys);
    throw new TrellisError("config/unknown-key", `${file}: there is no setting "${stranger}"`, {
      hint: meant ? `did you mean ${meant}?` : `the settings are ${keys.join(", ")}`,
    });
  }
  const words = values.links === undefined ? {} : { links: wordsOf(values.links) };
  const source: Source = { name: "file", place: (key) => `${key} in ${file}`, values: { ...values, ...words } };
  for (const row of Object.values(rows)) if (values[row.key] !== undefined) parsed(row, source);
  return source;
}

/** The value of each row and where it came from; `sources` in order of precedence. Throws `config/value`. */
export function settle<R extends Rows>(
  rows: R,
  sources: readonly Source[],
): { readonly values: Settled<R>; readonly origins: { readonly [K in keyof R]: Origin } } {
  const found = Object.entries(rows).map(([name, row]) => {
    const source = sources.find((s) => s.values[row.key] !== undefined);
    return [name, source ? parsed(row, source) : row.fallback, source?.name ?? "default"] as const;
  });
  return {
    values: Object.fromEntries(found.map(([name, value]) => [name, value])) as Settled<R>,
    origins: Object.fromEntries(found.map(([name, , from]) => [name, from])) as { readonly [K in keyof R]: Origin },
  };
}

function parsed(row: Setting<unknown>, source: Source): unknown {
  const said = source.values[row.key];
  const given = isListOfTexts(said) ? said.join(",") : said;
  const result = isGiven(given) ? row.parse.parse(given) : undefined;
  if (result) return result.value;
  const unit = row.unit === "" ? "" : ` (${row.unit})`;
  throw new TrellisError(
    "config/value",
    `${source.place(row.key)} is ${JSON.stringify(given)}, expected ${row.parse.expects}${unit}`,
    { hint: row.doc },
  );
}

/** As a file may have what has commas elsewhere. */
const isListOfTexts = (value: unknown): value is readonly string[] =>
  Array.isArray(value) && value.length > 0 && value.every((one) => typeof one === "string");
const isGiven = (value: unknown): value is Given => ["string", "number", "boolean"].includes(typeof value);
