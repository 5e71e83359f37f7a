/** The control socket: 0600 in the 0700 state directory, and the kernel's word for who is calling where the addon is there. */
import { chmodSync, rmSync } from "node:fs";
import { TrellisError } from "../base/errors.ts";
import type { Log } from "../base/log.ts";
import { Outgoing } from "./outgoing.ts";
import { type Json, type JsonObject, LINE_MAX, LineReader, parseRequest, type Reply, toWireError } from "./protocol.ts";

export type Handler = (params: JsonObject) => Promise<Json>;
export type PeerUid = (fd: number) => number | undefined;

const CLIENTS_MAX = 32;
/** Bytes of a socket's path: sun_path less its zero byte (unix(7)). */
const PATH_MAX = 107;

interface Client {
  readonly lines: LineReader;
  readonly out: Outgoing;
  /** Turned away: what it has sent already is not looked at. */
  readonly refused: boolean;
}

export interface ControlServer {
  close(): void;
}

/** Throws `api/listen`. `methods` by name. A caller that is neither root nor our own user is turned away. */
export function serveControl(
  path: string,
  methods: Readonly<Record<string, Handler>>,
  uidOf: PeerUid,
  log: Log,
): ControlServer {
  let clients = 0;
  const server = listen(path, {
    open(socket) {
      clients++;
      const uid = uidOf((socket as unknown as { fd: number }).fd);
      const foreign = uid !== undefined && uid !== 0 && uid !== process.getuid?.();
      if (foreign) log.warn("control connection refused", { uid });
      const refused = foreign || clients > CLIENTS_MAX;
      socket.data = { lines: new LineReader(LINE_MAX), out: new Outgoing((chunk) => socket.write(chunk)), refused };
      if (refused) socket.end();
    },
    close() {
      clients--;
    },
    drain: (socket) => socket.data.out.drain(),
    async data(socket, chunk) {
      if (socket.data.refused) return;
      let lines: string[];
      try {
        lines = socket.data.lines.push(chunk);
      } catch {
        socket.end();
        return;
      }
      for (const line of lines)
        if (!socket.data.out.send(`${JSON.stringify(await answer(methods, line))}\n`)) return socket.terminate();
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

function listen(path: string, socket: Bun.SocketHandler<Client>): Bun.UnixSocketListener<Client> {
  if (Buffer.byteLength(path) > PATH_MAX)
    throw new TrellisError("api/listen", `the path of the control socket is longer than ${PATH_MAX} bytes: ${path}`, {
      hint: "choose a shorter --state-dir",
    });
  try {
    rmSync(path, { force: true }); // ours: the caller holds the directory's lock, so it is a killed daemon's
    return Bun.listen<Client>({ unix: path, socket });
  } catch (cause) {
    throw new TrellisError("api/listen", `the control socket ${path} cannot be made`, {
      cause,
      hint: "may this user write there, and is nothing else of that name there?",
    });
  }
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
