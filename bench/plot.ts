/** Curves over the size of the mesh, both axes logarithmic, as SVG: one panel each. */

export interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly curves: readonly { readonly name: string; readonly points: readonly (readonly [x: number, y: number])[] }[];
}

const [WIDTH, HEIGHT, MARGIN] = [380, 260, 52];
/** Lines above the curves that have room for names; more names stand side by side, so many in a line. */
const NAMES = 3;
const COLOURS = ["#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#8c564b"];

const decades = (low: number, high: number): number[] => {
  const out: number[] = [];
  for (let e = Math.floor(Math.log10(low)); e <= Math.ceil(Math.log10(high)); e++) out.push(10 ** e);
  return out;
};
const short = (n: number): string => (n >= 1 ? n.toLocaleString("en") : String(Number(n.toPrecision(1))));

function panelOf({ title, unit, curves }: Panel): string {
  const points = curves.flatMap((c) => c.points).filter(([, y]) => y > 0);
  const [xs, ys] = [
    decades(Math.min(...points.map((p) => p[0])), Math.max(...points.map((p) => p[0]))),
    decades(Math.min(...points.map((p) => p[1])), Math.max(...points.map((p) => p[1]))),
  ];
  const across = curves.length > NAMES ? NAMES : 1;
  const scale = (ticks: readonly number[], v: number): number => {
    const [low, high] = [Math.log10(ticks[0] as number), Math.log10(ticks.at(-1) as number)];
    return (Math.log10(v) - low) / (high - low || 1);
  };
  const x = (v: number): string => (MARGIN + scale(xs, v) * (WIDTH - MARGIN - 16)).toFixed(1);
  const y = (v: number): string => (HEIGHT - MARGIN + 10 - scale(ys, v) * (HEIGHT - MARGIN - 64)).toFixed(1);
  const [left, right, bottom, top] = [
    x(xs[0] as number),
    x(xs.at(-1) as number),
    y(ys[0] as number),
    y(ys.at(-1) as number),
  ];
  return [
    `<text x="${MARGIN}" y="18" font-weight="bold">${title}, ${unit}</text>`,
    ...ys.map(
      (v) =>
        `<path d="M${left} ${y(v)}H${right}" stroke="#ddd"/><text x="${MARGIN - 6}" y="${Number(y(v)) + 4}" text-anchor="end">${short(v)}</text>`,
    ),
    ...xs.map(
      (v) =>
        `<path d="M${x(v)} ${top}V${bottom}" stroke="#ddd"/><text x="${x(v)}" y="${Number(bottom) + 16}" text-anchor="middle">${short(v)}</text>`,
    ),
    ...curves.flatMap((c, i) => {
      const shown = c.points.filter(([, v]) => v > 0);
      const colour = COLOURS[i % COLOURS.length];
      return [
        `<polyline fill="none" stroke="${colour}" stroke-width="2" points="${shown.map(([px, py]) => `${x(px)},${y(py)}`).join(" ")}"/>`,
        ...shown.map(([px, py]) => `<circle cx="${x(px)}" cy="${y(py)}" r="3" fill="${colour}"/>`),
        `<text x="${MARGIN + 105 * (i % across)}" y="${34 + 14 * Math.floor(i / across)}" fill="${colour}">${c.name}</text>`,
      ];
    }),
  ].join("\n");
}

export function plot(panels: readonly Panel[]): string {
  const rows = Math.ceil(panels.length / 2);
  const at = (i: number): string => `translate(${(i % 2) * WIDTH} ${Math.floor(i / 2) * HEIGHT})`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${2 * WIDTH}" height="${rows * HEIGHT}" font-family="sans-serif" font-size="11">`,
    `<rect width="100%" height="100%" fill="#fff"/>`,
    ...panels.map((p, i) => `<g transform="${at(i)}">\n${panelOf(p)}\n</g>`),
    "</svg>",
    "",
  ].join("\n");
}
