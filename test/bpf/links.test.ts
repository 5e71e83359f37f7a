/** A neighbour with two links, through the three implementations: which one carries, and what brings another. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { HELLO, HelloFrame } from "../../runtime/mesh/frame.ts";
import { helloFrame, relayFrame } from "../help/relay-frames.ts";
import { until } from "../help/shell.ts";
import { ethernetFrame } from "../help/underlay-packet.ts";
import { canRun, fromHex, Lab, WAYS, type Way } from "./relay-kit.ts";
import { arriving, INNER, type Name, ON_WIRE, OWN } from "./relay-wire.ts";

describe.skipIf(!canRun("test/bpf/links.test.ts"))("links", () => {
  let lab: Lab;
  const hop = { from: "a", to: OWN };

  beforeAll(async () => {
    lab = await Lab.start();
    await lab.ask({ call: "lease", ms: 3_600_000 });
    await lab.ask({ call: "places", peer: "a", places: ["a2"] });
    await lab.ask({ call: "route", destination: "8", primary: "a", backup: "b" });
  });
  afterAll(() => lab?.end());

  /** Where a frame for the route 8 goes; no answer: to nobody on the wire. */
  async function next(way: Way): Promise<Name | undefined> {
    const frame = relayFrame({ from: "d", to: OWN }, "d", "8", INNER); // tagged by d, as if d were on IPv4
    if (way === "userspace")
      return (await lab.ask({ call: "userspace", payload: Buffer.from(frame).toString("hex") })).to as Name;
    const { frame: sent } = await lab.run(way, ethernetFrame(arriving("b", frame)));
    const mac = Buffer.from(fromHex(sent).subarray(0, 6)).toString("hex");
    return (Object.keys(ON_WIRE) as Name[]).find((name) => ON_WIRE[name].mac.replaceAll(":", "") === mac);
  }
  /**
   * Until frames go to `name`, whom all hear meanwhile unless it is `b`, who was never asked: the tunnel's own thread takes back what was promised
   * for long when it asks more often, as it does over a link that comes to carry, and here nobody answers it.
   */
  const all = (name: Name): Promise<true> =>
    until(`frames to go to ${name}`, 30_000, async () => {
      if (name !== "b") for (const way of WAYS) await lab.untilHeard(way, name, 60_000);
      for (const way of WAYS) if ((await next(way)) !== name) return undefined;
      return true;
    });

  test("a place that has not answered does not carry", async () => {
    for (const way of WAYS) expect(await next(way)).toBe("a");
    for (const way of WAYS) await lab.untilHeard(way, "a", 300);
    await all("b"); // the backup, since the place has answered nobody
  });

  test.each(WAYS)("questions from the place are answered there: %s", async (way) => {
    const got = await lab.greet(way, "a2", helloFrame(hop, { patience: 777 }));
    expect(got).toMatchObject({ verdict: "reply", to: "a2" });
  });

  test.each(WAYS)("an answer counts for the link that was asked, from its end: %s", async (way) => {
    const { payload } = await lab.greet(way, "a2", helloFrame(hop));
    const { answered } = HelloFrame.decode(fromHex(payload ?? "")) ?? { answered: 0n };
    const confirm = helloFrame(hop, { kind: HELLO.confirm, patience: 60_000, answered });
    expect(await lab.greet(way, "a", confirm)).toEqual({ verdict: "elsewhere" });
  });

  test("a place that has answered is a link: it carries while the first is silent, and goes on when that is back", async () => {
    for (const way of WAYS) await lab.untilHeard(way, "a2", 60_000);
    for (const way of WAYS) await lab.untilHeard(way, "a", 300);
    await all("a2");
    for (const way of WAYS) {
      for (const name of ["a2", "a"] as const) await lab.untilHeard(way, name, 60_000);
      expect(await next(way)).toBe("a2");
    }
  });

  test("the backup carries once all links are silent", async () => {
    for (const way of WAYS) for (const name of ["a", "a2"] as const) await lab.untilHeard(way, name, 300);
    await all("b");
    await all("a");
  });

  test("a link that is taken away carries no more", async () => {
    for (const way of WAYS)
      for (const name of ["a2", "a"] as const) await lab.untilHeard(way, name, name === "a" ? 300 : 60_000);
    await all("a2");
    await lab.ask({ call: "places", peer: "a", places: [] });
    await all("b");
  });
});
