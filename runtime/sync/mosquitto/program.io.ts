/**
 * Mosquitto as a child of the daemon. Where the daemon is root, Mosquitto has the user of Debian's package and no rights from its start on. It ends
 * with the daemon, however that ends: the kernel tells it to (PR_SET_PDEATHSIG), and what was missed all the same the next start finds by its number.
 */
import { chmodSync, chownSync, existsSync, lchownSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { TrellisError } from "../../base/errors.ts";
import type { Log } from "../../base/log.ts";
import { type Ms, seconds } from "../../base/time.ts";
import { CONF, DATA, reasonOf } from "./files.ts";

/** Debian keeps it outside a user's PATH. */
const PLACES = `${process.env.PATH ?? ""}:/usr/sbin:/usr/local/sbin:/usr/bin:/bin`;
const USER = "mosquitto";
const PID_FILE = "mosquitto.pid";
/** Time to write its database, when it is told to end. */
const PATIENCE: Ms = seconds(5);
const LOOK: Ms = 50;
/** Lines that it said last. */
const SAID_MAX = 20;
const LINE_MAX = 500;

interface Owner {
  readonly uid: number;
  readonly gid: number;
}

export interface Installed {
  readonly mosquitto: string;
  readonly setpriv: string;
  /** Whom it becomes; undefined: it stays who we are. */
  readonly owner: Owner | undefined;
}

/** Throws `broker/missing` and `broker/user`. */
export function installed(): Installed {
  return {
    mosquitto: program("mosquitto", "mosquitto"),
    setpriv: program("setpriv", "util-linux"),
    owner: process.getuid?.() === 0 ? ownerOf(USER) : undefined,
  };
}

function program(name: string, debianPackage: string): string {
  const found = Bun.which(name, { PATH: PLACES });
  if (found) return found;
  throw new TrellisError("broker/missing", `mqtt-broker is mosquitto, and there is no \`${name}\` on this machine`, {
    hint: `apt install ${debianPackage}; or mqtt-broker = "embedded"`,
  });
}

function ownerOf(user: string): Owner {
  const line = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .find((l) => l.startsWith(`${user}:`));
  const [, , uid, gid] = (line ?? "").split(":").map(Number);
  if (uid && gid) return { uid, gid };
  throw new TrellisError("broker/user", `Mosquitto is to run as the user ${user}, whom this machine does not know`, {
    hint: "Debian's package mosquitto makes that user",
  });
}

export class Program {
  readonly #folder: string;
  readonly #installed: Installed;
  readonly #child: Bun.Subprocess<"ignore", "ignore", "pipe">;
  /** Why it ended, when it has. */
  readonly ended: Promise<string>;

  private constructor(folder: string, parts: Installed, log: Log) {
    this.#folder = folder;
    this.#installed = parts;
    const { mosquitto, setpriv, owner } = parts;
    const drop = owner ? [`--reuid=${owner.uid}`, `--regid=${owner.gid}`, "--clear-groups"] : [];
    // Relative paths from its working directory: the directories above are closed to that user.
    const command = [setpriv, ...drop, "--no-new-privs", "--pdeathsig=TERM", "--", mosquitto, "-c", CONF];
    this.#child = Bun.spawn(command, { cwd: folder, stdin: "ignore", stdout: "ignore", stderr: "pipe" });
    const said = this.#listen(log);
    this.ended = this.#child.exited.then(async () => {
      const { signalCode } = this.#child;
      return signalCode === null ? reasonOf(await said) : `Mosquitto was ended by ${signalCode}`;
    });
  }

  /** Ends what an earlier one left, writes `files` (text by name) and starts it. Throws what the file system or the kernel throws. */
  static async start(folder: string, parts: Installed, files: ReadonlyMap<string, string>, log: Log): Promise<Program> {
    await endLeftover(join(folder, PID_FILE));
    // The directory is ours, so what it reads at its start is what we wrote. Its own is the one below.
    const { owner } = parts;
    makeDirectory(folder, owner ? 0o750 : 0o700, owner && { uid: 0, gid: owner.gid });
    // Of two owners: a daemon with few capabilities goes by permissions, too.
    makeDirectory(join(folder, DATA), owner ? 0o770 : 0o700, owner && { uid: owner.uid, gid: 0 });
    for (const [name, text] of files) writeFor(join(folder, name), text, owner);
    const made = new Program(folder, parts, log);
    const { pid } = made.#child;
    writeFor(join(folder, PID_FILE), `${pid} ${startOf(pid) ?? ""}\n`, undefined);
    return made;
  }

  get isOver(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** With another configuration, as far as Mosquitto reads it again. */
  reload(conf: string): void {
    writeFor(join(this.#folder, CONF), conf, this.#installed.owner);
    this.#child.kill("SIGHUP");
  }

  /** The path of a socket that it has made for us. Throws while there is none. */
  reach(socket: string): string {
    const path = join(this.#folder, socket);
    const { owner } = this.#installed;
    if (owner) lchownSync(path, 0, owner.gid);
    return path;
  }

  /** It writes its database before it ends. */
  async stop(): Promise<void> {
    this.#child.kill("SIGTERM");
    const patience = setTimeout(() => this.#child.kill("SIGKILL"), PATIENCE);
    await this.#child.exited;
    clearTimeout(patience);
    rmSync(join(this.#folder, PID_FILE), { force: true });
  }

  /** What it says goes to our log; its last lines. */
  async #listen(log: Log): Promise<readonly string[]> {
    const said: string[] = [];
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of this.#child.stderr) {
      const parts = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = (parts.pop() as string).slice(-LINE_MAX);
      for (const line of parts.map((part) => part.slice(0, LINE_MAX))) {
        said.push(line);
        if (said.length > SAID_MAX) said.shift();
        if (line.startsWith("Error:")) log.warn(line);
        else log.debug(line);
      }
    }
    return said;
  }
}

function makeDirectory(path: string, mode: number, owner: Owner | undefined): void {
  mkdirSync(path, { recursive: true, mode });
  give(path, mode, owner);
}

/** Made anew: one that is Mosquitto's a daemon with few capabilities could not write to. */
function writeFor(path: string, text: string, owner: Owner | undefined): void {
  rmSync(path, { force: true });
  writeFileSync(path, text, { mode: 0o600, flag: "wx" });
  give(path, 0o600, owner);
}

function give(path: string, mode: number, owner: Owner | undefined): void {
  if (owner) chownSync(path, 0, 0); // the mode of what is another's we may not change
  chmodSync(path, mode); // the umask may have taken bits
  if (owner) chownSync(path, owner.uid, owner.gid);
}

/** A Mosquitto that its daemon left behind: it has the port, and nobody couples it. */
async function endLeftover(pidFile: string): Promise<void> {
  if (!existsSync(pidFile)) return;
  const [pid, start] = readFileSync(pidFile, "utf8").trim().split(" ");
  const lives = (): boolean => start !== undefined && startOf(Number(pid)) === start;
  for (const signal of ["SIGTERM", "SIGKILL"] as const) {
    if (!lives()) break;
    try {
      process.kill(Number(pid), signal);
    } catch {
      break; // it has just ended, or is somebody else's, who has the port then
    }
    for (let waited = 0; lives() && waited < PATIENCE; waited += LOOK) await Bun.sleep(LOOK);
  }
  rmSync(pidFile, { force: true });
}

/** When a process began, in ticks since the machine did (proc(5), field 22): with its number, what no other has. Undefined: there is none. */
function startOf(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [state, ...fields] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return state === "Z" ? undefined : fields[18];
  } catch {
    return undefined;
  }
}
