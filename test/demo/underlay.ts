/**
 * The demo's underlay: a namespace per gateway, all on one bridge that lives in a namespace of its own.
 *
 *   trellis-demo-1    trellis-demo-2   ...
 *     eth0 10.77.0.1    eth0 10.77.0.2
 *        \               /
 *      trellis-demo-switch: br0
 */
import { must, run } from "../help/shell.ts";

const SWITCH = "trellis-demo-switch";
export const namespaceOf = (i: number): string => `trellis-demo-${i}`;

const ip = (...args: string[]): Promise<string> => must(["ip", ...args]);

export async function buildUnderlay(gateways: number): Promise<void> {
  await removeUnderlay();
  await ip("netns", "add", SWITCH);
  await ip("-n", SWITCH, "link", "add", "br0", "type", "bridge");
  await ip("-n", SWITCH, "link", "set", "br0", "up");
  for (let i = 1; i <= gateways; i++) {
    const ns = namespaceOf(i);
    await ip("netns", "add", ns);
    await ip("-n", SWITCH, "link", "add", `port${i}`, "type", "veth", "peer", "name", "eth0", "netns", ns);
    await ip("-n", SWITCH, "link", "set", `port${i}`, "master", "br0", "up");
    await ip("-n", ns, "address", "add", `10.77.0.${i}/24`, "dev", "eth0");
    await ip("-n", ns, "link", "set", "lo", "up");
    await ip("-n", ns, "link", "set", "eth0", "up");
  }
}

/** Removes what this or an earlier, killed demo left: only namespaces with the demo's names. */
export async function removeUnderlay(): Promise<void> {
  const list = await run(["ip", "-json", "netns", "list"]);
  const names = list.stdout.trim() ? (JSON.parse(list.stdout) as { name: string }[]).map((n) => n.name) : [];
  for (const name of names.filter((n) => n === SWITCH || /^trellis-demo-\d+$/.test(n)))
    await ip("netns", "delete", name);
}
