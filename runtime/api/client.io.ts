/** One call to the daemon over its control socket. */
import { TrellisError } from "../base/errors.ts";
import { fromWireError, type Json, type JsonObject, LineReader, parseReply } from "./protocol.ts";

/** Throws `daemon/not-running` when nobody listens, or what the daemon answered. */
export async function call<T extends Json>(path: string, method: string, params: JsonObject = {}): Promise<T> {
  const { promise, resolve, reject } = Promise.withResolvers<Json>();
  const lines = new LineReader();
  const ended = (cause?: unknown): TrellisError =>
    new TrellisError("daemon/not-running", "no daemon answers here", { cause, hint: "start it with `trellis run`" });
  const socket = await Bun.connect({
    unix: path,
    socket: {
      data(_, chunk) {
        for (const line of lines.push(chunk)) {
          const reply = parseReply(line);
          if (!reply) reject(new TrellisError("api/malformed", "the daemon's answer is no reply"));
          else if ("error" in reply) reject(fromWireError(reply.error));
          else resolve(reply.result);
        }
      },
      close: () => reject(ended()),
    },
  }).catch((cause: unknown) => {
    throw ended(cause);
  });
  socket.write(`${JSON.stringify({ id: 1, method, params })}\n`);
  try {
    return (await promise) as T;
  } finally {
    socket.end();
  }
}
