/**
 * A flow through a relay whose next wire falls silent: the relay itself takes its backup, also while its daemon stands still. The other relay is
 * dear to the one who sends, so that round trips, which a busy machine makes, do not decide which of the two it is.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Diamond, freeze, Replay, thaw, type Way } from "../help/diamond.ts";
import { until } from "../help/netns.ts";
import { able } from "../help/require.ts";

const FILE = "test/netns/switch.test.ts";
const ready = able(FILE, "root", "tun", "netns", "addon", "command:ip", "command:g++");

/** Datagrams a second: so few that a receiver which waits a second for a core loses none in its socket. */
const RATE = 200;

const stateOf = (pid: number | undefined): string | undefined =>
  readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.[0];

describe.skipIf(!ready)("a relay whose wire falls silent", () => {
  const diamond = new Diamond();
  const { net } = diamond;
  let way: Way;
  beforeAll(async () => {
    await diamond.start({ a: ["--links", "to-s.cost=1000"] });
    const over = async (): Promise<true | undefined> => {
      way = await diamond.way();
      return way.relay.name === "r" || undefined;
    };
    await until("the way over r", over);
    await diamond.flow(RATE);
  });
  afterAll(() => diamond.remove());

  /** Until the flow has been steady on the way that it took first. */
  const steady = (): Promise<true> =>
    until("the flow to be on its way again", async () => {
      await diamond.arrived();
      await Bun.sleep(300);
      const { received, lost } = await diamond.arrived();
      return received > 0 && lost === 0 && (await diamond.way()).relay === way.relay ? true : undefined;
    });
  const goesOn = (): Promise<true> =>
    until("the flow to go on", async () => {
      await diamond.arrived();
      await Bun.sleep(100);
      return (await diamond.arrived()).received > 0 ? true : undefined;
    });

  test("takes its backup, and the wire again when it is mended", async () => {
    await steady();
    await net.cut(way.wire);
    await goesOn();
    await net.mend(way.wire);
    await steady();
  });

  test("does so while its daemon stands still, which neither end takes for the end of the link", async () => {
    freeze(way.relay);
    const silent = async (): Promise<true | undefined> =>
      (await diamond.peers(diamond.at("a"))).find((p) => p.name === way.relay.name)?.state === "silent"
        ? true
        : undefined;
    await until("its daemon to be missed", silent);
    await until("the way over it", async () => (await diamond.way()).relay === way.relay || undefined);
    await goesOn();
    await net.cut(way.wire);
    await goesOn();
    expect(stateOf(way.relay.pid)).toBe("T");
    await net.mend(way.wire);
    thaw(way.relay);
    await steady();
  });

  test("is not fooled by frames of the silent wire that are played to it again", async () => {
    await steady();
    const replay = await Replay.record(net, way, 2000, 1000);
    await steady(); // what is to be played
    freeze(way.relay);
    await net.cut(way.wire);
    replay.play();
    await goesOn();
    expect(stateOf(way.relay.pid)).toBe("T");
    await net.mend(way.wire);
    thaw(way.relay);
    await until("frames that it took for stale", async () => {
      const { traffic } = await way.relay.json<{ traffic: { drops: Record<string, number> } }>("status");
      return (traffic.drops["relay.stale"] ?? 0) > 0 || undefined;
    });
    expect(await replay.end()).toBeGreaterThan(0);
  });
});
