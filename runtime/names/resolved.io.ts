/** The system's resolver: whether it is systemd-resolved, and telling it whom to ask for the mesh's names. */
import { existsSync, readFileSync } from "node:fs";

/** There while it runs. */
const SOCKET = "/run/systemd/resolve/io.systemd.Resolve";
/** Its stub, 127.0.0.53 port 53, as the kernel lists the sockets of our network namespace. */
const SOCKETS = "/proc/self/net/udp";
const LISTENS = /^\s*\d+: 3500007F:0035 /m;
const RESOLV_CONF = "/etc/resolv.conf";
const NSSWITCH = "/etc/nsswitch.conf";
const STUB = /^\s*nameserver\s+127\.0\.0\.5[34]\s*$/m;
const SWITCHED = /^\s*hosts:.*\bresolve\b/m;
const PATIENCE = 5000; // ms

export interface SystemResolver {
  /** systemd-resolved runs and can be told: that of our own network namespace, since another would take our device for one of its own. */
  readonly resolved: boolean;
  /** Programs that ask the system ask it. */
  readonly asked: boolean;
}

export function systemResolver(): SystemResolver {
  const runs = existsSync(SOCKET) && LISTENS.test(textOf(SOCKETS));
  return {
    resolved: runs && Bun.which("resolvectl") !== null,
    asked: STUB.test(textOf(RESOLV_CONF)) || SWITCHED.test(textOf(NSSWITCH)),
  };
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // then it says nothing
  }
}

/**
 * Questions about these domains, and no others, go to `server` by way of `device`, until `revert` or the end of the device. The reason
 * why not, or undefined.
 */
export async function route(device: string, server: string, domains: readonly string[]): Promise<string | undefined> {
  const steps = [
    ["dns", device, server],
    ["domain", device, ...domains.map((domain) => `~${domain}`)], // routing only: nothing is completed by it
    ["default-route", device, "false"],
    ["dnssec", device, "false"], // nobody can sign below .internal
    ["llmnr", device, "false"],
    ["mdns", device, "false"],
  ];
  for (const step of steps) {
    const problem = await resolvectl(...step);
    if (problem === undefined) continue;
    await revert(device);
    return problem;
  }
  return undefined;
}

export const revert = (device: string): Promise<string | undefined> => resolvectl("revert", device);

/** What it said when it failed. */
async function resolvectl(...args: readonly string[]): Promise<string | undefined> {
  try {
    const child = Bun.spawn(["resolvectl", ...args], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: "pipe",
      timeout: PATIENCE,
    });
    const said = await new Response(child.stderr).text();
    const code = await child.exited;
    return code === 0 ? undefined : said.trim() || `resolvectl ${args[0]} ended with ${code}`;
  } catch (thrown) {
    return String(thrown);
  }
}
