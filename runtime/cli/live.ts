/** A screen that is drawn anew until the user ends it. */

const HOME_AND_CLEAR = "\u001b[H\u001b[J";

/** Whether somebody watches: a terminal, and neither `--json` nor `--once`. */
export const isWatched = (g: { readonly json: boolean; readonly once: boolean }): boolean =>
  !g.json && !g.once && process.stdout.isTTY === true;

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** As many of the lines as the terminal has room for, each cut to its width. */
export function draw(title: string, lines: readonly string[]): void {
  const { rows = 24, columns = 80 } = process.stdout;
  const shown = [title, "", ...lines].slice(0, rows - 1).map((line) => line.slice(0, columns));
  process.stdout.write(`${HOME_AND_CLEAR}${shown.join("\n")}\n`);
}
