/** Connections to a cluster of brokers, by one address: three nodes of Debian's nats-server. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ENVELOPE_MAX } from "../../runtime/sync/rendezvous/envelope.ts";
import { certificates } from "../help/mosquitto.ts";
import { NATS, NatsCluster } from "../help/nats.ts";
import { able } from "../help/require.ts";
import { PATIENCE, until } from "../help/shell.ts";
import { ToldLink } from "../help/told-link.ts";

const FILE = "test/loopback/nats.test.ts";
if (NATS === null) console.log(`SKIP ${FILE}: no \`nats-server\` on this machine`);
const can = able(FILE, "command:openssl") && NATS !== null;

describe.skipIf(!can)("links to a cluster of brokers", () => {
  const folder = mkdtempSync(join(tmpdir(), "trellis-nats-"));
  const pem = (name: string): Buffer => readFileSync(join(folder, name));
  const links: ToldLink[] = [];
  let cluster: NatsCluster;
  const open = async (topic: string, ...order: readonly number[]): Promise<ToldLink> => {
    const credentials = { ca: pem("ca.pem"), cert: pem("client.pem"), key: pem("client.key") };
    const told = new ToldLink(`mqtts://localhost:${await cluster.balance(...order)}`, credentials, topic);
    links.push(told);
    await told.untilUp();
    return told;
  };
  let a: ToldLink;
  let b: ToldLink;

  beforeAll(async () => {
    await certificates(folder, "DNS:localhost");
    cluster = await NatsCluster.start(3, folder);
    [a, b] = [await open("trellis/a", 2, 1), await open("trellis/b", 0, 1)];
  });
  afterAll(async () => {
    for (const { link } of links) link.close();
    await cluster?.remove();
    rmSync(folder, { recursive: true, force: true });
  });

  /** A node learns from the others who listens where; until then what is published there is lost. */
  const untilHeard = (from: ToldLink, to: ToldLink, topic: string, text: string): Promise<true> =>
    until(`${text} on ${topic}`, PATIENCE, async () => {
      from.link.publish(topic, Buffer.from(text));
      await Bun.sleep(50);
      return to.got.includes(`${topic} ${text}`) || undefined;
    });

  test("reach each other from node to node, with messages as large as they may be", async () => {
    await untilHeard(b, a, "trellis/a/own", "first");
    await untilHeard(a, b, "trellis/b", "back");
    const before = a.bytes;
    b.link.publish("trellis/a", new Uint8Array(ENVELOPE_MAX));
    await until("the large one", PATIENCE, async () => a.bytes >= before + ENVELOPE_MAX || undefined);
  });

  test("go on at another node when theirs dies", async () => {
    await cluster.kill(2);
    await a.untilUp(2);
    await untilHeard(b, a, "trellis/a", "after");
    expect(b.ups).toBe(1); // its node was another
  });
});
