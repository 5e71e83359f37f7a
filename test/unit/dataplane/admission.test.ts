/** What the kernel's tables are told, in which order, and what happens when they are full. */
import { describe, expect, test } from "bun:test";
import type { IngressFilter } from "../../../runtime/dataplane/addon.io.ts";
import { Admission } from "../../../runtime/dataplane/admission.io.ts";
import { FRAME } from "../../../runtime/mesh/frame.ts";

const KEYS = { macKey: new Uint8Array(16).fill(1), cookieSecrets: [new Uint8Array(16).fill(2)] };
const AT = { address: "192.0.2.1", port: 5000 };

/** A filter that writes down what it is told; `room` entries fit. */
function filter(room = Number.POSITIVE_INFINITY): { readonly told: string[]; readonly filter: IngressFilter } {
  const told: string[] = [];
  const write = (line: string): void => {
    if (told.length >= room) throw new Error("E2BIG: no room");
    told.push(line);
  };
  return {
    told,
    filter: {
      attach() {},
      counters: () => [],
      run: () => true,
      close() {},
      keys: (keys) => void told.push(keys ? `keys ${keys.length}` : "no keys"),
      session: (index, isOurs) => write(`${isOurs ? "+" : "-"}session ${index}`),
      peer: (address, isThere) => write(`${isThere ? "+" : "-"}peer ${address}`),
      called: (address) => write(`called ${address}`),
    },
  };
}

describe("admission", () => {
  test("follows sessions and addresses of peers", () => {
    const { told, filter: f } = filter();
    const admission = new Admission(f);
    expect(admission.reason).toBe("no keys yet");
    admission.keys(KEYS);
    expect(admission.reason).toBe("");
    admission.install("fd00::1", 7, AT);
    admission.install("fd00::1", 8, AT);
    admission.place("fd00::1", { address: "2001:db8::1", port: 5000 });
    admission.place("fd00::1", { address: "fd00::1", port: 0 }); // through the mesh: no address of the underlay
    admission.remove(7);
    admission.forget("fd00::1");
    expect(told).toEqual([
      "keys 48",
      "+session 7",
      "+peer 192.0.2.1",
      "+session 8",
      "+peer 2001:db8::1",
      "-peer 192.0.2.1",
      "-peer 2001:db8::1",
      "-session 7",
      "-session 8",
    ]);
  });

  test("lets those answer whom we call over the underlay", () => {
    const { told, filter: f } = filter();
    const admission = new Admission(f);
    const handshake = Uint8Array.of(FRAME.handshake);
    admission.sending([
      { endpoint: AT, payload: handshake },
      { endpoint: { address: "fd00::1", port: 0 }, payload: handshake },
      { endpoint: { ...AT, address: "192.0.2.2" }, payload: Uint8Array.of(FRAME.cookie) },
    ]);
    expect(told).toEqual(["called 192.0.2.1"]);
  });

  test("is suspended for good when an entry is not taken, and says why", () => {
    const { told, filter: f } = filter(2);
    const admission = new Admission(f);
    admission.keys(KEYS);
    admission.install("fd00::1", 7, AT);
    expect(told).toEqual(["keys 48", "+session 7", "no keys"]);
    expect(admission.reason).toContain("no room");
    admission.keys(KEYS);
    admission.install("fd00::2", 8, AT);
    expect(told).toHaveLength(3);
  });
});
