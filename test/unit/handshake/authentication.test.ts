import { describe, expect, test } from "bun:test";
import { native } from "../../../runtime/crypto/native.ts";
import { generateKeys } from "../../../runtime/identity/keys.ts";
import { instanceOf } from "../../../runtime/mesh/handshake/fragment.ts";
import { firstMacKey, setMac } from "../../../runtime/mesh/handshake/mac.ts";
import { MESSAGE } from "../../../runtime/mesh/handshake/message.ts";
import { MESH_ID, Net } from "../../help/handshake-pair.ts";
import { seededRandom } from "../../help/seeded.ts";

describe("a responder", () => {
  test.each(["ed25519", "mlDsa65"] as const)("takes no member that cannot sign with %s", async (half) => {
    const net = new Net(native, seededRandom(`member ${half}`));
    const [a, b] = [await net.add("a"), await net.add("b")];
    a.keys.secrets[half].fill(1);
    net.perform(a, await a.machine.contact(b.member.id, b.endpoint, net.now));
    await net.run(2000);
    expect(b.sessions).toHaveLength(0);
  });

  test.each(["ed25519", "mlDsa65"] as const)("spends no invite on a joiner that cannot sign with %s", async (half) => {
    const net = new Net(native, seededRandom(`joiner ${half}`));
    let asked = 0;
    const admit = async () => {
      asked++;
      return { accepted: false, code: "invite/used", message: "used up" } as const;
    };
    const secret = new Uint8Array(16).fill(2);
    const b = await net.add("b", { admission: { secretOf: () => secret, admit } });
    const a = await net.add("a", { member: false });
    a.keys.secrets[half].fill(1);
    const target = { meshId: MESH_ID, issuerId: b.keys.id, inviteId: new Uint8Array(8), secret };
    net.perform(a, await a.machine.join(target, "a", b.endpoint, net.now));
    await net.run(2000);
    expect(asked).toBe(0);
  });

  test.each([
    ["x25519", new Uint8Array(32)],
    ["mlKem768", new Uint8Array(1184).fill(0xff)],
  ] as const)("spends no invite on a joiner whose %s key nobody could answer", async (half, key) => {
    for (const bad of [false, true]) {
      const net = new Net(native, seededRandom(`unanswerable ${half}`));
      let asked = 0;
      const admit = async () => {
        asked++;
        return { accepted: false, code: "invite/used", message: "used up" } as const;
      };
      const secret = new Uint8Array(16).fill(2);
      const b = await net.add("b", { admission: { secretOf: () => secret, admit } });
      const keys = await generateKeys(native, net.random);
      const shown = { ...keys, public: { ...keys.public, ...(bad ? { [half]: key } : {}) } };
      const a = await net.add("a", { member: false, keys: shown });
      const target = { meshId: MESH_ID, issuerId: b.keys.id, inviteId: new Uint8Array(8), secret };
      net.perform(a, await a.machine.join(target, "a", b.endpoint, net.now));
      await net.run(2000);
      expect([asked, b.meter.get("handshake.drop.keys")]).toEqual(bad ? [0, 1] : [1, 0]);
    }
  });

  test("takes no K3 whose confirmation is not the exchange's, though its biscuit is", async () => {
    const net = new Net(native, seededRandom("confirmation"));
    const [a, b] = [await net.add("a"), await net.add("b")];
    net.introduce(a, b);
    net.wire = (p) => {
      if (p.payload[0] !== 1 || p.payload[2] !== MESSAGE.k3) return [p];
      const forged = p.payload.slice();
      forged[forged.length - 1] = (forged.at(-1) as number) ^ 1;
      new DataView(forged.buffer).setUint16(6, instanceOf(native, forged.subarray(32)), true);
      return [{ ...p, payload: setMac(firstMacKey(native, MESH_ID, b.keys.id), forged) }];
    };
    net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
    await net.run(2000);
    expect(b.meter.get("handshake.drop.authentication")).toBeGreaterThan(0);
    expect(b.sessions).toHaveLength(0);
  });

  test("takes no K3 of a member that was revoked after K2 went out", async () => {
    const net = new Net(native, seededRandom("revoked late"));
    const [a, b] = [await net.add("a"), await net.add("b")];
    net.introduce(a, b);
    net.perform(a, await a.machine.connect(b.member, b.endpoint, net.now));
    await net.run(35);
    expect(net.sent.some((p) => p.payload[0] === 1 && p.payload[2] === MESSAGE.k2)).toBe(true);
    b.known.clear();
    b.machine.forget(a.keys.id);
    await net.run(3000);
    expect(b.meter.get("handshake.drop.authentication")).toBeGreaterThan(0);
    expect(b.sessions).toHaveLength(0);
  });
});
