/** Two programs of the relay on one device: that of a daemon which is gone, and before it that of the next one, which knows some by now. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { HELLO } from "../../runtime/mesh/frame.ts";
import { helloFrame, onward } from "../help/relay-frames.ts";
import { ethernetFrame } from "../help/underlay-packet.ts";
import { CODE, canRun, hex, Lab } from "./relay-kit.ts";
import type { LabAnswers } from "./relay-lab.ts";
import { arriving, flow, INNER, leaving, type Name, OWN } from "./relay-wire.ts";

const { pass, drop, redirect } = CODE.tc;

describe.skipIf(!canRun("test/bpf/succession.test.ts"))("a relay behind that of the next daemon", () => {
  let lab: Lab;
  beforeAll(async () => {
    lab = await Lab.start();
  });
  afterAll(() => lab?.end());

  const send = (payload: Uint8Array, knows: { known?: Name; reached?: Name } = {}): Promise<LabAnswers["succession"]> =>
    lab.ask({ call: "succession", frame: hex(ethernetFrame(arriving("a", payload))), ...knows });
  const atB = (payload: Uint8Array): string =>
    hex(ethernetFrame(leaving("b", onward(payload, { from: OWN, to: "b" }))));

  test("relays between neighbours of whom the next one knows nobody", async () => {
    const payload = flow("a", "b");
    const { later, earlier } = await send(payload);
    expect(later).toMatchObject({ code: pass });
    expect(later.verdict).toBeUndefined();
    expect(earlier).toMatchObject({ code: redirect, verdict: "forward", frame: atB(payload) });
  });

  test("relays from a neighbour whom the next one has met to one whom it has not, by the next one's check", async () => {
    const payload = flow("a", "b");
    const { later, earlier } = await send(payload, { known: "a" });
    expect(later).toMatchObject({ code: pass });
    expect(earlier).toMatchObject({ code: redirect, verdict: "forward", frame: atB(payload) });
  });

  test("sees nothing of what the next one relays", async () => {
    const payload = flow("a", "b");
    const { later, earlier } = await send(payload, { known: "a", reached: "b" });
    expect(later).toMatchObject({ code: redirect, verdict: "forward", frame: atB(payload) });
    expect(earlier).toBeUndefined();
  });

  test("answers hellos of neighbours whom the next one has not met", async () => {
    await lab.ask({ call: "lease", ms: 60_000 });
    const { later, earlier } = await send(helloFrame({ from: "a", to: OWN }, { kind: HELLO.ask }));
    expect(later).toMatchObject({ code: pass });
    expect(earlier).toMatchObject({ code: redirect, verdict: "reply" });
  });

  test.each([
    ["a tag that is wrong for the next one", flow("b", "a"), { known: "b" as Name }, "badTag"],
    ["the last hop, for the next one", flow("a", "b", INNER, { ttl: 1 }), { known: "a" as Name }, "expired"],
  ])("does not get what the next one drops: %s", async (_, payload, knows, verdict) => {
    const wrong = verdict === "badTag" ? payload.with(payload.length - INNER.length - 1, 1) : payload;
    const { later, earlier } = await send(wrong, knows);
    expect(later).toMatchObject({ code: drop, verdict });
    expect(earlier).toBeUndefined();
  });

  test("drops a frame in transit whose tag is wrong, where the next one knows nobody", async () => {
    const payload = flow("a", "b");
    const { earlier } = await send(payload.with(payload.length - INNER.length - 1, 1));
    expect(earlier).toMatchObject({ code: drop, verdict: "badTag" });
  });

  test("leaves to the next one's forwarder what it does not know either", async () => {
    const { later, earlier } = await send(flow("a", "b", INNER, { link: 7 }));
    expect(later).toMatchObject({ code: pass });
    expect(earlier).toMatchObject({ code: pass });
    expect(earlier?.verdict).toBeUndefined();
  });
});
