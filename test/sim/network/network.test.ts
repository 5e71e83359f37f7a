import { expect, test } from "bun:test";
import { delay, loss } from "./link.ts";
import { NAT, Nat } from "./nat.ts";
import { Network, type Site } from "./network.ts";

const payload = new Uint8Array(4);
const at = (address: string): { address: string; port: number } => ({ address, port: 1 });

function underlay(): { network: Network<string>; put: (name: string, address: string, nat?: Nat) => Site<string> } {
  const network = new Network<string>(() => 0.5, delay(10));
  const put = (host: string, address: string, nat?: Nat): Site<string> => {
    const site = { host, endpoint: at(address), nat };
    network.attach(site);
    return site;
  };
  return { network, put };
}

/** Whom a packet from `from` to `to` reaches, and the source that is seen there. */
function reach(network: Network<string>, from: Site<string>, to: { address: string; port: number }) {
  const packet = network.leave(from, { from: from.endpoint, to, payload }, 0);
  return network.cross(packet, 0).map(({ at: when, packet: p }) => {
    const arrived = network.arrive(p, when);
    return arrived && { host: arrived.host, seen: arrived.packet.from.address };
  });
}

test("a packet reaches the host at its address, after its link", () => {
  const { network, put } = underlay();
  const a = put("a", "10.0.0.1");
  put("b", "10.0.0.2");
  expect(network.cross({ from: at("10.0.0.1"), to: at("10.0.0.2"), payload }, 5)[0]?.at).toBe(15);
  expect(reach(network, a, at("10.0.0.2"))).toEqual([{ host: "b", seen: "10.0.0.1" }]);
});

test("a packet to nobody is counted", () => {
  const { network, put } = underlay();
  const a = put("a", "10.0.0.1");
  expect(reach(network, a, at("10.0.0.9"))).toEqual([undefined]);
  expect(network.counts).toEqual({ sent: 1, arrived: 0, lost: 0, unreachable: 1 });
});

test("a host that left is not reached, and two cannot be at one endpoint", () => {
  const { network, put } = underlay();
  const a = put("a", "10.0.0.1");
  const b = put("b", "10.0.0.2");
  expect(() => put("c", "10.0.0.2")).toThrow("somebody is at 10.0.0.2:1");
  network.detach(b);
  expect(reach(network, a, at("10.0.0.2"))).toEqual([undefined]);
});

test("between two groups nothing passes, who is in none reaches both, and healing joins them", () => {
  const { network, put } = underlay();
  const [a, b, c] = [put("a", "10.0.0.1"), put("b", "10.0.0.2"), put("c", "10.0.0.3")];
  network.split({ north: ["10.0.0.1"], south: ["10.0.0.2"] });
  expect(reach(network, a, b.endpoint)).toEqual([]);
  expect(reach(network, b, a.endpoint)).toEqual([]);
  expect(reach(network, c, a.endpoint)).toHaveLength(1);
  expect(reach(network, a, c.endpoint)).toHaveLength(1);
  network.heal();
  expect(reach(network, a, b.endpoint)).toHaveLength(1);
});

test("what a link loses is counted, also when its kind changes on the way", () => {
  const { network, put } = underlay();
  const [a, b] = [put("a", "10.0.0.1"), put("b", "10.0.0.2")];
  expect(reach(network, a, b.endpoint)).toHaveLength(1);
  network.kind = loss(100);
  expect(reach(network, a, b.endpoint)).toEqual([]);
  expect(network.counts).toEqual({ sent: 2, arrived: 1, lost: 1, unreachable: 0 });
});

test("a host behind a box is seen as the box, answered through it, and not reached from outside", () => {
  const { network, put } = underlay();
  const nat = new Nat(NAT["port-restricted"], "192.0.2.1");
  const inside = put("inside", "192.168.0.2", nat);
  const b = put("b", "10.0.0.2");
  expect(reach(network, b, at("192.168.0.2"))).toEqual([undefined]);
  expect(reach(network, b, { address: "192.0.2.1", port: 20_000 })).toEqual([undefined]);
  expect(reach(network, inside, b.endpoint)).toEqual([{ host: "b", seen: "192.0.2.1" }]);
  expect(reach(network, b, { address: "192.0.2.1", port: 20_000 })).toEqual([{ host: "inside", seen: "10.0.0.2" }]);
});

test("two boxes may have the same addresses inside", () => {
  const { network, put } = underlay();
  const one = put("one", "192.168.0.2", new Nat(NAT["full-cone"], "192.0.2.1"));
  const two = put("two", "192.168.0.2", new Nat(NAT["full-cone"], "192.0.2.2"));
  const b = put("b", "10.0.0.2");
  expect(reach(network, one, b.endpoint)).toEqual([{ host: "b", seen: "192.0.2.1" }]);
  expect(reach(network, two, b.endpoint)).toEqual([{ host: "b", seen: "192.0.2.2" }]);
  expect(reach(network, b, { address: "192.0.2.2", port: 20_000 })).toEqual([{ host: "two", seen: "10.0.0.2" }]);
});
