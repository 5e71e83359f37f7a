/** Records and what Mosquitto retains, against a model of it: in whatever order things happen, they end alike. */
import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { createLog } from "../../../runtime/base/log.ts";
import { Meter } from "../../../runtime/base/meter.ts";
import { Coupling } from "../../../runtime/sync/mosquitto/coupling.ts";
import { aclsOf, isTopicOfMosquitto, reasonOf } from "../../../runtime/sync/mosquitto/files.ts";
import { Window } from "../../../runtime/sync/mosquitto/window.ts";
import { DEFAULT_RULES, ruleOf } from "../../../runtime/sync/topics.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (payload: Uint8Array): string => new TextDecoder().decode(payload);
/** What is due then happens. */
const breathe = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

interface Local {
  readonly topic: string;
  readonly value: string;
  readonly kept: boolean;
}
type Wire = { readonly local: Local } | { readonly answer: () => void };

/** One Mosquitto, one replica, and what is on its way between them; each of `steps` may happen next. */
class World {
  readonly retained = new Map<string, string>();
  readonly records = new Map<string, string>();
  readonly told: string[] = [];
  readonly meter = new Meter();
  refuse = false;
  readonly #size: number;
  readonly #window: Window;
  readonly #toBroker: (() => void)[] = [];
  readonly #toDaemon: Wire[] = [];
  readonly #queue: Local[] = [];
  #onTheirWay = 0;
  readonly #work: (() => void)[] = [];
  readonly coupling: Coupling;

  constructor(size: number) {
    this.#size = size;
    this.#window = new Window(size);
    this.coupling = new Coupling({
      publish: (topic, payload) =>
        new Promise((resolve) => {
          const { mark } = this.#window;
          this.#toBroker.push(() => {
            this.#retain(topic, text(payload));
            this.told.push(`${topic} ${text(payload)}`);
            const answer = (): void => {
              this.#window.answered(mark);
              resolve();
            };
            this.#toDaemon.push({ answer });
          });
        }),
      congested: () => this.#window.congested,
      write: (key, payload) =>
        new Promise((resolve, reject) => {
          this.#work.push(() => {
            if (this.refuse) return reject(new Error("full"));
            this.#record(key, payload && text(payload));
            resolve();
          });
        }),
      read: (key) =>
        new Promise((resolve) => {
          this.#work.push(() => {
            const value = this.records.get(key);
            resolve(value === undefined ? undefined : bytes(value));
          });
        }),
      meter: this.meter,
      log: createLog(() => {}, "error"),
    });
  }

  /** A local program publishes, and has its acknowledgement. */
  local(local: Local): void {
    if (local.kept) this.#retain(local.topic, local.value);
    this.#queue.push(local);
    this.#send();
  }

  /** Another member's record comes. */
  remote(key: string, value: string | undefined): void {
    this.#record(key, value);
  }

  /** Lets the one of those that can happen next which `pick` names. False: there is none. */
  async step(pick: number): Promise<boolean> {
    const able = [
      ...(this.#toBroker.length > 0 ? [() => this.#toBroker.shift()?.()] : []),
      ...(this.#toDaemon.length > 0 ? [() => this.#hear(this.#toDaemon.shift() as Wire)] : []),
      ...this.#work.map((_, i) => () => this.#work.splice(i, 1)[0]?.()),
    ];
    able[pick % Math.max(1, able.length)]?.();
    await breathe();
    return able.length > 0;
  }

  async settle(): Promise<void> {
    while (await this.step(0));
  }

  #hear(wire: Wire): void {
    if ("answer" in wire) {
      wire.answer();
      return;
    }
    const { topic, value, kept } = wire.local;
    this.#window.came();
    void this.coupling.heard({ topic, payload: bytes(value), kept }).then(() => {
      this.#window.acknowledged();
      this.#toBroker.push(() => {
        this.#onTheirWay--;
        this.#send();
      });
    });
  }

  #send(): void {
    while (this.#onTheirWay < this.#size) {
      const local = this.#queue.shift();
      if (!local) return;
      this.#onTheirWay++;
      this.#toDaemon.push({ local });
    }
  }

  #retain(topic: string, value: string): void {
    if (value === "") this.retained.delete(topic);
    else this.retained.set(topic, value);
  }

  #record(key: string, value: string | undefined): void {
    if (value === undefined) this.records.delete(key);
    else this.records.set(key, value);
    void this.coupling.tell(key);
  }

  get alike(): boolean {
    const said = new Map([...this.records].map(([key, value]) => [`mesh/${key}`, value]));
    return this.retained.size === said.size && [...said].every(([topic, value]) => this.retained.get(topic) === value);
  }
}

type Key = "a" | "b";
type Value = "" | "1" | "2" | "3";
const key = fc.constantFrom<Key[]>("a", "b");
const value = fc.constantFrom<Value[]>("", "1", "2", "3");
const happening = fc.oneof(
  fc.record({ is: fc.constant("local" as const), key, value, kept: fc.boolean() }),
  fc.record({ is: fc.constant("remote" as const), key, value }),
  fc.record({ is: fc.constant("step" as const), pick: fc.nat(20) }),
  fc.record({ is: fc.constant("step" as const), pick: fc.nat(20) }),
  fc.record({ is: fc.constant("refuse" as const), refuse: fc.boolean() }),
);

