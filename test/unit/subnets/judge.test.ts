import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { contains, formatPrefix, type Prefix, parsePrefix } from "../../../runtime/base/ip.ts";
import { type Announcer, type Judgement, judge, type Surroundings } from "../../../runtime/subnets/judge.ts";

const prefix = (text: string): Prefix => parsePrefix(text) as Prefix;
const AROUND: Surroundings = {
  self: "fd12::1",
  overlay: prefix("fd12::/64"),
  networks: [{ prefix: prefix("192.168.1.0/24"), device: "eth1" }],
};

const gateway = (
  name: string,
  announced: readonly string[],
  certified: readonly string[] = ["0.0.0.0/0", "::/0"],
): Announcer => ({
  address: `fd12::${name}`,
  name,
  certified: certified.map(prefix),
  announced: announced.map(prefix),
});
const shown = ({ subnets }: Judgement): string[] =>
  subnets.map((s) => `${formatPrefix(s.prefix)} ${s.gateways.map((g) => g.slice(6)).join(",")}`);
const reasons = ({ refused }: Judgement): string[] =>
  refused.map((r) => `${formatPrefix(r.prefix)} ${r.gateway.slice(6)}: ${r.reason}`);

describe("announcements of subnets", () => {
  test("count when certificates allow them, in both families", () => {
    const judgement = judge(
      [gateway("b", ["10.2.0.0/24", "2001:db8:2::/48"], ["10.0.0.0/8", "2001:db8::/32"])],
      AROUND,
    );
    expect(shown(judgement)).toEqual(["10.2.0.0/24 b", "2001:db8:2::/48 b"]);
    expect(judgement.refused).toEqual([]);
  });

  test("of several gateways for one subnet all count", () => {
    expect(shown(judge([gateway("c", ["10.2.0.0/24"]), gateway("b", ["10.2.0.0/24"])], AROUND))).toEqual([
      "10.2.0.0/24 b,c",
    ]);
  });

  test.each<[string, Announcer, string]>([
    ["beyond its certificate", gateway("b", ["10.0.0.0/8"], ["10.2.0.0/16"]), "the certificate of b does not allow it"],
    ["of everything", gateway("b", ["0.0.0.0/0"]), "a route to everywhere is no subnet"],
    ["of half of everything", gateway("b", ["0.0.0.0/1"]), "these addresses belong to no subnet"],
    ["of multicast", gateway("b", ["ff05::/16"]), "these addresses belong to no subnet"],
    ["of loopback", gateway("b", ["127.0.0.0/16"]), "these addresses belong to no subnet"],
    ["of a part of the overlay", gateway("b", ["fd12::5/128"]), "it overlaps the overlay, fd12::/64"],
    ["of more than the overlay", gateway("b", ["fd00::/8"]), "it overlaps the overlay, fd12::/64"],
    ["of the network here", gateway("b", ["192.168.1.0/24"]), "eth1 of this gateway is in 192.168.1.0/24"],
    ["of a part of it", gateway("b", ["192.168.1.128/25"]), "eth1 of this gateway is in 192.168.1.0/24"],
    ["of more than it", gateway("b", ["192.168.0.0/16"]), "eth1 of this gateway is in 192.168.1.0/24"],
  ])("that is %s is refused", (_, by, reason) => {
    const judgement = judge([by], AROUND);
    expect(judgement.subnets).toEqual([]);
    expect(judgement.refused.map((r) => r.reason)).toEqual([reason]);
  });

  test("of this gateway may be of its own network", () => {
    expect(shown(judge([gateway("1", ["192.168.1.0/24"])], AROUND))).toEqual(["192.168.1.0/24 1"]);
  });

  test("that lie in a wider one of another are refused, whoever came first", () => {
    const both = [gateway("b", ["10.2.0.0/24"]), gateway("hq", ["10.0.0.0/8"])];
    for (const list of [both, both.toReversed()]) {
      expect(shown(judge(list, AROUND))).toEqual(["10.0.0.0/8 hq"]);
      expect(reasons(judge(list, AROUND))).toEqual([
        "10.2.0.0/24 b: it lies in 10.0.0.0/8 of hq, which does not announce it too",
      ]);
    }
  });

  test("that lie in a wider one count when who announces that announces them too", () => {
    const list = [gateway("b", ["10.2.0.0/24"]), gateway("hq", ["10.0.0.0/8", "10.2.0.0/24"])];
    expect(shown(judge(list, AROUND))).toEqual(["10.0.0.0/8 hq", "10.2.0.0/24 b,hq"]);
  });

  test("count when the wider one does not", () => {
    const list = [gateway("b", ["10.2.0.0/24"]), gateway("hq", ["10.0.0.0/8"], ["10.9.0.0/16"])];
    expect(shown(judge(list, AROUND))).toEqual(["10.2.0.0/24 b"]);
  });

  test("count once however often they are made", () => {
    expect(shown(judge([gateway("b", ["10.2.0.0/24", "10.2.0.0/24"])], AROUND))).toEqual(["10.2.0.0/24 b"]);
  });

  const announced = fc.array(
    fc.tuple(fc.integer({ min: 1, max: 32 }), fc.integer({ min: 0, max: 7 })).map(([length, low]) => {
      const address = Uint8Array.of(10 + (low & 1), low << 5, low << 4, low);
      const masked = address.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, length - 8 * i))) & 0xff);
      return { address: masked, length };
    }),
    { maxLength: 6 },
  );

  test("leave each address with the gateways of one owner, and each announcement is either counted or refused", () => {
    fc.assert(
      fc.property(fc.array(announced, { maxLength: 5 }), (lists) => {
        const announcers = lists.map((list, i): Announcer => ({ ...gateway(String(i + 2), []), announced: list }));
        const { subnets, refused } = judge(announcers, AROUND);
        const told = announcers.flatMap((a) =>
          [...new Set(a.announced.map(formatPrefix))].map((p) => `${p} ${a.address}`),
        );
        const judged = [
          ...subnets.flatMap((s) => s.gateways.map((g) => `${formatPrefix(s.prefix)} ${g}`)),
          ...refused.map((r) => `${formatPrefix(r.prefix)} ${r.gateway}`),
        ];
        expect(judged.sort()).toEqual(told.sort());
        for (const inner of subnets)
          for (const outer of subnets)
            if (inner !== outer && contains(outer.prefix, inner.prefix))
              expect(outer.gateways.some((g) => inner.gateways.includes(g))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });
});
