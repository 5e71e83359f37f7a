/** Members as a broker sees them: each listens on a topic of its own and on one that all have, and writes letters to the others. */
import { connect, type Socket } from "node:net";
import { generate, parser } from "mqtt-packet";
import { until } from "../../test/help/shell.ts";

const COMMON = "trellis/m";
/** What letters are on average where a record a second is written (`test/sim/brokers.test.ts` has the world that says so). */
const LETTER = Buffer.alloc(300);
/** Letters on their way at most, so that no queue of a broker overflows. */
const WINDOW = 200;

export class MemberClient {
  readonly topic: string;
  readonly #socket: Socket;
  received = 0;
  onLetter: (() => void) | undefined;

  private constructor(name: string, socket: Socket) {
    this.topic = `${COMMON}/${name}`;
    this.#socket = socket;
  }

  /** Subscribed when it resolves. */
  static async join(name: string, port: number): Promise<MemberClient> {
    const socket = connect({ host: "127.0.0.1", port });
    const member = new MemberClient(name, socket);
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const packets = parser({ protocolVersion: 4 });
    packets.on("packet", (packet) => {
      if (packet.cmd === "connack" && packet.returnCode !== 0) reject(new Error(`refused: ${packet.returnCode}`));
      if (packet.cmd === "connack") member.#subscribe();
      if (packet.cmd === "suback") resolve();
      if (packet.cmd !== "publish") return;
      member.received++;
      member.onLetter?.();
    });
    socket.on("data", (data: Buffer) => packets.parse(data));
    socket.on("error", reject);
    socket.on("close", () => reject(new Error("closed")));
    socket.write(generate({ cmd: "connect", clientId: name, clean: true, keepalive: 60, protocolId: "MQTT" }));
    await promise;
    return member;
  }

  #subscribe(): void {
    const subscriptions = [COMMON, this.topic].map((topic) => ({ topic, qos: 0 as const }));
    this.#socket.write(generate({ cmd: "subscribe", messageId: 1, subscriptions }));
  }

  write(topic: string): void {
    const packet = { cmd: "publish", topic, payload: LETTER, qos: 0, dup: false, retain: false } as const;
    this.#socket.write(generate(packet));
  }

  announce(): void {
    this.write(COMMON);
  }

  leave(): void {
    this.#socket.destroy();
  }
}

/** `count` of them, in turn at the nodes of a cluster, which may be starting still. */
export async function crowd(count: number, ports: readonly number[], prefix = "c"): Promise<MemberClient[]> {
  for (const [i, port] of ports.entries())
    await until(`the broker at ${port}`, 120_000, async () => {
      const probe = await MemberClient.join(`probe${prefix}${i}`, port).catch(() => undefined);
      probe?.leave();
      return probe;
    });
  const all: MemberClient[] = [];
  for (let i = 0; i < count; i++) all.push(await MemberClient.join(`${prefix}${i}`, ports[i % ports.length] as number));
  return all;
}

const total = (members: readonly MemberClient[]): number => members.reduce((sum, m) => sum + m.received, 0);

/** Sends until `deliveries` are there; each call of `send` makes `each` of them. Throws where some are lost. */
export async function deliver(
  members: readonly MemberClient[],
  deliveries: number,
  each: number,
  send: (i: number) => void,
): Promise<void> {
  const begun = total(members);
  let sent = 0;
  let moved = performance.now();
  for (let before = -1; ; ) {
    const got = total(members) - begun;
    if (got >= deliveries) return;
    if (got !== before) moved = performance.now();
    if (performance.now() > moved + 20_000) throw new Error(`${got} of ${deliveries} came`);
    before = got;
    for (; sent * each < deliveries && sent * each - got < WINDOW; sent++) send(sent);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** Each in turn to another, who is mostly at another node. */
export const letters = (members: readonly MemberClient[], count: number): Promise<void> =>
  deliver(members, count, 1, (i) => {
    const to = members[(i * 7 + 3) % members.length] as MemberClient;
    members[i % members.length]?.write(to.topic);
  });

export const announcements = (members: readonly MemberClient[], count: number): Promise<void> =>
  deliver(members, count * members.length, members.length, (i) => members[i % members.length]?.announce());
