import { call } from "../api/client.io.ts";
import { TrellisError } from "../base/errors.ts";
import { age, command, print, socketOf } from "./context.ts";

interface Pong {
  readonly [key: string]: string | number | null;
  readonly name: string;
  readonly roundTripMs: number | null;
  readonly path: string | null;
  readonly handshakeAgeMs: number | null;
}

export const ping = command<{ peer: string; count: number; interval: number }>({
  command: "ping <peer>",
  describe: "ask another gateway's daemon for a sign of life",
  options: (y) =>
    y
      .positional("peer", { type: "string", describe: "name, overlay address, or beginning of the node id" })
      .option("count", { alias: "c", type: "number", default: 3 })
      .option("interval", { alias: "i", type: "number", default: 1, describe: "seconds" })
      .example("trellis ping b -c 1", "once"),
  async run(args) {
    let heard = 0;
    for (let i = 0; i < args.count; i++) {
      if (i > 0) await Bun.sleep(1000 * args.interval);
      const pong = await call<Pong>(socketOf(args), "ping", { peer: args.peer });
      if (pong.roundTripMs !== null) heard++;
      const rtt = pong.roundTripMs === null ? "no answer" : `${pong.roundTripMs.toFixed(2)} ms`;
      print(args, pong, () => [
        `${pong.name}: ${rtt}, ${pong.path ?? "no path"}, handshake ${age(pong.handshakeAgeMs)} ago`,
      ]);
    }
    if (heard === 0) {
      throw new TrellisError("ping/silent", `${args.peer} did not answer`, {
        hint: "trellis peers shows what is known of it",
      });
    }
  },
});
