/** Structured log lines. The sink is injected; fields are plain data so that a line can be JSON or text. */
export const LEVELS = ["error", "warn", "info", "debug"] as const;
export type Level = (typeof LEVELS)[number];
export type Fields = Readonly<Record<string, string | number | boolean | undefined>>;

export interface LogLine {
  readonly level: Level;
  readonly part: string;
  readonly message: string;
  readonly fields: Fields;
}

export interface Log {
  error(message: string, fields?: Fields): void;
  warn(message: string, fields?: Fields): void;
  info(message: string, fields?: Fields): void;
  debug(message: string, fields?: Fields): void;
  /** The same sink under another part's name. */
  part(name: string): Log;
}

export function createLog(sink: (line: LogLine) => void, threshold: Level, part = "trellis"): Log {
  const at =
    (level: Level) =>
    (message: string, fields: Fields = {}): void => {
      if (LEVELS.indexOf(level) <= LEVELS.indexOf(threshold)) sink({ level, part, message, fields });
    };
  return {
    error: at("error"),
    warn: at("warn"),
    info: at("info"),
    debug: at("debug"),
    part: (name) => createLog(sink, threshold, name),
  };
}
