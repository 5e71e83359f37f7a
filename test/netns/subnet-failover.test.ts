/** One of two gateways that announce the same network dies, freezes or is cut off: what was sent to it goes through the other. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { FAILURES, Failover, PLACES } from "../help/failover.ts";
import { able } from "../help/require.ts";
import { must } from "../help/shell.ts";

const NEEDS = ["root", "tun", "netns", "addon", "command:ip", "command:ping", "command:nft"] as const;

const ready = able("test/netns/subnet-failover.test.ts", ...NEEDS);

describe.skipIf(!ready).each(PLACES)("of two gateways of one subnet %s", (place) => {
  const world = new Failover(place);
  beforeAll(() => world.start(), 120_000);
  afterAll(() => world.remove());

  test.each(FAILURES)("the other takes over when the one in use fails: %s", async (how) => {
    const pings = world.pings();
    await pings.answers(50);
    const used = await world.inUse();
    const other = world.otherThan(used);
    await world.fail(used, how);
    await pings.answers(50);
    await world.untilInUse(other);
    await world.mend(used, how);
    await world.untilReady();
    expect(await world.inUse()).toBe(other); // who came back does not take over again
    await pings.answers(50);
    await pings.end();
  });

  test("the underlay stays out of the mesh, although each has an address in what the other announces", async () => {
    const route = (port: string): Promise<string> =>
      must(world.a.inside("ip", "route", "get", world.far.at(1)[0], "ipproto", "udp", "sport", port));
    const { port } = await world.a.json<{ port: number }>("status");
    expect(await route(`${port === 65535 ? 1 : port + 1}`)).toContain("dev mesh0");
    await expect(route(`${port}`)).rejects.toThrow("unreachable"); // there is no other way there
  });
});
