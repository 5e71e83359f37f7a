import { describe, expect, test } from "bun:test";
import { zoneOf, zonesOf } from "../../../runtime/names/zone.ts";
import { MEMBERS, PREFIX, ZONES } from "./world.ts";

describe("the zones of a mesh", () => {
  test("are its names and its prefix turned round", () => {
    expect(ZONES.map((z) => z.apex)).toEqual(["mesh.internal", "0.0.0.0.a.9.8.7.6.5.4.3.2.1.d.f.ip6.arpa"]);
  });

  test("hold names that end in theirs, at a dot", () => {
    expect(zoneOf(ZONES, "b.mesh.internal")?.apex).toBe("mesh.internal");
    expect(zoneOf(ZONES, "mesh.internal")?.apex).toBe("mesh.internal");
    expect(zoneOf(ZONES, "bmesh.internal")).toBeUndefined();
  });

  test("leave out a member whose whole name is too long for the DNS", () => {
    const name = Array.from({ length: 4 }, () => "l".repeat(60)).join(".");
    const [zone] = zonesOf({
      meshName: "mesh",
      prefix: PREFIX,
      self: "a",
      members: [...MEMBERS, { name, address: "fd12::1" }],
      serial: 1,
    });
    expect(zone?.at(`${name}.mesh.internal`)).toBeUndefined();
    expect(zone?.at("b.mesh.internal")).toHaveLength(1);
  });

  test("let a member be found that is called as a place between names is", () => {
    const members = [
      { name: "x.site1", address: "fd12:3456:789a::1" },
      { name: "site1", address: "fd12:3456:789a::2" },
    ];
    const [zone] = zonesOf({ meshName: "m", prefix: PREFIX, self: "a", members, serial: 1 });
    expect(zone?.at("site1.m.internal")).toEqual([{ type: "AAAA", data: "fd12:3456:789a::2" }]);
    expect(zone?.at("x.site1.m.internal")).toHaveLength(1);
  });

  test("carry a serial of 32 bits", () => {
    const [zone] = zonesOf({ meshName: "m", prefix: PREFIX, self: "a", members: [], serial: 2 ** 32 + 5 });
    expect(zone?.serial).toBe(5);
  });
});
