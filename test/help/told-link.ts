/** A connection to a broker that keeps what it is told. */
import { brokerAddress } from "../../runtime/config/broker-address.ts";
import { type Credentials, MqttLink } from "../../runtime/sync/rendezvous/mqtt-link.io.ts";
import { PATIENCE, until } from "./shell.ts";

const NOTHING: Credentials = { user: undefined, password: undefined, ca: undefined, cert: undefined, key: undefined };

export class ToldLink {
  readonly link: MqttLink;
  /** Topic and first bytes of what came. */
  readonly got: string[] = [];
  readonly reasons: string[] = [];
  ups = 0;
  bytes = 0;

  /** Listens on `topic` and on its `own` below. */
  constructor(url: string, credentials: Partial<Credentials> = {}, topic = "trellis/a") {
    const address = brokerAddress(url);
    if (!address) throw new Error(`${url} is no address`);
    this.link = new MqttLink({
      address,
      clientId: `t${process.pid}n${Math.floor(Math.random() * 1e9)}`,
      topics: [topic, `${topic}/own`],
      credentials: () => ({ ...NOTHING, ...credentials }),
      random: () => 0,
      up: () => {
        this.ups++;
      },
      down: (reason) => this.reasons.push(reason),
      received: (from, payload) => {
        this.bytes += payload.length;
        this.got.push(`${from} ${new TextDecoder().decode(payload.subarray(0, 100))}`);
      },
    });
  }

  untilUp(times = 1): Promise<true> {
    return until(
      `connection number ${times}: ${this.reasons.at(-1)}`,
      PATIENCE,
      async () => this.ups >= times || undefined,
    );
  }

  /** Why there was none, or none any more, the first time. */
  untilDown(): Promise<string> {
    return until("the reason", PATIENCE, async () => this.reasons.at(0));
  }

  untilGot(what: string): Promise<true> {
    return until(`"${what}"`, PATIENCE, async () => this.got.includes(what) || undefined);
  }
}
