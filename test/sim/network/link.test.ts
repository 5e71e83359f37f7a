import { describe, expect, test } from "bun:test";
import { seededNumber } from "../../help/seeded.ts";
import { type Arrival, capacity, chain, delay, duplicate, type LinkKind, loss, reorder } from "./link.ts";
import { HEADER_BYTES, type Packet } from "./packet.ts";

const A = { address: "10.0.0.1", port: 1 };
const B = { address: "10.0.0.2", port: 2 };
const numbered = (n: number, size = 1): Packet => ({ from: A, to: B, payload: new Uint8Array(size).fill(n) });
const numberOf = (a: Arrival): number => a.packet.payload[0] as number;

/** `count` packets, one each millisecond. */
function through(kind: LinkKind, count: number): Arrival[] {
  const link = kind(seededNumber("link"));
  return Array.from({ length: count }, (_, i) => link(numbered(i & 255), i)).flat();
}

describe("a link", () => {
  test("with delay brings each packet once, within its jitter", () => {
    const arrivals = through(delay(10, 5), 500);
    expect(arrivals).toHaveLength(500);
    for (const [i, a] of arrivals.entries()) {
      expect(a.at).toBeGreaterThanOrEqual(i + 10);
      expect(a.at).toBeLessThan(i + 15);
    }
    expect(new Set(arrivals.map((a, i) => a.at - i)).size).toBeGreaterThan(100);
  });

  test("without jitter keeps the order", () => {
    expect(through(delay(10), 3).map((a) => [numberOf(a), a.at])).toEqual([
      [0, 10],
      [1, 11],
      [2, 12],
    ]);
  });

  test.each([
    [0, 1000, 1000],
    [20, 760, 840],
    [100, 0, 0],
  ])("that loses %d %% of 1,000 packets brings %d to %d", (percent, least, most) => {
    const brought = through(loss(percent), 1000).length;
    expect(brought).toBeGreaterThanOrEqual(least);
    expect(brought).toBeLessThanOrEqual(most);
  });

  test("that reorders lets packets be overtaken by those sent within its delay, and loses none", () => {
    const arrivals = through(reorder(10, 3), 200).sort((a, b) => a.at - b.at);
    const numbers = arrivals.map(numberOf);
    expect([...numbers].sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i));
    const late = numbers.filter((n, i) => numbers.slice(0, i).some((earlier) => earlier > n));
    expect(late.length).toBeGreaterThan(5);
    expect(late.length).toBeLessThan(50);
  });

  test("that duplicates brings the second copy after the first and soon", () => {
    const link = duplicate(100, 4)(seededNumber("twice"));
    const [first, second] = link(numbered(1), 100) as [Arrival, Arrival];
    expect(first.at).toBe(100);
    expect(second.at).toBeGreaterThanOrEqual(100);
    expect(second.at).toBeLessThan(104);
    expect(second.packet).toBe(first.packet);
    expect(through(duplicate(50, 1), 1000).length).toBeGreaterThan(1400);
  });

  test("chained does one after the other", () => {
    expect(through(chain(delay(5), delay(7)), 1).map((a) => a.at)).toEqual([12]);
    expect(through(chain(duplicate(100, 0), duplicate(100, 0)), 1)).toHaveLength(4);
    expect(through(chain(loss(100), duplicate(100, 0)), 10)).toEqual([]);
    expect(through(chain(), 1).map((a) => a.at)).toEqual([0]);
  });
});

describe("a link of 1,000 bytes per second with a queue of 1,000", () => {
  const SIZE = 200;
  const packet = numbered(7, SIZE - HEADER_BYTES);

  test("takes 200 ms for a packet of 200 bytes with headers, and the next one waits for it", () => {
    const link = capacity(1000, 1000)(() => 0);
    expect([link(packet, 0), link(packet, 0), link(packet, 1000)].flat().map((a) => a.at)).toEqual([200, 400, 1200]);
  });

  test("drops what its queue does not hold, and takes again when there is room", () => {
    const link = capacity(1000, 1000)(() => 0);
    const burst = Array.from({ length: 8 }, () => link(packet, 0));
    expect(burst.map((a) => a.length)).toEqual([1, 1, 1, 1, 1, 0, 0, 0]);
    expect(link(packet, 199)).toEqual([]);
    expect(link(packet, 200).map((a) => a.at)).toEqual([1200]);
  });

  test("has a queue for each direction", () => {
    const kind = capacity(1000, 200);
    const [there, back] = [kind(() => 0), kind(() => 0)];
    expect(there(packet, 0)).toHaveLength(1);
    expect(there(packet, 0)).toHaveLength(0);
    expect(back(packet, 0)).toHaveLength(1);
  });
});
