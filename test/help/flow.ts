/**
 * A flow of small UDP datagrams at a steady rate, and what of it arrives.
 *
 *   bun flow.ts send ADDRESS PORT RATE     numbered datagrams, RATE a second, until it is ended
 *   bun flow.ts receive PORT               for each line of standard input prints what has come since the line before, as JSON
 */
import { createSocket } from "node:dgram";

/** What came between two questions. A gap is a run of numbers that never came, seen when a later one did. */
export interface Arrivals {
  readonly received: number;
  readonly lost: number;
  readonly longestGap: number;
  /** Milliseconds between two arrivals, at most. */
  readonly longestPause: number;
}

async function send(address: string, port: number, rate: number): Promise<never> {
  const socket = createSocket("udp6");
  const start = performance.now();
  for (let next = 0; ; ) {
    const due = Math.floor(((performance.now() - start) * rate) / 1000);
    for (; next <= due; next++) {
      const payload = Buffer.alloc(64);
      payload.writeUInt32LE(next);
      socket.send(payload, port, address, () => {});
    }
    await Bun.sleep(1);
  }
}

async function receive(port: number): Promise<void> {
  const socket = createSocket("udp6");
  let newest = -1;
  let last = Number.NaN;
  const fresh = { received: 0, lost: 0, longestGap: 0, longestPause: 0 };
  let seen = { ...fresh };
  socket.on("message", (payload) => {
    const number = payload.readUInt32LE();
    const now = performance.now();
    seen.received++;
    if (now - last > seen.longestPause) seen.longestPause = now - last;
    last = now;
    if (number <= newest) return void seen.lost--; // it came late, after all
    const gap = newest < 0 ? 0 : number - newest - 1;
    seen.lost += gap;
    seen.longestGap = Math.max(seen.longestGap, gap);
    newest = number;
  });
  socket.bind(port, "::");
  for await (const _ of console) {
    console.log(JSON.stringify(seen));
    seen = { ...fresh };
  }
  socket.close();
}

if (import.meta.main) {
  const [what, ...rest] = process.argv.slice(2);
  if (what === "send") await send(rest[0] as string, Number(rest[1]), Number(rest[2]));
  else await receive(Number(rest[0]));
}
