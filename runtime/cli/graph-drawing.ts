/** Drawings of who is linked to whom: for a terminal, for Graphviz, and as a picture. Pure. */

export interface Link {
  /** Names. */
  readonly ends: readonly [string, string];
  /** Null: one end does not confirm it, or says that it is down. */
  readonly cost: number | null;
  readonly roundTripMs: number | null;
}

export interface Graph {
  readonly self: string;
  readonly members: readonly { readonly name: string }[];
  readonly links: readonly Link[];
}

/** Each member with those it is linked to; what has been told is not told again. */
export function drawText({ self, members, links }: Graph): string[] {
  const lines: string[] = [];
  for (const { name } of [...members].sort((a, b) => order(self, a.name, b.name))) {
    const own = links.filter(({ ends }) => ends.includes(name));
    lines.push(`${name}${name === self ? "  (this gateway)" : ""}${own.length === 0 ? "  no links" : ""}`);
    const sorted = own.map((link) => ({ link, to: link.ends[0] === name ? link.ends[1] : link.ends[0] }));
    sorted.sort((a, b) => (a.to < b.to ? -1 : 1));
    for (const [i, { link, to }] of sorted.entries()) {
      const branch = i === sorted.length - 1 ? "└─" : "├─";
      lines.push(
        `${branch}${link.cost === null ? "x" : "─"} ${to}${link.cost === null ? "  down" : label(link, "  ")}`,
      );
    }
  }
  return lines;
}

const order = (self: string, a: string, b: string): number =>
  a === self ? -1 : b === self ? 1 : a < b ? -1 : a > b ? 1 : 0;

const label = ({ cost, roundTripMs }: Link, before: string): string =>
  `${before}cost ${cost}${roundTripMs === null ? "" : `, ${roundTripMs.toFixed(1)} ms`}`;

/** The DOT language of Graphviz. */
export function drawDot({ self, members, links }: Graph): string[] {
  const quoted = (name: string): string => `"${name.replaceAll(/["\\]/g, "\\$&")}"`;
  return [
    "graph mesh {",
    "  node [shape=box, style=rounded];",
    ...members.map(({ name }) => `  ${quoted(name)}${name === self ? " [penwidth=2]" : ""};`),
    ...links.map(
      (l) =>
        `  ${l.ends.map(quoted).join(" -- ")}${l.cost === null ? " [style=dotted]" : ` [label=${quoted(label(l, ""))}]`};`,
    ),
    "}",
  ];
}

const NODE = { width: 110, height: 32 } as const;
const MARGIN = 80;

/** Members on a circle, this gateway at the top. */
export function drawSvg({ self, members, links }: Graph): string[] {
  const names = members.map((m) => m.name).sort((a, b) => order(self, a, b));
  const radius = Math.max(120, (names.length * (NODE.width + 24)) / (2 * Math.PI));
  const half = radius + MARGIN;
  const at = new Map(
    names.map((name, i) => {
      const angle = (2 * Math.PI * i) / names.length - Math.PI / 2;
      return [name, { x: half + radius * Math.cos(angle), y: half + radius * Math.sin(angle) }];
    }),
  );
  const centre = { x: half, y: half };
  const place = (name: string): { x: number; y: number } => at.get(name) ?? centre;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${round(2 * half)} ${round(2 * half)}" font-family="system-ui, sans-serif" font-size="13">`,
    "<title>links of the mesh</title>",
    '<rect width="100%" height="100%" fill="#fff"/>',
    ...links.flatMap((l) => line(l, place(l.ends[0]), place(l.ends[1]))),
    ...names.flatMap((name) => node(name, name === self, place(name))),
    "</svg>",
  ];
}

interface Point {
  readonly x: number;
  readonly y: number;
}

const round = (n: number): number => Math.round(n * 10) / 10;

function line(link: Link, a: Point, b: Point): string[] {
  const dashes = link.cost === null ? ' stroke-dasharray="4 6"' : "";
  const colour = link.cost === null ? "#b42318" : "#475467";
  const ends = `x1="${round(a.x)}" y1="${round(a.y)}" x2="${round(b.x)}" y2="${round(b.y)}"`;
  const text = link.cost === null ? "down" : label(link, "");
  // A third of the way: lines that cross in the middle keep their labels apart.
  const [x, y] = [round(a.x + (b.x - a.x) / 3), round(a.y + (b.y - a.y) / 3 - 4)];
  return [
    `<line ${ends} stroke="${colour}" stroke-width="1.5"${dashes}/>`,
    `<text x="${x}" y="${y}" text-anchor="middle" fill="${colour}" stroke="#fff" stroke-width="4" paint-order="stroke" font-size="11">${text}</text>`,
  ];
}

function node(name: string, isSelf: boolean, { x, y }: Point): string[] {
  const box = `x="${round(x - NODE.width / 2)}" y="${round(y - NODE.height / 2)}" width="${NODE.width}" height="${NODE.height}" rx="8"`;
  const text = name.length > 15 ? `${name.slice(0, 14)}…` : name;
  return [
    `<rect ${box} fill="${isSelf ? "#d1e9ff" : "#f2f4f7"}" stroke="${isSelf ? "#1570cd" : "#475467"}" stroke-width="1.5"/>`,
    `<text x="${round(x)}" y="${round(y + 4.5)}" text-anchor="middle" fill="#101828">${escaped(text)}</text>`,
  ];
}

const escaped = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