const locally = (key: Key, value: Value, kept: boolean) => ({ is: "local" as const, key, value, kept });
const remotely = (key: Key, value: Value) => ({ is: "remote" as const, key, value });
const step = (pick: number) => ({ is: "step" as const, pick });
/** A local one waits behind three others, which are dealt with while ours of the same topic is answered. */
const BEHIND = [
  locally("b", "", false),
  remotely("a", ""),
  step(0),
  locally("b", "", false),
  ...[4, 16, 1].map(step),
  locally("b", "", false),
  locally("a", "2", true),
  locally("b", "", false),
  locally("b", "", false),
  ...[4, 0, 14].map(step),
];

describe("records and what Mosquitto retains", () => {
  test("end alike, whatever crosses", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 3 }),
        fc.array(happening, { minLength: 5, maxLength: 80 }),
        async (size, all) => {
          const world = new World(size);
          for (const one of all) {
            if (one.is === "local") world.local({ topic: `mesh/${one.key}`, value: one.value, kept: one.kept });
            if (one.is === "remote") world.remote(one.key, one.value || undefined);
            if (one.is === "refuse") world.refuse = one.refuse;
            if (one.is === "step") await world.step(one.pick);
          }
          await world.settle();
          expect(world.alike).toBe(true);
        },
      ),
      { numRuns: 10_000, examples: [[3, BEHIND]] },
    );
  });

  test("what is published retained, and nothing beside it, is not told again", async () => {
    const world = new World(10);
    for (const v of ["1", "2", "3"]) world.local({ topic: "mesh/a", value: v, kept: true });
    await world.settle();
    expect(world.records.get("a")).toBe("3");
    expect(world.told).toEqual([]);
  });

  test("what is published without being retained is told once more, so that it is", async () => {
    const world = new World(10);
    world.local({ topic: "mesh/a", value: "1", kept: false });
    await world.settle();
    expect(world.told).toEqual(["mesh/a 1"]);
    expect(world.alike).toBe(true);
  });

  test("what is refused is counted and taken back", async () => {
    const world = new World(10);
    world.remote("a", "old");
    await world.settle();
    world.refuse = true;
    world.local({ topic: "mesh/a", value: "new", kept: true });
    world.local({ topic: "mesh/b", value: "new", kept: true });
    await world.settle();
    expect(world.meter.get("broker.failed")).toBe(2);
    expect([...world.retained]).toEqual([["mesh/a", "old"]]);
  });

  test("what was retained before counts less than the record", async () => {
    const world = new World(10);
    world.remote("a", "record");
    await world.settle();
    const looks = [world.coupling.found("mesh/a", bytes("stale")), world.coupling.found("mesh/gone", bytes("x"))];
    await world.settle();
    expect(await Promise.all(looks)).toEqual([false, false]);
    expect(world.told.slice(-2).sort()).toEqual(["mesh/a record", "mesh/gone "]);
    expect(world.meter.get("broker.overruled")).toBe(2);
  });

  test("a topic that Mosquitto would hang up on is not said, and counted", async () => {
    const world = new World(10);
    world.remote("bad\n", "x");
    await world.settle();
    expect(world.told).toEqual([]);
    expect(world.meter.get("broker.unspeakable")).toBe(1);
  });
});

describe("the window of what is on its way to us", () => {
  test("was full, or was not, when an answer was made: by what Mosquitto knew then to be dealt with", () => {
    const window = new Window(2);
    window.came();
    window.answered(window.mark);
    expect(window.congested).toBe(false);
    const before = window.mark;
    window.acknowledged(); // behind what is being answered
    window.came();
    window.answered(before);
    expect(window.congested).toBe(true);
    window.answered(window.mark);
    expect(window.congested).toBe(false);
  });
});

describe("Mosquitto's files", () => {
  test.each([
    ["mesh/site/t", true],
    ["mesh/ä€😀", true],
    ["mesh/a\u0007", false],
    ["mesh/a\u0085", false],
    ["mesh/\ufdd0", false],
    ["mesh/\uffff", false],
    ["mesh/\u{1fffe}", false],
    [`mesh${"/".repeat(199)}`, true],
    [`mesh${"/".repeat(200)}`, false],
  ])("%j may be said: %p", (topic, may) => {
    expect(isTopicOfMosquitto(topic)).toBe(may);
  });

  test("give programs of this machine what the rules give them, and never the daemon's own topic", () => {
    const own = ["local subscribe $SYS/#", "local publish $trellis/#", "member publish a/#"].map(ruleOf);
    const acl = aclsOf([...DEFAULT_RULES, ...own]).get("local.acl");
    expect(acl).toBe("topic write #\ntopic read #\ntopic read $SYS/#\n");
  });

  test("say by its last words why it ended", () => {
    expect(reasonOf(["mosquitto version 2", "Error: Address already in use", "bye"])).toBe("Address already in use");
    expect(reasonOf(["something"])).toBe("something");
    expect(reasonOf([])).toBe("it ended without a word");
  });
});
