/** What a gateway says of its own links: when it signs, when it reveals, and that a down never waits. */
import { describe, expect, test } from "bun:test";
import { decodeList } from "../../../runtime/mesh/routing/link-list.ts";
import { decodeMessage } from "../../../runtime/mesh/routing/message.ts";
import { Routing } from "../../../runtime/mesh/routing/routing.ts";
import type { Label, RoutingAction, RoutingEvent } from "../../../runtime/mesh/routing/types.ts";
import { depsOf, Lab, labelOf } from "./pair.ts";

const NAMES = Array.from({ length: 120 }, (_, i) => `n${i}`);
const [A, B, C] = [labelOf("a"), labelOf("b"), labelOf("c")];

/** One gateway, `b` listening: what it signs and what it reveals, by time. */
class Speaker {
  now = 0;
  readonly lists: {
    readonly at: number;
    readonly bytes: number;
    readonly page: number;
    readonly links: readonly Label[];
  }[] = [];
  readonly reveals: { readonly at: number; readonly index: number; readonly step: number }[] = [];
  readonly persisted: number[] = [];
  readonly routing: Routing;

  constructor(epoch = 0) {
    const { sign, ...deps } = depsOf(A, epoch);
    this.routing = new Routing(
      {
        ...deps,
        sign: (message) => {
          const list = decodeList(message.subarray(32));
          if (list)
            this.lists.push({
              at: this.now,
              bytes: message.length - 32,
              page: list.page,
              links: list.links.map((l) => l.neighbour),
            });
          return sign(message);
        },
      },
      0,
    );
  }

  async feed(event: RoutingEvent): Promise<void> {
    this.#hear(await this.routing.handle(event, this.now));
  }

  async link(name: string, value: number): Promise<void> {
    await this.feed({ type: "link", neighbour: labelOf(name), value });
  }

  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (let due = this.routing.deadline(); due !== undefined && due <= end; due = this.routing.deadline()) {
      expect(due).toBeGreaterThanOrEqual(this.now - 1); // a deadline in the past would make the caller spin
      this.now = Math.max(due, this.now);
      await this.feed({ type: "tick" });
    }
    this.now = end;
  }

  #hear(actions: readonly RoutingAction[]): void {
    for (const a of actions) {
      if (a.type === "persist") this.persisted.push(a.epoch);
      const m = a.type === "tell" && a.neighbour === B ? decodeMessage(a.data) : undefined;
      if (m?.kind !== "states") continue;
      for (const g of m.groups)
        for (const r of g.reveals) this.reveals.push({ at: this.now, index: r.index, step: r.step });
    }
  }
}

async function speaker(...neighbours: readonly string[]): Promise<Speaker> {
  const s = new Speaker();
  await s.feed({ type: "members", added: [B, ...NAMES.map(labelOf)], removed: [] });
  await s.feed({ type: "session", neighbour: B, up: true });
  for (const name of ["b", ...neighbours]) await s.link(name, 1);
  return s;
}

