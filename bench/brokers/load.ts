/** What a mesh asks of a broker, in the simulator: members that meet nowhere else, idle and while some of them write. */
import { minutes, seconds } from "../../runtime/base/time.ts";
import { BrokerWorld, SimBroker, type Station } from "../../test/sim/broker-world.ts";

export interface Load {
  /** What each member publishes while nothing changes, 1/s. */
  readonly idle: number;
  /** For each record and member. */
  readonly letters: number;
  readonly bytes: number;
}

const IDLE = minutes(10);
const RECORDS = 60;

/** `rate`: records of 100 bytes a second, by all in turn. */
export async function loadOf(members: number, rate: number): Promise<Load> {
  const world = new BrokerWorld(`load ${members} ${rate}`);
  const broker = new SimBroker(world, "broker");
  const stations: Station[] = [];
  for (let i = 0; i < members; i++) stations.push(await world.station(`g${i}`));
  for (const station of stations) station.connect(broker);
  await world.run(minutes(3));
  const before = broker.log.length;
  await world.run(IDLE);
  const [letters, bytes] = [broker.log.length, broker.bytes];
  for (let i = 0; i < RECORDS; i++) {
    await stations[i % members]?.gateway.write("application", `k${i}`, "x".repeat(100));
    await world.run(seconds(1) / rate);
  }
  if ((await world.until(() => world.agree(), minutes(1))) === undefined) throw new Error("they do not agree");
  const each = RECORDS * members;
  return {
    idle: (letters - before) / (IDLE / 1_000) / members,
    letters: (broker.log.length - letters) / each,
    bytes: (broker.bytes - bytes) / each,
  };
}
