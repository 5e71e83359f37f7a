/**
 * One TCP connection that carries numbered bytes at a steady rate, to see whether it outlives what happens below it.
 *
 *   bun stream.ts send ADDRESS PORT     connects, and writes a kilobyte every 10 ms until it is ended
 *   bun stream.ts receive PORT          takes connections; for each line of standard input prints `Progress` as JSON
 */
import { connect, createServer } from "node:net";
import { Lines } from "./lines.ts";
import type { TestGateway } from "./netns.ts";
import { PATIENCE, until } from "./shell.ts";

/** Since the start: bytes in the order in which they were sent, connections, those of them that have ended, and bytes out of order. */
export interface Progress {
  readonly bytes: number;
  readonly connections: number;
  readonly ended: number;
  readonly wrong: number;
}

const PORT = "9100";
const CHUNK = 1024;
const byteAt = (at: number): number => (at * 7 + (at >> 8)) & 255;

function send(address: string, port: number): void {
  let sent = 0;
  const socket = connect({ host: address, port, family: 6 }, () => {
    setInterval(() => {
      if (socket.writableLength > 64 * CHUNK) return; // the way is closed: no need to keep all that waits
      socket.write(Uint8Array.from({ length: CHUNK }, (_, i) => byteAt(sent + i)));
      sent += CHUNK;
    }, 10);
  });
  socket.on("close", () => process.exit(1));
  socket.on("error", () => process.exit(1));
}

async function receive(port: number): Promise<void> {
  const progress = { bytes: 0, connections: 0, ended: 0, wrong: 0 };
  const server = createServer((socket) => {
    let at = 0;
    progress.connections++;
    socket.on("data", (data) => {
      for (const byte of data as Uint8Array) if (byte !== byteAt(at++)) progress.wrong++;
      progress.bytes += data.length;
    });
    socket.on("close", () => progress.ended++);
    socket.on("error", () => {});
  });
  server.listen(port, "::");
  for await (const _ of console) console.log(JSON.stringify(progress));
  process.exit(0);
}

/** Such a connection through the tunnel between two gateways. */
export class TcpStream {
  readonly #receive: Bun.Subprocess<"pipe", "pipe">;
  readonly #send: Bun.Subprocess;
  readonly #lines: Lines;

  private constructor(receive: Bun.Subprocess<"pipe", "pipe">, send: Bun.Subprocess) {
    this.#receive = receive;
    this.#send = send;
    this.#lines = new Lines(receive.stdout);
  }

  /** Resolves when it carries something. */
  static async start(from: TestGateway, to: TestGateway): Promise<TcpStream> {
    const { address } = await to.json<{ address: string }>("status");
    const run = (g: TestGateway, ...words: readonly string[]): string[] =>
      g.inside(process.execPath, import.meta.path, ...words);
    const receive = Bun.spawn(run(to, "receive", PORT), { stdin: "pipe", stdout: "pipe", stderr: "inherit" });
    await until("the listener", PATIENCE, async () =>
      (await new Response(Bun.spawn(to.inside("ss", "-ltnH")).stdout).text()).includes(`:${PORT}`) ? true : undefined,
    );
    const send = Bun.spawn(run(from, "send", address, PORT), { stdin: "ignore", stdout: "ignore", stderr: "inherit" });
    const stream = new TcpStream(receive, send);
    await stream.goesOn();
    return stream;
  }

  async progress(): Promise<Progress> {
    this.#receive.stdin.write("\n");
    await this.#receive.stdin.flush();
    return JSON.parse(await this.#lines.next()) as Progress;
  }

  /** Resolves when more has come than had when it was called, and a second time: what was on its way before does not count. */
  async goesOn(): Promise<Progress> {
    await this.#more(256 * CHUNK);
    return await this.#more(CHUNK);
  }

  async #more(least: number): Promise<Progress> {
    const { bytes } = await this.progress();
    return await until("the stream to go on", PATIENCE, async () => {
      const now = await this.progress();
      if (now.ended > 0) throw new Error("the connection has ended");
      return now.bytes >= bytes + least ? now : undefined;
    });
  }

  async end(): Promise<void> {
    for (const program of [this.#send, this.#receive]) program.kill();
    await Promise.all([this.#send.exited, this.#receive.exited]);
  }
}

if (import.meta.main) {
  const [what, ...rest] = process.argv.slice(2);
  if (what === "send") send(rest[0] as string, Number(rest[1]));
  else await receive(Number(rest[0]));
}
