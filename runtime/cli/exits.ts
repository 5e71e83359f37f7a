/** Exit codes, by the beginning of an error's code. */
const EXITS: readonly (readonly [exit: number, prefixes: readonly string[], meaning: string])[] = [
  [2, ["usage/", "config/"], "usage or settings"],
  [3, ["daemon/not-running"], "no daemon"],
  [4, ["invite/"], "invite refused"],
];

/** 1 for what the table does not name. */
export const exitOf = (code: string): number =>
  EXITS.find(([, prefixes]) => prefixes.some((prefix) => code.startsWith(prefix)))?.[0] ?? 1;

export const EXITS_TEXT = `0 done, 1 failed, ${EXITS.map(([exit, , meaning]) => `${exit} ${meaning}`).join(", ")}`;
