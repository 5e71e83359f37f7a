/** The control socket: 0600 in the 0700 state directory, and the kernel's word for who is calling where the addon is there. */
import { chmodSync, rmSync } from "node:fs";
import type { Log } from "../base/log.ts";
import { type Json, type JsonObject, LineReader, parseRequest, type Reply, toWireError } from "./protocol.ts";

export type Handler = (params: JsonObject) => Promise<Json>;
export type PeerUid = (fd: number) => number | undefined;

const CLIENTS_MAX = 32;

interface Client {
  readonly lines: LineReader;
  /** Turned away: what it has sent already is not looked at. */
  readonly refused: boolean;
}

export interface ControlServer {
  close(): void;
}

/** `methods` by name. A caller that is neither root nor our own user is turned away. */
export function serveControl(
  path: string,
  methods: Readonly<Record<string, Handler>>,
  uidOf: PeerUid,
  log: Log,
): ControlServer {
  rmSync(path, { force: true }); // ours: the directory is private, and the caller made sure that no daemon runs
  let clients = 0;
  const server = Bun.listen<Client>({
    unix: path,
    socket: {
      open(socket) {
        clients++;
        const uid = uidOf((socket as unknown as { fd: number }).fd);
        const foreign = uid !== undefined && uid !== 0 && uid !== process.getuid?.();
        if (foreign) log.warn("control connection refused", { uid });
        const refused = foreign || clients > CLIENTS_MAX;
        socket.data = { lines: new LineReader(), refused };
        if (refused) socket.end();
      },
      close() {
        clients--;
      },
      async data(socket, chunk) {
        if (socket.data.refused) return;
        let lines: string[];
        try {
          lines = socket.data.lines.push(chunk);
        } catch {
          socket.end();
          return;
        }
        for (const line of lines) socket.write(`${JSON.stringify(await answer(methods, line))}\n`);
      },
    },
  });
  chmodSync(path, 0o600);
  return {
    close() {
      server.stop(true);
      rmSync(path, { force: true });
    },
  };
}

async function answer(methods: Readonly<Record<string, Handler>>, line: string): Promise<Reply> {
  const request = parseRequest(line);
  if (!request) return { id: 0, error: { code: "api/malformed", message: "the line is no request", hint: null } };
  const handler = Object.hasOwn(methods, request.method) ? methods[request.method] : undefined;
  if (!handler) {
    const hint = "daemon and command line may be of different releases";
    return { id: request.id, error: { code: "api/unknown-method", message: `no method "${request.method}"`, hint } };
  }
  try {
    return { id: request.id, result: await handler(request.params) };
  } catch (thrown) {
    return { id: request.id, error: toWireError(thrown) };
  }
}
