import { describe, expect, test } from "bun:test";
import { isLayoutFresh, layoutHeader } from "../../../native/gen.ts";
import { AdmissionKeys, INGRESS_VERDICTS } from "../../../runtime/dataplane/ingress.ts";
import { RELAY_VERDICTS, RelayNeighbour, RelaySession, RelayState } from "../../../runtime/dataplane/relay-layout.ts";
import { FragmentHeader, RelayHeader, SealedHeader } from "../../../runtime/mesh/frame.ts";
import { Acknowledge, CookieReply } from "../../../runtime/mesh/handshake/message.ts";

describe("bpf/layout.gen.h", () => {
  test("is what the layouts say now (else: `bun native/gen.ts`)", () => {
    expect(isLayoutFresh()).toBe(true);
  });

  test("asserts the size of every struct and the offset of every field", () => {
    const text = layoutHeader();
    const frames = [SealedHeader, FragmentHeader, RelayHeader, Acknowledge, CookieReply];
    for (const layout of [...frames, RelaySession, RelayNeighbour, RelayState, AdmissionKeys]) {
      expect(text).toContain(`LAYOUT_ASSERT(sizeof(struct ${layout.name}) == ${layout.size},`);
      for (const at of Object.values(layout.offsets)) expect(text).toContain(`) == ${at}, "${layout.name}.`);
    }
  });

  test("numbers the verdicts in the order of the counters", () => {
    const lines = layoutHeader().split("\n");
    const snake = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter}`).toUpperCase();
    for (const [at, name] of RELAY_VERDICTS.entries()) {
      expect(lines).toContain(`#define RELAY_VERDICT_${snake(name)} ${at}`);
    }
    for (const [at, name] of INGRESS_VERDICTS.entries()) {
      expect(lines).toContain(`#define INGRESS_${snake(name)} ${at}`);
    }
  });
});
