/** The relay's programs on one device by two gateways, one port each, and what of them is found and taken away by whom. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type FoundRelay, loadAddon, relayObjects } from "../../runtime/dataplane/addon.io.ts";
import { able } from "../help/require.ts";
import { must, run } from "../help/shell.ts";

const FILE = "test/native/found-relays.test.ts";
const NETNS = `trellis-t${process.pid}-found`;
const ROOT = join(import.meta.dir, "../..");

function canRun(): boolean {
  if (!able(FILE, "root", "netns", "addon", "command:ip")) return false;
  const refusal = loadAddon().addon?.probe().bpf;
  const reason = refusal ? `BPF is refused (${refusal})` : relayObjects() ? undefined : "the BPF objects are not built";
  if (reason) console.log(`SKIP ${FILE}: ${reason}`);
  return reason === undefined;
}

const START = `
  const { loadAddon, relayObjects } = await import(${JSON.stringify(join(ROOT, "runtime/dataplane/addon.io.ts"))});
  const { ethernetFrame } = await import(${JSON.stringify(join(ROOT, "test/help/underlay-packet.ts"))});
  const { addon } = loadAddon();
  const { tc, xdp } = relayObjects();
  const found = () => addon.findRelays().filter(({ device }) => device === "eth0");
`;

/** What a program in the namespace says. */
const inside = async <T>(script: string): Promise<T> =>
  JSON.parse(await must(["ip", "netns", "exec", NETNS, process.execPath, "-e", `${START}${script}`])) as T;

const shown = (relays: readonly FoundRelay[]): string[] =>
  relays.map(({ hook, port, leased }) => `${hook} ${port} ${leased}`).sort();

describe.skipIf(!canRun())("programs of two gateways on one device", () => {
  beforeAll(async () => {
    await must(["ip", "netns", "add", NETNS]);
    await must(["ip", "-n", NETNS, "link", "add", "eth0", "type", "veth", "peer", "name", "other"]);
    for (const device of ["eth0", "other"]) await must(["ip", "-n", NETNS, "link", "set", device, "up"]);
  });
  afterAll(() => run(["ip", "netns", "delete", NETNS]));

  test.each(["tcx", "clsact"] as const)("(%s) are found by their ports, and each goes alone", async (hook) => {
    const told = await inside<{ both: FoundRelay[]; one: FoundRelay[]; left: FoundRelay[]; none: FoundRelay[] }>(`
      const [first, second] = [5001, 5002].map((port) => addon.loadRelay(port, tc, undefined));
      for (const relay of [first, second]) {
        relay.attach("eth0", ${JSON.stringify(hook)});
        relay.succeed({ tc: relay.programs().tc, xdp: 0, mark: "0000000000000001" }); // tells the tables its port
      }
      const both = found();
      first.close(); // made the queueing discipline, where there is one
      const one = found();
      const programs = second.programs();
      second.leave();
      const left = found();
      addon.removeRelay(programs);
      console.log(JSON.stringify({ both, one, left, none: found() }));
    `);
    expect(shown(told.both)).toEqual([`${hook} 5001 0`, `${hook} 5002 0`]);
    expect([shown(told.one), shown(told.left)]).toEqual([[`${hook} 5002 0`], [`${hook} 5002 0`]]);
    expect(told.none).toEqual([]);
  });

  test.each([[["tcx"]], [["clsact"]], [["tcx", "xdp"]]] as const)(
    "those that were left are taken from their device (%p)",
    async (hooks) => {
      const told = await inside<{ left: FoundRelay[]; after: FoundRelay[] }>(`
      const relay = addon.loadRelay(5003, tc, xdp);
      for (const hook of ${JSON.stringify(hooks)}) relay.attach("eth0", hook);
      relay.succeed({ tc: relay.programs().tc, xdp: 0, mark: "0000000000000001" });
      relay.leave();
      const left = found();
      for (const { device, hook, id } of left) addon.detachRelay(device, hook, id);
      console.log(JSON.stringify({ left, after: found() }));
    `);
      expect(shown(told.left)).toEqual(hooks.map((hook) => `${hook} 5003 0`));
      expect(told.after).toEqual([]);
    },
  );

  test("a later one marks what comes to its own port and nothing else, which may have another's mark", async () => {
    const { own, other } = await inside<{ own: string; other: string }>(`
      const before = addon.loadRelay(5004, tc, undefined);
      before.attach("eth0", "tcx");
      const later = addon.loadRelay(5004, tc, undefined);
      later.succeed(before.programs());
      const run = (to) => {
        const payload = Uint8Array.of(1, 2, 3, 4);
        const macs = { from: "02:00:00:00:00:01", to: "02:00:00:00:00:02" };
        const frame = ethernetFrame({ macs, from: "10.0.0.1", to: "10.0.0.2", ports: { from: 9, to }, payload, hops: 64 });
        const options = { xdp: false, segment: 0, checksumKnown: false, mark: new Uint8Array(12).fill(7) };
        return Buffer.from(later.run(frame, options).mark).toString("hex");
      };
      const mark = Buffer.from(before.programs().mark, "hex").reverse().toString("hex");
      console.log(JSON.stringify({ own: run(5004).replace(mark, "mark of the one before "), other: run(5005) }));
      for (const relay of [later, before]) relay.close();
    `);
    expect(own).toBe("mark of the one before 01000000");
    expect(other).toBe("07".repeat(12));
  });
});
