import { describe, expect, test } from "bun:test";
import { PeerLinks } from "../../../runtime/mesh/peer-links.ts";
import { NOTICED_MAX, PLACES_MAX, Places } from "../../../runtime/mesh/places.ts";

const at = (n: number) => ({ address: `192.0.2.${n}`, port: 5000 });
const far = { address: "fd00::1", port: 0 };
const numbers = (places: readonly { address: string }[] | undefined): number[] | undefined =>
  places?.map(({ address }) => Number(address.split(".")[3]));

describe("the places of a peer", () => {
  test("are few, and where it was comes first", () => {
    const places = new Places();
    for (let n = 1; n <= PLACES_MAX + 3; n++) places.tell(at(n));
    places.settle(at(50));
    expect(places.size).toBe(PLACES_MAX);
    expect(places.current).toEqual(at(50));
  });

  test("those it asked from are fewer still, and push no others out", () => {
    const places = new Places();
    for (let n = 1; n <= PLACES_MAX; n++) places.tell(at(n));
    for (let n = 20; n < 40; n++) places.notice(at(n));
    places.notice(at(3));
    expect(numbers(places.all)).toEqual([3, 39, 1, 2, 4, 5, 6, 7, 8]);
    expect(places.all).toHaveLength(PLACES_MAX + NOTICED_MAX - 1);
    expect(places.size).toBe(PLACES_MAX);
  });
});

describe("the links of a peer", () => {
  test("places are offered once, without the one where it is spoken to, and anew when they change", () => {
    const links = new PeerLinks();
    expect(numbers(links.offer(at(1), [at(1), at(2)], 0))).toEqual([2]);
    expect(links.offer(at(1), [at(2), at(1)], 1)).toBeUndefined();
    expect(numbers(links.offer(at(1), [at(2), at(3)], 2))).toEqual([2, 3]);
    expect(numbers(links.offer(at(2), [at(2), at(1), at(3)], 3))).toEqual([1, 3]);
    expect(links.due).toBe(Number.POSITIVE_INFINITY);
  });

  test("more than the data path takes have their turns, at growing pauses; where it answers it stays", () => {
    const links = new PeerLinks();
    const places = [1, 2, 3, 4, 5, 6, 7].map(at);
    expect(numbers(links.offer(at(1), places, 0))).toEqual([2, 3, 4]);
    links.heard(at(3), true);
    const offers: (number[] | undefined)[] = [];
    for (let i = 0; i < 4; i++) offers.push(numbers(links.offer(at(1), places, links.due)));
    for (const offer of offers) expect(offer?.[0]).toBe(3);
    expect(new Set(offers.flat())).toEqual(new Set([2, 3, 4, 5, 6, 7]));
    const pauses = Array.from({ length: 60 }, () => {
      const now = links.due;
      links.offer(at(1), places, now);
      return links.due - now;
    });
    expect(pauses[0]).toBeLessThan(pauses[59] as number);
    expect(pauses[59]).toBe(600_000);
  });

  test("through the mesh there is room for one more", () => {
    expect(numbers(new PeerLinks().offer(far, [1, 2, 3, 4].map(at), 0))).toEqual([1, 2, 3, 4]);
  });

  test("what comes over a link, or through the mesh while one lives, says nothing of where the peer is", () => {
    const links = new PeerLinks();
    expect([at(1), far].map((e) => links.explains(e))).toEqual([false, false]);
    links.heard(at(1), true);
    expect([at(1), at(2), far].map((e) => links.explains(e))).toEqual([true, false, true]);
    links.heard(at(1), false);
    expect([at(1), far].map((e) => links.explains(e))).toEqual([false, false]);
    links.heard(at(1), true);
    links.reset();
    expect(links.explains(far)).toBe(false);
  });
});
