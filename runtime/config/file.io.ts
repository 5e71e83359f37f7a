/** The configuration file: TOML, settings by their keys. */
import { readFileSync } from "node:fs";
import { messageOf, TrellisError } from "../base/errors.ts";

/** What the file says. Throws `config/unreadable` and `config/syntax`, with the line. */
export function readConfigFile(file: string): Readonly<Record<string, unknown>> {
  let text: string;
  try {
    text = readFileSync(file, "utf8");
  } catch (cause) {
    const missing = (cause as { code?: string }).code === "ENOENT";
    throw new TrellisError("config/unreadable", `cannot read ${file}${missing ? ": there is no such file" : ""}`, {
      cause,
      hint: missing ? "--config and TRELLIS_CONFIG name a file that exists" : "is it a file that you may read?",
    });
  }
  const { values, fault } = parse(text);
  if (values) return values;
  const lines = text.split("\n");
  const good = lines.findIndex((_, i) => parse(lines.slice(0, i + 1).join("\n")).fault !== undefined); // it tells no line itself
  throw new TrellisError("config/syntax", `${file}:${good + 1}: ${fault}`, {
    hint: 'a line is `key = value`: port = 51820, interface = "eth1"',
  });
}

type Parsed =
  | { readonly values: Readonly<Record<string, unknown>>; readonly fault?: undefined }
  | { readonly values?: undefined; readonly fault: string };

function parse(text: string): Parsed {
  try {
    return { values: Bun.TOML.parse(text) as Record<string, unknown> };
  } catch (thrown) {
    return { fault: messageOf(thrown).replace(/^TOML Parse error: /, "") };
  }
}
