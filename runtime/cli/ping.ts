import { call } from "../api/client.io.ts";
import { TrellisError } from "../base/errors.ts";
import { flag, integer } from "../config/parsers.ts";
import { command, option } from "./command.ts";
import { print, socketOf } from "./context.ts";
import { peerWord } from "./peer-word.ts";
import { age } from "./show.ts";

interface Pong {
  readonly name: string;
  readonly roundTripMs: number | null;
  readonly path: string | null;
  /** Gateways on the way, the last is the peer. */
  readonly way: readonly string[];
  /** Bytes of an IP packet of the underlay. */
  readonly pathMtu: number | null;
  readonly handshakeAgeMs: number | null;
}

export const ping = command({
  name: "ping",
  doc: "ask another gateway's daemon for a sign of life",
  positionals: { peer: peerWord },
  options: {
    count: option({ key: "count", short: "c", fallback: 3, unit: "", doc: "how often", parse: integer(1, 1_000_000) }),
    interval: option({
      key: "interval",
      short: "i",
      fallback: 1,
      unit: "seconds",
      doc: "between two of them",
      parse: integer(0, 3600),
    }),
    path: option({
      key: "path",
      fallback: false,
      unit: "",
      doc: "name every gateway on the way, and its MTU",
      parse: flag,
    }),
  },
  examples: [
    ["trellis ping b -c 1", "once"],
    ["trellis ping b --path", "each time with the way that is taken now; trellis trace b asks each on it"],
  ],
  async run(args) {
    let heard = 0;
    for (let i = 0; i < args.count; i++) {
      if (i > 0) await Bun.sleep(1000 * args.interval);
      const pong = await call<Pong>(socketOf(args), "ping", { peer: args.peer });
      if (pong.roundTripMs !== null) heard++;
      const rtt = pong.roundTripMs === null ? "no answer" : `${pong.roundTripMs.toFixed(2)} ms`;
      print(args, pong, () => [
        `${pong.name}: ${rtt}, ${args.path ? wayOf(pong) : (pong.path ?? "no path")}, handshake ${age(pong.handshakeAgeMs)} ago`,
      ]);
    }
    if (heard === 0) {
      throw new TrellisError("ping/silent", `${args.peer} did not answer`, {
        hint: "trellis peers shows what is known of it",
      });
    }
  },
});

function wayOf({ way, path, pathMtu }: Pong): string {
  const mtu = pathMtu === null ? "" : `, MTU ${pathMtu}`;
  return way.length > 1 ? `over ${way.slice(0, -1).join(" > ")}${mtu}` : `${path ?? "no path"}${mtu}`;
}
