import { call } from "../api/client.io.ts";
import { command, NONE } from "./command.ts";
import { age, print, socketOf, table } from "./context.ts";

interface Peer {
  readonly [key: string]: string | number | null;
  readonly name: string;
  readonly address: string;
  readonly endpoint: string | null;
  readonly state: string;
  readonly wireVersion: number;
  readonly suite: string;
  readonly aead: string | null;
  readonly handshakeAgeMs: number | null;
  readonly roundTripMs: number | null;
}

export const peers = command({
  name: "peers",
  doc: "the other gateways: sessions, suite, path",
  positionals: NONE,
  options: NONE,
  examples: [["trellis peers", "a line per gateway"]],
  async run(args) {
    const answer = await call<{ peers: readonly Peer[] }>(socketOf(args), "peers");
    print(args, answer, () =>
      table(
        ["name", "state", "address", "endpoint", "handshake", "rtt", "wire", "suite", "data"],
        answer.peers.map((p) => [
          p.name,
          p.state,
          p.address,
          p.endpoint ?? "-",
          age(p.handshakeAgeMs),
          p.roundTripMs === null ? "-" : `${p.roundTripMs.toFixed(1)} ms`,
          String(p.wireVersion),
          p.suite,
          p.aead ?? "-",
        ]),
      ),
    );
  },
});
