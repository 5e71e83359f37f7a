/**
 * Eight gateways in a ring with chords while daemons are killed, frozen and started anew, and wires are cut, two at a time and by lot, with
 * traffic between two that nobody touches. Whatever was done: once it is over everybody reaches everybody, and no daemon has failed by itself.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type TestGateway, TestNet, until } from "../help/netns.ts";
import { able } from "../help/require.ts";
import { seededNumber } from "../help/seeded.ts";
import { must } from "../help/shell.ts";

const ready = able("test/netns/chaos.test.ts", "root", "tun", "netns", "addon", "command:ip", "command:ping");

const SEED = "1";
const ROUNDS = 10;
const NAMES = [..."abcdefgh"];
/** Nothing is done to their daemons. */
const [FROM, TO] = ["a", "e"] as const;
const RING = NAMES.map((name, i): [string, string] => [name, NAMES[(i + 1) % NAMES.length] as string]);
const CHORDS: [string, string][] = [
  ["b", "f"],
  ["c", "g"],
  ["d", "h"],
];
/** For joining; cut afterwards. */
const STAR: [string, string][] = [..."cdefg"].map((name) => ["a", name]);
const WIRES = [...RING, ...CHORDS, ...STAR];

/** Something that is done, and how it is undone. */
interface Fault {
  readonly name: string;
  begin(): Promise<unknown>;
  end(): Promise<unknown>;
}

describe.skipIf(!ready)("a mesh of eight whose daemons and wires come and go", () => {
  const net = new TestNet(...NAMES);
  const addresses = new Map<string, string>();
  const failures: string[] = [];
  const chance = seededNumber(`chaos/${SEED}`);
  const pick = <T>(list: readonly T[]): T => list[Math.floor(chance() * list.length)] as T;

  /** Its log goes with the daemon: what it says of itself is kept. */
  const noteFailures = async (g: TestGateway): Promise<void> => {
    const lines = (await Bun.file(`${g.stateDir}.log`).text()).split("\n");
    const bad = lines.filter((line) => /^error |panic|Segmentation/.test(line));
    failures.push(...bad.map((line) => `${g.name}: ${line}`));
  };

  const faults: readonly Fault[] = [
    ...NAMES.filter((name) => name !== FROM && name !== TO).flatMap((name): Fault[] => {
      const g = net.at(name);
      const anew = async (): Promise<void> => {
        await noteFailures(g);
        await g.start();
      };
      return [
        { name: `${name} killed`, begin: () => g.end("SIGKILL"), end: anew },
        { name: `${name} stopped`, begin: () => g.end("SIGTERM"), end: anew },
        {
          name: `${name} frozen`,
          begin: async () => process.kill(g.pid as number, "SIGSTOP"),
          end: async () => process.kill(g.pid as number, "SIGCONT"),
        },
      ];
    }),
    ...[...RING, ...CHORDS].map(
      ([a, b], i): Fault => ({ name: `wire ${a}-${b} cut`, begin: () => net.cut(i + 1), end: () => net.mend(i + 1) }),
    ),
  ];
  const subject = (fault: Fault): string => fault.name.slice(0, fault.name.lastIndexOf(" "));

  const ping = async (from: string, to: string): Promise<true | undefined> => {
    const command = net.at(from).inside("ping", "-6", "-c", "1", "-W", "1", addresses.get(to) as string);
    return (await Bun.spawn(command, { stdout: "ignore", stderr: "ignore" }).exited) === 0 ? true : undefined;
  };
  const reaches = (from: string, to: string): Promise<true> => until(`${from} to reach ${to}`, () => ping(from, to));

  beforeAll(async () => {
    await net.buildWires(...WIRES);
    const a = net.at("a");
    await a.json("init", "--name", "a");
    await a.start();
    for (const g of net.gateways.slice(1)) {
      const wire = WIRES.findIndex((ends) => ends.includes("a") && ends.includes(g.name));
      const end = (WIRES[wire] as [string, string]).indexOf("a") + 1;
      const { token } = await a.json<{ token: string }>("invite", "--endpoint", `10.78.${wire + 1}.${end}:51820`);
      await g.json("join", token, "--name", g.name);
      await g.start();
    }
    for (const g of net.gateways) addresses.set(g.name, (await g.json<{ address: string }>("status")).address);
    for (const wire of STAR) await net.cut(WIRES.indexOf(wire) + 1);
  });
  afterAll(() => net.remove());

  test("everybody reaches everybody over whoever is in between", async () => {
    for (const from of NAMES) for (const to of NAMES) if (from !== to) await reaches(from, to);
  });

  test("and again after each round of faults, while two others speak on", async () => {
    const command = net.at(FROM).inside("ping", "-6", "-n", "-i", "0.05", addresses.get(TO) as string);
    const flow = Bun.spawn(command, { stdout: "pipe", stderr: "ignore" });
    const answers = new Response(flow.stdout).text();
    for (let round = 1; round <= ROUNDS; round++) {
      const first = pick(faults);
      const second = pick(faults.filter((f) => subject(f) !== subject(first)));
      for (const fault of [first, second]) {
        await fault.begin();
        await Bun.sleep(chance() * 2000);
      }
      await Bun.sleep(1000 + chance() * 3000);
      for (const fault of [first, second]) await fault.end();
      const others = NAMES.filter((name) => name !== FROM);
      try {
        for (const name of others) await reaches(name, pick(NAMES.filter((n) => n !== name)));
        await reaches(FROM, TO);
      } catch (thrown) {
        throw new Error(`round ${round}, ${first.name} and ${second.name}: ${(thrown as Error).message}`);
      }
    }
    for (const from of NAMES) for (const to of NAMES) if (from !== to) await reaches(from, to);
    flow.kill("SIGINT");
    const [, sent = "", received = ""] = /(\d+) packets transmitted, (\d+) received/.exec(await answers) ?? [];
    expect(Number(received)).toBeGreaterThan(Number(sent) / 2);
  });

  test("no daemon has failed by itself, and none has left anything but its device", async () => {
    for (const g of net.gateways) {
      await noteFailures(g);
      expect((await g.trellis("status")).code).toBe(0);
      expect((await must(["ip", "-n", g.namespace, "-o", "link"])).match(/mesh\d+/g)).toEqual(["mesh0"]);
    }
    expect(failures).toEqual([]);
  });
});
