/** A command as a table: the parser, help, completion, and the tests of all three read it. */
import { GLOBAL, type Setting, type Settled } from "../config/settings.ts";
import { fromCommandLine, type Source, settle } from "../config/settle.ts";

/** What a word may stand for, where the shell completes it. */
export type Completes = "peer" | "file";

export interface Positional {
  readonly doc: string;
  readonly optional?: true;
  readonly choices?: readonly string[];
  /** For commands that do several things: by the first word. */
  readonly completes?: Completes | Readonly<Record<string, Completes>>;
}

/** An option of one command: only the command line gives it. */
export interface Option<T> extends Setting<T> {
  readonly short?: string;
  readonly required?: true;
  /** May be given more than once; its parser takes a list. */
  readonly many?: true;
  readonly completes?: Completes;
}

export const option = <T>(row: Option<T>): Option<T> => row;
export type Options = Readonly<Record<string, Option<unknown>>>;

export type Globals = Settled<typeof GLOBAL>;
type Positionals = Readonly<Record<string, Positional>>;
type Words<P extends Positionals> = {
  readonly [K in keyof P]: P[K] extends { readonly optional: true } ? string | undefined : string;
};

interface Table {
  readonly name: string;
  readonly doc: string;
  /** A line and what it does. */
  readonly examples: readonly (readonly [line: string, doc: string])[];
}

export interface Command extends Table {
  /** In their order on the line. */
  readonly positionals: Positionals;
  readonly options: Options;
  /**
   * `line`: what was given, by the options' keys and the positionals' names; `defaults`: what counts where it is silent.
   * Throws TrellisError for what the user can mend.
   */
  readonly run: (line: Readonly<Record<string, unknown>>, defaults: readonly Source[]) => Promise<void>;
}

export function command<P extends Positionals, O extends Options>(
  table: Table & {
    readonly positionals: P;
    readonly options: O;
    readonly run: (args: Words<P> & Settled<O> & Globals, sources: readonly Source[]) => Promise<void>;
  },
): Command {
  const { positionals, options, run } = table;
  return {
    ...table,
    async run(line, defaults) {
      const sources = [fromCommandLine(line), ...defaults];
      const words = Object.fromEntries(Object.keys(positionals).map((name) => [name, line[name]])) as Words<P>;
      await run({ ...words, ...settle(options, sources).values, ...settle(GLOBAL, sources).values }, sources);
    },
  };
}

/** `ping PEER`, `peers [PEER]`, `keys show`, `service install|remove`, or short `service ACTION`. */
export function usageOf({ name, positionals }: Command, length: "full" | "short" = "full"): string {
  const words = Object.entries(positionals).map(([word, p]) => shownWord(word, p, length));
  const some = length === "short" && words.length > 2 ? [words[0], "..."] : words;
  return [name, ...some].join(" ");
}

function shownWord(word: string, { choices, optional }: Positional, length: "full" | "short"): string {
  const spelled = choices && (length === "full" || choices.length === 1);
  const shown = spelled ? choices.join("|") : word.toUpperCase();
  return optional ? `[${shown}]` : shown;
}

/** The command that a line names: its first word that is no option and no option's value. */
export function commandIn(words: readonly string[], commands: readonly Command[]): Command | undefined {
  const valued = Object.values(GLOBAL).flatMap((row) => (row.parse.sign === "" ? [] : [`--${row.key}`]));
  const first = words.find((w, i) => !w.startsWith("-") && ![...valued, "--config"].includes(words[i - 1] ?? ""));
  return commands.find((c) => c.name === first);
}

/** No positionals, no options. */
export const NONE = {} as const;
