/**
 * systemd-resolved with a bus of its own, in the network namespace of one gateway and in a mount namespace where it has /run to itself:
 * the machine's own is never touched. Debian's package is used where it is installed, else unpacked under build/, since
 * installing it would change this machine's /etc/resolv.conf.
 */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TestGateway, until } from "./netns.ts";
import { must, run } from "./shell.ts";

const FOLDER = join(import.meta.dir, "../../build/systemd-resolved");
const DAEMON = "lib/systemd/systemd-resolved";

export interface Programs {
  readonly daemon: string;
  /** Of resolvectl. */
  readonly folder: string;
}

/** Undefined, with the reason said, where there is none and none can be fetched. */
export async function findResolved(file: string): Promise<Programs | undefined> {
  const at = (root: string): Programs | undefined => {
    const [daemon, folder] = [join(root, DAEMON), join(root, "usr/bin")];
    return existsSync(daemon) && existsSync(join(folder, "resolvectl")) ? { daemon, folder } : undefined;
  };
  const known = at("/") ?? at(join(FOLDER, "root"));
  if (known) return known;
  const problem = await fetchPackage();
  const fetched = problem === "" ? at(join(FOLDER, "root")) : undefined;
  if (!fetched) console.log(`SKIP ${file}: no systemd-resolved: ${problem || "not in its package"}`);
  return fetched;
}

async function fetchPackage(): Promise<string> {
  if (!Bun.which("apt-get") || !Bun.which("dpkg")) return "not a Debian machine";
  mkdirSync(FOLDER, { recursive: true });
  const command = ["apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", "systemd-resolved"];
  const child = Bun.spawn(command, { cwd: FOLDER, stdout: "ignore", stderr: "pipe" });
  const said = (await new Response(child.stderr).text()).trim().split("\n").at(-1) ?? "";
  if ((await child.exited) !== 0) return `apt-get could not fetch it: ${said}`;
  const file = readdirSync(FOLDER).find((name) => name.endsWith(".deb"));
  if (!file) return "apt-get fetched nothing";
  await must(["dpkg", "-x", join(FOLDER, file), join(FOLDER, "root")]);
  const linked = (await run(["ldd", join(FOLDER, "root", DAEMON)])).stdout;
  return linked.includes("not found") ? "it needs libraries that this machine does not have" : "";
}

const BUS = `<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN" "busconfig.dtd">
<busconfig>
  <type>system</type>
  <listen>unix:path=/run/dbus/system_bus_socket</listen>
  <auth>EXTERNAL</auth>
  <policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/><allow user="*"/></policy>
</busconfig>
`;

/** Holds the mount namespace; ends both daemons when standard input ends. The user of systemd-resolved is made up where there is none. */
const HOLDER = `
set -e
trap 'kill $resolved $bus' EXIT
mount -t tmpfs none /run
mkdir -p /run/dbus /run/systemd/resolve
for what in passwd group; do cp /etc/$what /run/$what; done
id systemd-resolve >/dev/null 2>&1 || {
  echo 'systemd-resolve:x:993:993::/:/usr/sbin/nologin' >>/run/passwd
  echo 'systemd-resolve:x:993:' >>/run/group
  mount --bind /run/passwd /etc/passwd
  mount --bind /run/group /etc/group
}
: >/run/resolv.conf # no server elsewhere: what the gateway does not answer fails at once
mount --bind /run/resolv.conf /etc/resolv.conf
chown systemd-resolve:systemd-resolve /run/systemd/resolve
dbus-daemon --config-file="$1" --nofork & bus=$!
until [ -S /run/dbus/system_bus_socket ]; do kill -0 $bus; sleep 0.05; done
"$2" & resolved=$!
until [ -S /run/systemd/resolve/io.systemd.Resolve ] && [ -e /run/systemd/resolve/stub-resolv.conf ]; do kill -0 $resolved; sleep 0.05; done
mount --bind /run/systemd/resolve/stub-resolv.conf /etc/resolv.conf
echo ready
read -r _ || true
`;

/** A gateway whose namespace has systemd-resolved. */
export class ResolvedGateway extends TestGateway {
  #holder: Bun.Subprocess<"pipe", "pipe", "ignore"> | undefined;
  #path = "";

  override inside(...command: readonly string[]): string[] {
    const pid = this.#holder?.pid;
    if (pid === undefined) return super.inside(...command);
    const namespaces = ["nsenter", `--mount=/proc/${pid}/ns/mnt`, `--net=/proc/${pid}/ns/net`];
    return [...namespaces, "env", `PATH=${this.#path}`, ...command];
  }

  async hold({ daemon, folder }: Programs): Promise<void> {
    const bus = `${this.stateDir}.bus.conf`;
    writeFileSync(bus, BUS);
    this.#path = `${folder}:${process.env.PATH}`;
    const script = ["unshare", "--mount", "--propagation", "private", "sh", "-c", HOLDER, "holder", bus, daemon];
    const holder = Bun.spawn(super.inside(...script), { stdin: "pipe", stdout: "pipe", stderr: "ignore" });
    this.#holder = holder;
    const { value } = await holder.stdout.getReader().read();
    if (new TextDecoder().decode(value).trim() !== "ready") throw new Error("systemd-resolved did not start");
    await until("its stub", async () =>
      (await run(this.inside("resolvectl", "status"))).code === 0 ? true : undefined,
    );
  }

  async letGo(): Promise<void> {
    this.#holder?.stdin.end();
    await this.#holder?.exited;
  }
}
