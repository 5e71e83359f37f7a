/** What the full demo needs from the machine; each lacking thing comes with the way to get it. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import { run } from "../help/shell.ts";

export interface Lacking {
  readonly what: string;
  readonly fix: string;
}

const ADDON = join(import.meta.dir, "../../build/native", process.arch, "trellis.node");
const PROBE = `trellis-demo-probe-${process.pid}`;

export async function lacking(): Promise<Lacking[]> {
  const found: Lacking[] = [];
  const root = process.getuid?.() === 0;
  if (!root) found.push({ what: "root", fix: "run the command with sudo" });
  if (!existsSync("/dev/net/tun")) {
    found.push({ what: "/dev/net/tun", fix: "`modprobe tun`, or start the container with --device /dev/net/tun" });
  }
  if (!existsSync(ADDON))
    found.push({ what: "the native addon", fix: "install g++ and libssl-dev, then run this command again" });
  for (const program of ["ip", "ping", "socat", "ss"]) {
    if (!Bun.which(program))
      found.push({
        what: program,
        fix: `apt-get install ${program === "ping" ? "iputils-ping" : program === "socat" ? "socat" : "iproute2"}`,
      });
  }
  if (root && Bun.which("ip")) {
    const made = await run(["ip", "netns", "add", PROBE]);
    if (made.code === 0) await run(["ip", "netns", "delete", PROBE]);
    else
      found.push({
        what: "network namespaces",
        fix: "start the container with --cap-add NET_ADMIN --cap-add SYS_ADMIN",
      });
  }
  return found;
}
