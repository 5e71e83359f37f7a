/** The control socket's protocol: a JSON object per line. {id, method, params} is answered by {id, result} or {id, error}. */
import { messageOf, TrellisError } from "../base/errors.ts";

/** Characters of a request: the largest value of a record, in base64. */
export const LINE_MAX = 1 << 21;
/** Of a reply: the peers of the largest mesh take some megabytes. */
export const REPLY_MAX = 64 << 20;

export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

export interface Request {
  readonly id: number;
  readonly method: string;
  readonly params: JsonObject;
}

export interface WireError {
  readonly code: string;
  readonly message: string;
  readonly hint: string | null;
}

export type Reply = { readonly id: number; readonly result: Json } | { readonly id: number; readonly error: WireError };

/** Cuts a byte stream into lines. Throws `api/line-too-long`: the caller ends the connection. */
export class LineReader {
  #rest: string[] = [];
  #length = 0;
  readonly #decoder = new TextDecoder();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  push(chunk: Uint8Array): string[] {
    const lines = this.#decoder.decode(chunk, { stream: true }).split("\n");
    const last = lines.pop() as string;
    const [first] = lines;
    if (first !== undefined) {
      lines[0] = [...this.#rest, first].join("");
      this.#rest = [];
      this.#length = 0;
    }
    this.#rest.push(last);
    this.#length += last.length;
    if (this.#length > this.#max)
      throw new TrellisError("api/line-too-long", `a line has more than ${this.#max} characters`);
    return lines;
  }
}

const isObject = (v: unknown): v is JsonObject => typeof v === "object" && v !== null && !Array.isArray(v);

function parseObject(line: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** Undefined for a line that is no request. */
export function parseRequest(line: string): Request | undefined {
  const value = parseObject(line);
  if (!value || typeof value.id !== "number" || typeof value.method !== "string") return undefined;
  const params = value.params ?? {};
  return isObject(params) ? { id: value.id, method: value.method, params } : undefined;
}

/** Undefined for a line that is no reply. */
export function parseReply(line: string): Reply | undefined {
  const value = parseObject(line);
  if (!value || typeof value.id !== "number") return undefined;
  const { id, error } = value;
  if (isObject(error) && typeof error.code === "string" && typeof error.message === "string") {
    const hint = typeof error.hint === "string" ? error.hint : null;
    return { id, error: { code: error.code, message: error.message, hint } };
  }
  return value.result === undefined ? undefined : { id, result: value.result };
}

export const toWireError = (thrown: unknown): WireError =>
  thrown instanceof TrellisError
    ? { code: thrown.code, message: thrown.message, hint: thrown.hint ?? null }
    : { code: "api/internal", message: messageOf(thrown), hint: null };

export const fromWireError = (e: WireError): TrellisError =>
  new TrellisError(e.code, e.message, e.hint === null ? {} : { hint: e.hint });
