/** The programs on the overlay device: loaded with the rights of the service, and attached to a device of a network namespace of their own, by each of the two hooks. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { able } from "../help/require.ts";
import { must, run } from "../help/shell.ts";

const ready = able("test/native/mesh-filter.test.ts", "root", "netns", "addon", "command:ip", "command:tc");
const NETNS = `trellis-t${process.pid}-mesh`;
const ROOT = join(import.meta.dir, "../..");

/** Attaches, looks at the device's filters, and lets go: what a program in the namespace prints. */
const script = (clsact: boolean, device: string): string => `
  const { loadAddon, meshObject } = await import(${JSON.stringify(join(ROOT, "runtime/dataplane/addon.io.ts"))});
  const { PolicyProgram } = await import(${JSON.stringify(join(ROOT, "runtime/policy/compile.ts"))});
  const filter = loadAddon().addon.loadMeshFilter(meshObject());
  const self = { name: "a", address: "fd00::1", roles: [] };
  const refuse = { fallback: "deny", rules: [] };
  filter.replace(new PolicyProgram(refuse, self).table({ members: [self], generation: 1, counterBase: 0 }));
  const look = (direction) => Bun.spawnSync(["tc", "filter", "show", "dev", ${JSON.stringify(device)}, direction]).stdout.toString();
  const ping = () => Bun.spawnSync(["ping", "-6", "-c", "1", "-W", "1", "fd00::2"]).exitCode;
  const drops = () => filter.dropCounters().reduce((sum, n) => sum + n, 0);
  let hook;
  try {
    hook = filter.attach(${JSON.stringify(device)}, ${clsact});
  } catch (error) {
    console.log(JSON.stringify({ error: error.code }));
    process.exit(0);
  }
  const shown = [look("ingress"), look("egress")];
  ping();
  const dropped = drops();
  filter.close();
  console.log(JSON.stringify({ hook, shown, dropped, after: [look("ingress"), look("egress")] }));
`;

interface Told {
  readonly hook?: string;
  readonly error?: string;
  readonly shown: readonly string[];
  readonly dropped: number;
  readonly after: readonly string[];
}

describe.skipIf(!ready)("the programs on the overlay device", () => {
  beforeEach(async () => {
    await must(["ip", "netns", "add", NETNS]);
    await must(["ip", "-n", NETNS, "tuntap", "add", "mesh0", "mode", "tun"]);
    await must(["ip", "-n", NETNS, "address", "add", "fd00::1/64", "dev", "mesh0", "nodad"]);
    await must(["ip", "-n", NETNS, "link", "set", "mesh0", "up"]);
  });
  afterEach(() => run(["ip", "netns", "delete", NETNS]));

  const inside = async (clsact: boolean, device = "mesh0"): Promise<Told> =>
    JSON.parse(await must(["ip", "netns", "exec", NETNS, process.execPath, "-e", script(clsact, device)])) as Told;

  test("are attached by tcx or clsact, drop what the policy denies, and go when they are closed", async () => {
    const { hook, dropped, after } = await inside(false);
    expect(["tcx", "clsact"]).toContain(hook as string);
    expect(dropped).toBeGreaterThan(0);
    expect(after).toEqual(["", ""]);
  });

  test("are attached by clsact where that is asked for, in both directions", async () => {
    const { hook, shown, dropped, after } = await inside(true);
    expect(hook).toBe("clsact");
    expect(shown[0]).toContain("mesh_in");
    expect(shown[1]).toContain("mesh_out");
    expect(dropped).toBeGreaterThan(0);
    expect(after).toEqual(["", ""]);
  });

  test("are not attached to a device that is not there", async () => {
    expect((await inside(false, "mesh7")).error).toBe("ENODEV");
  });
});

describe.skipIf(!able("test/native/mesh-filter.test.ts: rights", "root", "addon", "command:setpriv"))(
  "the programs' rights",
  () => {
    const load = `
    const { loadAddon, meshObject, relayObjects } = await import(${JSON.stringify(join(ROOT, "runtime/dataplane/addon.io.ts"))});
    const { MeshGuard } = await import(${JSON.stringify(join(ROOT, "runtime/dataplane/mesh-guard.io.ts"))});
    const { addon } = loadAddon();
    const guard = MeshGuard.load(addon, meshObject(), "fd00::1");
    if (!("reason" in guard)) addon.loadRelay(1, relayObjects().tc, undefined).close();
    console.log("reason" in guard ? guard.reason : "loaded");
  `;
    const having = (capabilities: string): Promise<string> =>
      must(["setpriv", "--bounding-set", `-all,${capabilities}`, "--inh-caps", "-all", process.execPath, "-e", load]);

    test("are those that the systemd unit gives", async () => {
      const unit = await Bun.file(join(ROOT, "provisioning/systemd/trellis.service")).text();
      const given = /^CapabilityBoundingSet=(.+)$/m.exec(unit)?.[1] ?? "";
      const set = given.split(" ").map((name) => name.replace("CAP_", "+").toLowerCase());
      expect(set).toContain("+bpf");
      expect(await having(set.join(","))).toBe("loaded\n");
    });

    test("that are missing are named", async () => {
      expect(await having("+net_admin")).toContain("CAP_BPF");
      expect(await having("+net_admin,+bpf")).toContain("CAP_PERFMON");
    });
  },
);
