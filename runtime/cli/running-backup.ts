/** What goes into a backup of a gateway that runs: its daemon gives it, as it stood at one moment. */
import { ANSWER_WITHIN, call } from "../api/client.io.ts";
import type { JsonObject } from "../api/protocol.ts";
import { TrellisError } from "../base/errors.ts";
import type { Contents } from "../provisioning/backup.io.ts";

/** Milliseconds: right after its start a daemon reads its whole store first. */
const OPEN_WITHIN = 6 * ANSWER_WITHIN;

interface Opened extends JsonObject {
  readonly id: string;
  readonly holds: readonly string[];
  readonly bytes: number;
}

interface Piece extends JsonObject {
  readonly data: string;
  readonly end: boolean;
}

/** Undefined when no daemon runs. Throws what it answers: `sync/closed` when it has no store, `backup/gone` when it gave it up. */
export async function contentsOfDaemon(socket: string): Promise<Contents | undefined> {
  const opened = await call<Opened>(socket, "backup-open", {}, OPEN_WITHIN).catch((thrown: unknown) => {
    if (thrown instanceof TrellisError && thrown.code === "daemon/not-running") return undefined;
    throw thrown;
  });
  if (!opened) return undefined;
  const { id, holds, bytes } = opened;
  async function* parts(): AsyncGenerator<Uint8Array> {
    for (;;) {
      const { data, end } = await call<Piece>(socket, "backup-read", { id });
      yield Buffer.from(data, "base64");
      if (end) return;
    }
  }
  const close = async (): Promise<void> => {
    await call(socket, "backup-close", { id }).catch(() => {}); // the daemon may be gone: what failed before is what counts
  };
  return { holds, bytes, parts: parts(), close };
}
