/** What the operator says of interfaces, and so of the links over them. */
import { interfaceName, type Parser } from "./parsers.ts";

export interface LinkTerms {
  readonly interface: string;
  /** What it costs to use, in ms of round trip. */
  readonly cost: number;
  /** Carries only when no other link does. */
  readonly metered: boolean;
  /** Bytes a day, both ways; undefined: no cap. */
  readonly cap: number | undefined;
}

const COST_MAX = 1_000_000;

/** `eth1.cost=20`, `wwan0.metered`, `wwan0.cap=2000000000`. */
const WORD = /^([^=]+)\.(cost|metered|cap)(?:=(\w+))?$/;

interface Term {
  readonly interface: string;
  readonly what: Partial<Omit<LinkTerms, "interface">>;
}

function termOf(word: string): Term | undefined {
  const [, name = "", key, value] = WORD.exec(word) ?? [];
  if (!interfaceName.parse(name)) return undefined;
  if (key === "metered") {
    const metered = value === undefined || value === "true";
    return metered || value === "false" ? { interface: name, what: { metered } } : undefined;
  }
  const number = value !== undefined && /^\d+$/.test(value) ? Number(value) : Number.NaN;
  if (key === "cost") return number <= COST_MAX ? { interface: name, what: { cost: number } } : undefined;
  return Number.isSafeInteger(number) ? { interface: name, what: { cap: number } } : undefined;
}

/** Words with commas between; in a file the tables `[links.NAME]` (`wordsOf`). */
export const linkTerms: Parser<readonly string[]> = {
  expects: `NAME.cost=MS (0 to ${COST_MAX}), NAME.metered, NAME.cap=BYTES, with commas between; or none`,
  sign: "TERMS",
  parse(given) {
    if (given === "none" || given === "") return { value: [] };
    const words = String(given).split(",");
    return words.every((word) => termOf(word)) ? { value: words } : undefined;
  },
};

/** Of each interface that the words name. The last word about something counts. */
export function linkTermsOf(words: readonly string[]): readonly LinkTerms[] {
  const found = new Map<string, LinkTerms>();
  for (const word of words) {
    const term = termOf(word);
    if (!term) continue;
    const before = found.get(term.interface) ?? { interface: term.interface, cost: 0, metered: false, cap: undefined };
    found.set(term.interface, { ...before, ...term.what });
  }
  return [...found.values()];
}

/** A file's tables as words: `[links.eth1]` with `cost = 20` is `eth1.cost=20`. What is no table stays as it is. */
export function wordsOf(given: unknown): unknown {
  if (!isTable(given)) return given;
  const words = Object.entries(given).flatMap(([name, terms]) =>
    isTable(terms) ? Object.entries(terms).map(([key, value]) => `${name}.${key}=${value}`) : [name],
  );
  return words.join();
}

const isTable = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
