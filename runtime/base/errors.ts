/**
 * An error for the person at the keyboard: `code` is API (`part/reason`), `message` may be reworded, `hint` names the
 * next step. Hostile or garbled input from the network is not an error but a counted drop.
 */
export class TrellisError extends Error {
  readonly code: string;
  readonly hint: string | undefined;

  constructor(code: string, message: string, options: { cause?: unknown; hint?: string } = {}) {
    super(message, { cause: options.cause });
    this.name = new.target.name;
    this.code = code;
    this.hint = options.hint;
  }
}

/** The message of anything thrown. */
export const messageOf = (thrown: unknown): string => (thrown instanceof Error ? thrown.message : String(thrown));