describe("a gateway", () => {
  test("signs once for all neighbours that come up together, after it has made its epoch durable", async () => {
    const s = await speaker("n0", "n1", "n2");
    expect(s.lists).toEqual([]);
    await s.pass(1000);
    expect(s.lists).toMatchObject([{ at: 300, page: 0, bytes: 20 + 4 * 41 }]);
    expect(s.persisted).toEqual([1]);
    await s.pass(3_600_000);
    expect(s.lists.length).toBe(1); // nothing is refreshed
  });

  describe("that comes back, of which two others say that they are its neighbours,", () => {
    const comesBack = async (): Promise<Speaker> => {
      const lab = new Lab("a", "b", "c");
      await lab.begin();
      await lab.connect("a", "b");
      await lab.connect("a", "c");
      await lab.pass(5_000);
      const s = new Speaker(1);
      await s.feed({ type: "members", added: [B, C], removed: [] });
      await s.feed({ type: "session", neighbour: B, up: true });
      await s.feed({ type: "known", lists: lab.of("b").lists() });
      await s.link("b", 1);
      await s.pass(1000);
      expect(s.lists).toEqual([]);
      return s;
    };

    test("signs its first list when it has met both", async () => {
      const s = await comesBack();
      await s.link("c", 1);
      await s.pass(100);
      expect(s.lists).toMatchObject([{ links: [B, C].sort() }]);
    });

    test("signs it after two seconds when one of them does not come", async () => {
      const s = await comesBack();
      await s.pass(900);
      expect(s.lists).toEqual([]);
      await s.pass(200);
      expect(s.lists).toMatchObject([{ links: [B] }]);
    });
  });

  test("signs nothing when a link flaps, and reveals its state at once", async () => {
    const s = await speaker("n0");
    await s.pass(1000);
    for (const value of [0, 1, 0, 4]) {
      const { now } = s;
      await s.link("n0", value);
      expect(s.reveals.at(-1)?.at).toBe(now);
      await s.pass(100);
    }
    expect(s.reveals.map((r) => r.step)).toEqual([7, 8, 15, 19]);
    expect(s.lists.length).toBe(1);
    expect(s.routing.edges()).toMatchObject([{}, {}]);
  });

  test("tells states other than down at a bounded rate, and a down at once, however wildly a link flaps", async () => {
    const s = await speaker("n0");
    await s.pass(1000);
    const began = s.now;
    for (let i = 0; i < 3000; i++) {
      await s.link("n0", i % 2 === 0 ? 0 : 1);
      await s.pass(20);
    }
    await s.link("n0", 0);
    const value = (ends: readonly Label[]) => ends.includes(labelOf("n0"));
    expect(s.routing.edges().find((e) => value(e.ends))?.values).toContain(0);
    const seconds = (s.now - began) / 1000;
    expect(s.reveals.length).toBeLessThan(2 * (8 + seconds / 4 + 1));
    expect(s.lists.length).toBeLessThan(4);
  });

  test("signs anew when a chain is spent, and a down gets through before that", async () => {
    const s = await speaker("n0");
    await s.pass(1000);
    for (let i = 0; i < 200 && s.lists.length === 1; i++) {
      await s.link("n0", 1 + (i % 7));
      await s.link("n0", 0);
      expect(s.routing.edges().find((e) => e.ends.includes(labelOf("n0")))?.values).toContain(0);
      await s.pass(4000);
    }
    expect(s.lists.length).toBe(2);
    expect(Math.max(...s.reveals.map((r) => r.step))).toBeGreaterThan(240);
    await s.link("n0", 3);
    await s.pass(2000);
    expect(s.routing.edges().find((e) => e.ends.includes(labelOf("n0")))?.values).toContain(3);
  });

  test("signs lists at least a second apart and in the long run one in five, however many neighbours come", async () => {
    const s = await speaker();
    for (const name of NAMES.slice(0, 30)) {
      await s.link(name, 1);
      await s.pass(1000);
    }
    const gaps = s.lists.slice(2).map((l, i) => l.at - (s.lists[i + 1]?.at ?? 0)); // the first waits a little longer
    expect(Math.min(...gaps)).toBeGreaterThanOrEqual(1000);
    expect(s.lists.length).toBeLessThanOrEqual(4 + 30 / 5 + 1);
    await s.pass(10_000);
    expect(s.lists.at(-1)?.links.length).toBe(31);
  });

  test("drops from its list who has been down for ten minutes, when it signs for another reason", async () => {
    const s = await speaker("n0");
    await s.pass(1000);
    await s.link("n0", 0);
    await s.pass(9 * 60_000);
    await s.link("n1", 1);
    await s.pass(2000);
    expect(s.lists.at(-1)?.links).toContain(labelOf("n0"));
    await s.pass(2 * 60_000);
    await s.link("n2", 1);
    await s.pass(2000);
    expect(s.lists.at(-1)?.links).not.toContain(labelOf("n0"));
    await s.link("n0", 1);
    await s.pass(5000);
    expect(s.lists.at(-1)?.links).toContain(labelOf("n0"));
  });

  test("drops a member that was removed", async () => {
    const s = await speaker("n0");
    await s.pass(1000);
    await s.feed({ type: "members", added: [], removed: [labelOf("n0"), A] });
    await s.pass(2000);
    expect(s.lists.at(-1)?.links).toEqual([B]);
    await s.link("n0", 1);
    await s.link("a", 1);
    await s.pass(5000);
    expect(s.lists.at(-1)?.links).toEqual([B]);
  });

  test("with a thousand steps of time and nothing to do has no deadline", async () => {
    const s = await speaker("n0");
    await s.pass(10_000);
    expect(s.routing.deadline()).toBeUndefined();
  });
});

describe("a gateway with more neighbours than a list holds", () => {
  test("lists those beyond on further lists when nobody else leads to them", async () => {
    const s = await speaker(...NAMES.slice(0, 99));
    await s.pass(1000);
    expect(s.lists.map((l) => [l.page, l.links.length])).toEqual([[0, 32]]);
    expect(s.routing.route(labelOf("n98"))?.primary).toBe(labelOf("n98")); // itself it reaches them
    await s.pass(10_000);
    const pages = new Map(s.lists.map((l) => [l.page, l.links.length]));
    expect([...pages]).toEqual([
      [0, 32],
      [1, 32],
      [2, 32],
      [3, 4],
    ]);
  });

  test("reveals the state of a link on a further list too", async () => {
    const s = await speaker(...NAMES.slice(0, 60));
    await s.pass(12_000);
    const before = s.reveals.length;
    await s.link("n50", 0);
    expect(s.reveals.length).toBe(before + 1);
  });
});
