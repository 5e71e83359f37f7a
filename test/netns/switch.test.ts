/** A flow through a relay whose next wire falls silent: the relay itself takes its backup, also while its daemon stands still. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { Diamond, freeze, Replay, thaw, type Way } from "../help/diamond.ts";
import { until } from "../help/netns.ts";
import { able } from "../help/require.ts";

const FILE = "test/netns/switch.test.ts";
const ready = able(FILE, "root", "tun", "netns", "addon", "command:ip", "command:g++");

const stateOf = (pid: number | undefined): string | undefined =>
  readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1]?.[0];

describe.skipIf(!ready)("a relay whose wire falls silent", () => {
  const diamond = new Diamond();
  const { net } = diamond;
  let way: Way;
  beforeAll(async () => {
    await diamond.start();
    await diamond.flow(1000);
    way = await diamond.way();
  }, 60_000);
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
  }, 60_000);

  test("does so while its daemon stands still, which neither end takes for the end of the link", async () => {
    freeze(way.relay);
    const silent = async (): Promise<true | undefined> =>
      (await diamond.peers(diamond.at("a"))).find((p) => p.name === way.relay.name)?.state === "silent"
        ? true
        : undefined;
    await until("its daemon to be missed", silent, 60_000);
    expect((await diamond.way()).relay).toBe(way.relay);
    await goesOn();
    await net.cut(way.wire);
    await goesOn();
    expect(stateOf(way.relay.pid)).toBe("T");
    await net.mend(way.wire);
    thaw(way.relay);
    await steady();
  }, 120_000);

  test("is not fooled by frames of the silent wire that are played to it again", async () => {
    await steady();
    const replay = await Replay.record(net, way, 2000, 1000);
    await Bun.sleep(1000); // what is to be played
    freeze(way.relay);
    await net.cut(way.wire);
    replay.play();
    await goesOn();
    expect(stateOf(way.relay.pid)).toBe("T");
    expect(await replay.end()).toBeGreaterThan(0);
    await net.mend(way.wire);
    thaw(way.relay);
    const { traffic } = await way.relay.json<{ traffic: { drops: Record<string, number> } }>("status");
    expect(traffic.drops["relay.stale"]).toBeGreaterThan(0);
  }, 60_000);
});
