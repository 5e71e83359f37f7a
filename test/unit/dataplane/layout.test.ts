import { describe, expect, test } from "bun:test";
import { isLayoutFresh, layoutHeader } from "../../../native/gen.ts";
import { INGRESS_VERDICTS } from "../../../runtime/dataplane/ingress.ts";
import { FragmentHeader, SealedHeader } from "../../../runtime/mesh/frame.ts";
import { Acknowledge, CookieReply } from "../../../runtime/mesh/handshake/message.ts";

describe("bpf/layout.gen.h", () => {
  test("is what the layouts say now (else: `bun native/gen.ts`)", () => {
    expect(isLayoutFresh()).toBe(true);
  });

  test("asserts the size of every struct and the offset of every field", () => {
    const text = layoutHeader();
    for (const layout of [SealedHeader, FragmentHeader, Acknowledge, CookieReply]) {
      expect(text).toContain(`LAYOUT_ASSERT(sizeof(struct ${layout.name}) == ${layout.size},`);
      for (const at of Object.values(layout.offsets)) expect(text).toContain(`) == ${at}, "${layout.name}.`);
    }
  });

  test("numbers the filter's verdicts in the order of the counters", () => {
    const lines = layoutHeader().split("\n");
    for (const [at, name] of INGRESS_VERDICTS.entries()) {
      expect(lines).toContain(`#define INGRESS_${name.toUpperCase()} ${at}`);
    }
  });
});
