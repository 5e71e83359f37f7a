/** DNS over UDP and TCP on one address. Who may not ask, and who asks too much, gets no answer. */
import type { Meter } from "../base/meter.ts";
import { RateLimit } from "../base/rate-limit.ts";
import type { Ms } from "../base/time.ts";
import { answerTo, QUERY_MAX } from "./answer.ts";
import type { Zone } from "./zone.ts";

export const DNS_PORT = 53;

/** Of one source, and of all together: more than programs ask, less than would keep the daemon from its work. */
const RATE = { burst: 200, refill: 10, sources: 1024 } as const;
const RATE_ALL = { burst: 1000, refill: 1 } as const;

const CONNECTIONS_MAX = 64;
/** Of one source. */
const CONNECTIONS_EACH = 8;
const IDLE_MAX = 10; // seconds

export interface NameServerTerms {
  readonly address: string;
  readonly port?: number;
  /** Whether a client with this address is answered. */
  readonly serves: (source: string) => boolean;
  readonly zones: () => readonly Zone[];
  readonly meter: Meter;
  readonly now: () => Ms;
}

export interface NameServer {
  readonly port: number;
  close(): void;
}

interface Client {
  readonly source: string;
  received: Uint8Array;
}

/** Both or neither. Throws what the system says, e.g. EADDRINUSE. */
export async function serveNames(terms: NameServerTerms): Promise<NameServer> {
  const gate = new Gate(terms);
  const { address, zones, meter, port = DNS_PORT } = terms;
  const udp = await Bun.udpSocket({
    hostname: address,
    port,
    socket: {
      data(socket, query, from, source) {
        if (!gate.admits(source)) return;
        const { verdict, message } = answerTo(query, zones());
        meter.count(`names.${verdict}`);
        if (message) socket.send(message, from, source);
      },
      error() {}, // a client that has gone away: its answer is lost
    },
  });
  try {
    const tcp = listen(terms, gate, udp.port);
    return {
      port: udp.port,
      close() {
        udp.close();
        tcp.stop(true);
      },
    };
  } catch (thrown) {
    udp.close();
    throw thrown;
  }
}

/** Who is answered, and how often. */
class Gate {
  readonly #terms: NameServerTerms;
  readonly #each = new RateLimit(RATE.burst, RATE.refill, RATE.sources);
  readonly #all = new RateLimit(RATE_ALL.burst, RATE_ALL.refill, 1);

  constructor(terms: NameServerTerms) {
    this.#terms = terms;
  }

  admits(source: string): boolean {
    const { serves, meter, now } = this.#terms;
    const at = now();
    if (!serves(source)) return this.#drop(meter, "stranger");
    if (!this.#each.has(source, at) || !this.#all.has("", at)) return this.#drop(meter, "overRate");
    this.#each.spend(source, at);
    this.#all.spend("", at);
    return true;
  }

  #drop(meter: Meter, reason: string): false {
    meter.count(`names.drop.${reason}`);
    return false;
  }
}

function listen(
  { address, zones, meter, serves }: NameServerTerms,
  gate: Gate,
  port: number,
): Bun.TCPSocketListener<Client> {
  const open = new Map<string, number>(); // connections by source
  let all = 0;
  return Bun.listen<Client>({
    hostname: address,
    port,
    socket: {
      open(socket) {
        const source = socket.remoteAddress;
        const held = open.get(source) ?? 0;
        socket.data = { source, received: new Uint8Array(0) };
        open.set(source, held + 1);
        all++;
        socket.timeout(IDLE_MAX);
        if (!serves(source) || held >= CONNECTIONS_EACH || all > CONNECTIONS_MAX) {
          meter.count("names.drop.connection");
          socket.terminate();
        }
      },
      close({ data: { source } }) {
        const held = (open.get(source) ?? 1) - 1;
        if (held > 0) open.set(source, held);
        else open.delete(source);
        all--;
      },
      timeout: (socket) => socket.terminate(),
      data(socket, chunk) {
        socket.timeout(IDLE_MAX);
        const { queries, rest } = cut(Buffer.concat([socket.data.received, chunk]));
        if (!rest) return socket.terminate();
        socket.data.received = rest;
        for (const query of queries) {
          if (!gate.admits(socket.data.source)) return socket.terminate();
          const { verdict, message } = answerTo(query, zones(), true);
          meter.count(`names.${verdict}`);
          // Who does not take its answers is not waited for.
          if (!message || socket.write(framed(message)) < message.length + 2) return socket.terminate();
        }
      },
    },
  });
}

/** The whole messages of a stream (RFC 1035 §4.2.2), and what is left of it; no rest when it cannot become a query. */
export function cut(bytes: Uint8Array): {
  readonly queries: readonly Uint8Array[];
  readonly rest: Uint8Array | undefined;
} {
  const queries: Uint8Array[] = [];
  let at = 0;
  while (bytes.length - at >= 2) {
    const length = ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
    if (length > QUERY_MAX) return { queries, rest: undefined };
    if (bytes.length - at - 2 < length) break;
    queries.push(bytes.subarray(at + 2, at + 2 + length));
    at += 2 + length;
  }
  return { queries, rest: bytes.slice(at) };
}

const framed = (message: Uint8Array): Uint8Array => {
  const out = new Uint8Array(message.length + 2);
  out.set([message.length >> 8, message.length & 255]);
  out.set(message, 2);
  return out;
};
