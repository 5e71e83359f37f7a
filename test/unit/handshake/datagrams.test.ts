/** Machines in the middle of an exchange, fed with what an insider or the wire can make of its datagrams. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { native } from "../../../runtime/crypto/native.ts";
import { acknowledgement } from "../../../runtime/mesh/handshake/acknowledgement.ts";
import { type Fragment, parseFragment } from "../../../runtime/mesh/handshake/fragment.ts";
import { firstMacKey, hasMac, setMac } from "../../../runtime/mesh/handshake/mac.ts";
import { Acknowledge, CookieReply, MESSAGE } from "../../../runtime/mesh/handshake/message.ts";
import { isHandshake, isMessage, MESH_ID, Net, type Packet, type Party, sends } from "../../help/handshake-pair.ts";
import { mutationsOf } from "../../help/nasty.ts";
import { seededRandom } from "../../help/seeded.ts";

type Pattern = "k" | "f";
const PATTERNS = ["k", "f"] as const;

async function pair(seed: string, pattern: Pattern) {
  const net = new Net(native, seededRandom(seed), { genesis: 2020, chain: 6700 });
  const [a, b] = [await net.add("a"), await net.add("b")];
  net.introduce(a, b);
  const call = async (): Promise<void> =>
    net.perform(
      a,
      await (pattern === "k"
        ? a.machine.connect(b.member, b.endpoint, net.now)
        : a.machine.contact(b.member.id, b.endpoint, net.now)),
    );
  return { net, a, b, call };
}
const other = (p: Packet, { a, b }: { a: Party; b: Party }): Party => (p.to === a.endpoint ? a : b);

describe("machines", () => {
  test.each(PATTERNS)(
    "never throw, whatever becomes of a datagram, with a right mac or none, at any moment of pattern %s",
    async (pattern) => {
      let fed = 0;
      await fc.assert(
        fc.asyncProperty(fc.integer({ min: 0, max: 60 }), fc.gen(), async (moment, g) => {
          const { net, a, b, call } = await pair(`never throw ${pattern}`, pattern);
          const key = firstMacKey(native, MESH_ID, b.keys.id);
          const packets: Packet[] = [];
          net.wire = (p) => {
            if (isHandshake(p)) packets.push(p);
            return [p];
          };
          await call();
          await net.run(moment);
          for (const p of packets.slice(-6)) {
            const changed = g(mutationsOf, p.payload);
            const withMac = changed.length >= 32 ? setMac(key, changed.slice()) : changed;
            for (const payload of [changed, withMac]) {
              fed++;
              const to = other(p, { a, b });
              for (const x of await to.machine.receive({ endpoint: p.from, payload }, net.now))
                if (x.type === "send") expect(x.datagram.payload.length).toBeLessThanOrEqual(1232);
            }
          }
          net.wire = (p) => [p];
          await net.run(100);
        }),
        { numRuns: 10 },
      );
      expect(fed).toBeGreaterThan(40);
    },
  );
});

describe("an acknowledgement", () => {
  const reported = async (change: (ack: Uint8Array, f: Fragment, key: Uint8Array) => Uint8Array) => {
    const { net, a, b, call } = await pair("reports", "k");
    net.wire = () => [];
    await call();
    const [first] = net.sent;
    const f = parseFragment(first?.payload as Uint8Array) as Fragment;
    const key = firstMacKey(native, MESH_ID, b.keys.id);
    const payload = change(acknowledgement(f, 0b10, key), f, key);
    const out = await a.machine.receive({ endpoint: b.endpoint, payload }, net.now + 20);
    return { sent: sends(out).length, meter: a.meter };
  };

  test("names message, instance and exchange, has a mac under the message's key, and gets what is missing", async () => {
    const { sent } = await reported((ack, f, key) => {
      const read = Acknowledge.decode(ack);
      expect(read).toMatchObject({ type: 2, version: 1, message: f.message, instance: f.instance, bitmap: 0b10 });
      expect(read?.exchange).toEqual(f.exchange);
      expect(hasMac(key, ack)).toBe(true);
      return ack;
    });
    expect(sent).toBe(1);
  });

  const remade = (change: (ack: Uint8Array) => Uint8Array) => reported((ack) => change(ack));
  test.each<[string, (ack: Uint8Array) => Uint8Array, string]>([
    ["that is too long", (ack) => new Uint8Array([...ack, 0]), "malformed"],
    ["that is too short", (ack) => ack.subarray(0, 31), "malformed"],
    ["of another version", (ack) => ack.with(1, 2), "malformed"],
    ["with a reserved byte", (ack) => ack.with(3, 1), "malformed"],
    ["with a later reserved byte", (ack) => ack.with(23, 1), "malformed"],
    ["of another message", (ack) => ack.with(2, 17), "mac"],
    ["of another exchange", (ack) => ack.with(8, (ack[8] as number) ^ 1), "mac"],
    ["with a changed bitmap", (ack) => ack.with(16, 1), "mac"],
    ["with a changed mac", (ack) => ack.with(24, (ack[24] as number) ^ 1), "mac"],
  ])("%s is dropped", async (_, change, reason) => {
    const { sent, meter } = await remade(change);
    expect([sent, meter.get(`handshake.drop.${reason}`)]).toEqual([0, 1]);
  });
});

describe("a cookie", () => {
  const given = async (change: (cookie: Uint8Array, key: Uint8Array) => Uint8Array) => {
    const { net, a, b, call } = await pair("given", "k");
    net.wire = () => [];
    await call();
    const payload = net.sent[0]?.payload as Uint8Array;
    const [cookie] = sends(await b.machine.receive({ endpoint: a.endpoint, payload }, net.now));
    const key = firstMacKey(native, MESH_ID, b.keys.id);
    const changed = change(cookie as Uint8Array, key);
    const out = sends(await a.machine.receive({ endpoint: b.endpoint, payload: changed }, net.now));
    return { out, cookie: cookie as Uint8Array, meter: a.meter };
  };

  test("is answered with the first message, which carries it", async () => {
    const { out, cookie } = await given((c) => c);
    const secret = CookieReply.decode(cookie)?.cookie as Uint8Array;
    expect(secret.some((x) => x !== 0)).toBe(true);
    expect(out.map((d) => parseFragment(d)?.cookie)).toEqual([secret, secret]);
  });

  test.each<[string, (cookie: Uint8Array, key: Uint8Array) => Uint8Array, string]>([
    ["that is too long", (c) => new Uint8Array([...c, 0]), "malformed"],
    ["that is too short", (c) => c.subarray(0, 31), "malformed"],
    ["of another version", (c, key) => setMac(key, c.with(1, 2)), "malformed"],
    ["with a reserved byte", (c, key) => setMac(key, c.with(2, 1)), "malformed"],
    ["of another exchange", (c, key) => setMac(key, c.with(8, (c[8] as number) ^ 1)), "mac"],
    ["that was changed", (c) => c.with(16, (c[16] as number) ^ 1), "mac"],
    ["with a changed mac", (c) => c.with(31, (c[31] as number) ^ 1), "mac"],
  ])("%s is dropped", async (_, change, reason) => {
    const { out, meter } = await given(change);
    expect([out.length, meter.get(`handshake.drop.${reason}`)]).toEqual([0, 1]);
  });

  test("that comes when K3 is out already, or F3, changes nothing", async () => {
    for (const pattern of PATTERNS) {
      const { net, a, b, call } = await pair(`late ${pattern}`, pattern);
      net.wire = (p) => (isMessage(p, MESSAGE.k3) || isMessage(p, MESSAGE.f3) ? [] : [p]);
      await call();
      const first = net.sent[0]?.payload as Uint8Array;
      await net.run(200);
      const elsewhere = { address: "10.9.9.9", port: 1 };
      const [cookie] = sends(await b.machine.receive({ endpoint: elsewhere, payload: first }, net.now));
      const again = { endpoint: b.endpoint, payload: cookie as Uint8Array };
      expect(await a.machine.receive(again, net.now)).toEqual([]);
    }
  });
});

describe("a datagram of another kind", () => {
  test.each([[0], [4], [5], [6], [255]])("than the handshake's is not for the machine: type %i", async (type) => {
    const { net, a } = await pair("kinds", "k");
    const payload = new Uint8Array(64).fill(1).with(0, type);
    expect(await a.machine.receive({ endpoint: a.endpoint, payload }, net.now)).toEqual([]);
    expect(await a.machine.receive({ endpoint: a.endpoint, payload: new Uint8Array(0) }, net.now)).toEqual([]);
    expect(a.meter.get("handshake.drop.type")).toBe(2);
  });
});
