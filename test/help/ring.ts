/**
 * Four gateways with real daemons in a ring, with nothing across it:
 *
 *        a ─1─ b
 *        4     2      the numbers are those of the wires
 *        d ─3─ c
 */
import { type TestGateway, TestNet, until } from "./netns.ts";
import { must } from "./shell.ts";

const RING = ["a", "b", "c", "d"] as const;
export type Corner = (typeof RING)[number];

interface Peer {
  readonly name: string;
  readonly state: string;
  readonly endpoint: string | null;
  readonly via: string | null;
}

/** The wire between two neighbours, as `TestNet.cut` takes it. */
export function wireOf(x: Corner, y: Corner): number {
  const [i, j] = [RING.indexOf(x), RING.indexOf(y)].sort() as [number, number];
  if (j - i === 1) return i + 1;
  if (j - i === 3) return 4;
  throw new Error(`no wire from ${x} to ${y}`);
}

export class Ring {
  readonly net = new TestNet(...RING);

  at = (name: Corner): TestGateway => this.net.at(name);

  /** All know all from a wire across, which is gone when the daemons start anew. */
  async start(): Promise<void> {
    await this.net.buildWires(["a", "b"], ["b", "c"], ["c", "d"], ["d", "a"], ["a", "c"]);
    const a = this.at("a");
    await a.json("init", "--name", "a");
    await a.start();
    for (const name of ["b", "c", "d"] as const) {
      const { token } = await a.json<{ token: string }>("invite");
      await this.at(name).json("join", token, "--name", name);
      await this.at(name).start();
    }
    for (const name of RING) {
      const knowsAll = async (): Promise<true | undefined> =>
        (await this.peers(name)).length === 3 ? true : undefined;
      await until(`the roster of ${name}`, knowsAll);
    }
    for (const g of this.net.gateways) await g.end("SIGTERM");
    await must(["ip", "-n", this.at("a").namespace, "link", "delete", "to-c"]);
    await must(["ip", "-n", this.at("c").namespace, "link", "delete", "to-a"]);
    for (const g of this.net.gateways) g.spawn();
    for (const g of this.net.gateways) await g.untilReady();
    await this.untilWhole();
  }

  peers = async (on: Corner): Promise<Peer[]> => (await this.at(on).json<{ peers: Peer[] }>("peers")).peers;

  /** The neighbour by which `from` reaches `to`; null: directly; undefined: not at all. */
  async via(from: Corner, to: Corner): Promise<Corner | null | undefined> {
    const peer = (await this.peers(from)).find((p) => p.name === to);
    return peer?.state === "up" ? (peer.via as Corner | null) : undefined;
  }

  /** Every wire carries a session, and those across from each other have one over a neighbour. */
  untilWhole(): Promise<true> {
    const whole = async (): Promise<true | undefined> => {
      for (const [i, name] of RING.entries()) {
        for (const peer of await this.peers(name)) {
          const across = peer.name === RING[(i + 2) % RING.length];
          if (peer.state !== "up" || (peer.via !== null) !== across || (peer.endpoint === null) !== across)
            return undefined;
        }
      }
      return true;
    };
    return until("a whole ring", whole);
  }

  remove(): Promise<void> {
    return this.net.remove();
  }
}
