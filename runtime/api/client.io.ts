/** One call to the daemon over its control socket. */
import { TrellisError } from "../base/errors.ts";
import { Outgoing } from "./outgoing.ts";
import { fromWireError, type Json, type JsonObject, LineReader, parseReply, REPLY_MAX } from "./protocol.ts";

/** Milliseconds. The slowest answer is a ping's, which waits two seconds for the peer. */
export const ANSWER_WITHIN = 10_000;

/**
 * Throws what the daemon answered, `daemon/not-running` when nobody listens, `daemon/denied` when this user may not ask,
 * `daemon/hung-up` when it closed without an answer, or `daemon/silent` when none came in time.
 */
export async function call<T>(
  path: string,
  method: string,
  params: JsonObject = {},
  within = ANSWER_WITHIN,
): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<Json>();
  const lines = new LineReader(REPLY_MAX);
  const socket = await Bun.connect<Outgoing>({
    unix: path,
    socket: {
      open(opened) {
        opened.data = new Outgoing((chunk) => opened.write(chunk));
        opened.data.send(`${JSON.stringify({ id: 1, method, params })}\n`);
      },
      drain: (opened) => opened.data.drain(),
      data(_, chunk) {
        try {
          for (const line of lines.push(chunk)) resolve(resultOf(line));
        } catch (thrown) {
          reject(thrown);
        }
      },
      close: () => reject(hungUp()),
    },
  }).catch((cause: unknown) => {
    throw unreachable(path, cause);
  });
  const limit = setTimeout(() => reject(silent(within)), within);
  try {
    return (await promise) as T;
  } finally {
    clearTimeout(limit);
    socket.end();
  }
}

function resultOf(line: string): Json {
  const reply = parseReply(line);
  if (!reply) throw new TrellisError("api/malformed", "the daemon's answer is no reply");
  if ("error" in reply) throw fromWireError(reply.error);
  return reply.result;
}

function unreachable(path: string, cause: unknown): TrellisError {
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
  if (code === "EACCES" || code === "EPERM")
    return new TrellisError("daemon/denied", `this user may not talk to the daemon at ${path}`, {
      hint: "it talks to root and to its own user: try sudo",
    });
  if (code === "ECONNRESET" || code === "EPIPE") return hungUp(); // closed before we could even ask
  return new TrellisError("daemon/not-running", `no daemon answers at ${path}`, {
    hint: "start it with `trellis run`; a gateway elsewhere is named by --state-dir",
  });
}

const hungUp = (): TrellisError =>
  new TrellisError("daemon/hung-up", "the daemon closed the connection without an answer", {
    hint: "it talks to root and to its own user only; its log says whom it refused, or why it stopped",
  });

const silent = (within: number): TrellisError =>
  new TrellisError("daemon/silent", `the daemon has not answered within ${within / 1000} s`, {
    hint: "it may be busy or stuck: see its log; the service manager's watchdog ends a stuck one",
  });
