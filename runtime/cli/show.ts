/** Values as people read them. Everything here fits 80 columns when it is put together as the commands do. */

/** `-`, `12 ms`, `3 s`, `5 min`, `3 h`, `12 d`. */
export function age(ms: number | null): string {
  if (ms === null) return "-";
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  const units = [
    ["s", 1000, 120],
    ["min", 60_000, 120],
    ["h", 3_600_000, 48],
  ] as const;
  const [unit, size] = units.find(([, length, most]) => ms < length * most) ?? ["d", 86_400_000];
  return `${(ms / size).toFixed(0)} ${unit}`;
}

export const roundTrip = (ms: number | null): string => (ms === null ? "-" : `${ms.toFixed(ms < 10 ? 2 : 1)} ms`);

/** `2026-11-26 16:26 UTC`: invites count in minutes. */
export const moment = (unixSeconds: number): string =>
  `${new Date(1000 * unixSeconds).toISOString().slice(0, 16).replace("T", " ")} UTC`;

/** Decimal units: `999 B`, `1.2 kB`, `34 MB`. */
export function size(bytes: number): string {
  const units = ["B", "kB", "MB", "GB", "TB", "PB"];
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${value.toFixed(unit > 0 && value < 9.95 ? 1 : 0)} ${units[unit]}`;
}

/** The beginning of a node or mesh id; commands take it for the whole. */
export const shortId = (hex: string): string => hex.slice(0, 16);

/** At most `most` characters: the middle of a longer text is left out. */
export function shorten(text: string, most: number): string {
  if (text.length <= most) return text;
  const head = Math.ceil((most - 1) / 2);
  return `${text.slice(0, head)}…${text.slice(text.length - (most - 1 - head))}`;
}

export function table(head: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const width = head.map((h, i) => Math.max(h.length, ...rows.map((r) => (r[i] ?? "").length)));
  return [head, ...rows].map((r) =>
    r
      .map((c, i) => c.padEnd(width[i] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

/** Names in front, values below each other. */
export function facts(rows: readonly (readonly [name: string, value: string])[]): string[] {
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
}
