import { expect, test } from "bun:test";
import { type RoutesPort, showGraph, showRoutes } from "../../../runtime/api/routes.ts";
import type { PeerView, Way } from "../../../runtime/mesh/types.ts";

const peer = (name: string, endpoint: boolean): PeerView =>
  ({
    name,
    address: `fd00::${name}`,
    state: "up",
    endpoint: endpoint ? { address: "10.0.0.1", port: 1 } : undefined,
    roundTrip: endpoint ? 3 : undefined,
  }) as PeerView;

const WAY: Way = {
  hops: ["fd00::b", "fd00::c"],
  cost: 2,
  primary: "fd00::b",
  backup: "fd00::d",
  why: "shortest",
};

const port: RoutesPort = {
  self: { name: "a", address: "fd00::a" },
  peers: () => [peer("b", true), peer("c", false)],
  wayTo: (address) => (address === "fd00::c" ? WAY : undefined),
  links: () => [{ ends: ["fd00::a", "fd00::b"], values: [1, undefined], cost: undefined }],
  nameAt: (address) => address.slice(-1),
};

test("routes are shown by name, whether they lead through the mesh or not", () => {
  expect(showRoutes(port)).toEqual({
    self: "a",
    routes: [
      {
        ...{ name: "b", address: "fd00::b", state: "up", hops: [], cost: null },
        ...{ primary: null, backup: null, why: "no-way" },
      },
      {
        ...{ name: "c", address: "fd00::c", state: "up", hops: ["b", "c"], cost: 2 },
        ...{ primary: "b", backup: "d", why: "shortest" },
      },
    ],
  });
});

test("a link is shown with what both ends say, and the round trip where this gateway is an end", () => {
  expect(showGraph(port)).toMatchObject({
    members: [{ name: "a" }, { name: "b" }, { name: "c" }],
    links: [{ ends: ["a", "b"], cost: null, says: [1, null], roundTripMs: 3 }],
  });
});
