/**
 * The README's picture, from what the demo really printed: `npx --yes rust-just demo | bun test/demo/picture.ts > test/demo/demo.svg`.
 * Lines become text, the half blocks of the QR code become squares, so that it can be scanned from the page.
 */
const CELL = { width: 7.8, height: 17 } as const; // of the 13 px monospace below
const MARGIN = 16;
const BLOCKS: Readonly<Record<string, readonly [upper: boolean, lower: boolean]>> = {
  "█": [true, true],
  "▀": [true, false],
  "▄": [false, true],
};

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** Whether a line belongs to the QR code: half blocks and spaces only. */
const isCode = (line: string): boolean => /[█▀▄]/.test(line) && /^[█▀▄ ]+$/.test(line);

function squares(line: string, y: number): string {
  const half = CELL.height / 2;
  return [...line]
    .flatMap((character, i) => {
      const [upper, lower] = BLOCKS[character] ?? [false, false];
      const at = (top: number): string =>
        `<rect x="${(MARGIN + i * half).toFixed(1)}" y="${(y + top).toFixed(1)}" width="${half + 0.3}" height="${half + 0.3}"/>`;
      return [upper ? at(0) : "", lower ? at(half) : ""];
    })
    .join("");
}

function text(line: string, y: number): string {
  const colour = line.startsWith("✓") ? "#9ece6a" : line.startsWith("  ") ? "#7f849c" : "#cdd6f4";
  return `<text x="${MARGIN}" y="${y + 13}" fill="${colour}" xml:space="preserve">${escaped(line)}</text>`;
}

export {}; // a module: it awaits

const printed = (await Bun.stdin.text()).replaceAll("\u001b", "").replace(/\[[\d;]*m/g, "");
const from = printed.indexOf("Trellis:");
const lines = printed.slice(Math.max(0, from)).trimEnd().split("\n");
const width = Math.ceil(2 * MARGIN + CELL.width * Math.max(...lines.filter((l) => !isCode(l)).map((l) => l.length)));
const height = 2 * MARGIN + CELL.height * lines.length;
const rows = lines.map((line, i) => {
  const y = MARGIN + i * CELL.height;
  return isCode(line) ? `<g fill="#cdd6f4">${squares(line, y)}</g>` : text(line, y);
});
console.log(
  [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="monospace" font-size="13">`,
    `<title>What the demo prints</title><rect width="100%" height="100%" rx="8" fill="#1e1e2e"/>`,
    ...rows,
    "</svg>",
  ].join("\n"),
);
